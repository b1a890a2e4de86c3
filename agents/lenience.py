"""Follows rooms and policies without a consumer group, so that every listen worker knows who may be made to wait."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from models.deferral import Lenience
from models.lexicon.source import InvalidSourceError
from models.policy.load import load_policy, parse_policy
from streams import records
from streams.codec import decode
from streams.envelope import BadRecord
from streams.logs import get_logger
from streams.reading import WATCH_WAIT_MS, RawReader
from streams.settings import Settings
from streams.topics import POLICIES, ROOMS

log = get_logger("roomwarden.listen")

SINCE_S = 24 * 3600.0
"""How far back rooms are read at the start; in rooms open for longer nobody is made to wait."""


class LenienceWatch:
    """``start`` once, then ``follow``. Nobody waits for it to catch up: who is not known yet, is heard like others."""

    def __init__(self, settings: Settings, lenience: Lenience) -> None:
        self._settings = settings
        self._lenience = lenience
        self._readers: list[RawReader] = []

    async def start(self) -> None:
        """Read the policy file, and connect."""
        try:
            for policy in await asyncio.to_thread(load_policy, self._settings.policy):
                self._lenience.file(policy.tenant, policy.quiet_rooms)
        except InvalidSourceError as problem:  # a worker of listen does without, and makes nobody wait
            log.warning("policy file not used: no room counts as quiet", problem=str(problem))
        for row, since_ms in ((POLICIES, None), (ROOMS, (time.time() - SINCE_S) * 1000.0)):
            reader = RawReader(
                self._settings, (row,), start="earliest", fetch_max_wait_ms=WATCH_WAIT_MS, since_ms=since_ms
            )
            self._readers.append(await reader.__aenter__())

    async def follow(self) -> None:
        """For ever; closes the connections when cancelled."""
        try:
            await asyncio.gather(*(self._follow(reader) for reader in self._readers))
        finally:
            for reader in self._readers:
                await reader.__aexit__(None, None, None)

    async def _follow(self, reader: RawReader) -> None:
        while True:
            for message in await reader.raw_poll():
                try:
                    self.note(message)
                except (BadRecord, InvalidSourceError):
                    continue  # judge reads them too, and answers for them

    def note(self, message: Any) -> None:
        """Take in one message of either topic. Raises BadRecord or InvalidSourceError."""
        lenience = self._lenience
        if message.topic == POLICIES.name:
            if message.value is None:
                lenience.withdraw((message.key or b"").decode(errors="replace"))
                return
            pushed = decode(records.Policy, message.headers, message.value)
            for policy in parse_policy(pushed.document):
                if policy.tenant == pushed.tenant:
                    lenience.change(policy.tenant, policy.quiet_rooms)
            return
        room = decode(records.Room, message.headers, message.value)
        match room.event:
            case "room.opened":
                lenience.opened(room.tenant, room.room, room.room_type)
            case "room.closed":
                lenience.closed(room.tenant, room.room)
            case "speaker.joined":
                lenience.joined(room.tenant, room.room, room.speaker, trusted=room.trusted)
            case "speaker.left":
                lenience.left(room.tenant, room.room, room.speaker)
