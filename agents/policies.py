"""Follows pushed policies and lexicons without a consumer group, so that every judge worker has all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from models.judgement import Judge
from models.takeover import Judges, Pushed, Settled, Takeover
from streams import records
from streams.codec import decode
from streams.connection import Kafka
from streams.envelope import BadRecord
from streams.logs import get_logger
from streams.reading import WATCH_WAIT_MS, RawReader
from streams.topics import POLICIES, SOURCES

log = get_logger("roomwarden.judge")


@dataclass(frozen=True, slots=True)
class Change:
    """New judges, and the messages that will never be in force."""

    judges: Judges
    taken: int
    refused: tuple[tuple[Any, BadRecord], ...] = ()


@dataclass(slots=True)
class Followed:
    """A message read outside the consumer group, as an event: there is nothing to acknowledge."""

    message: Any

    def ack(self) -> bool:
        """Nothing."""
        return True


class PolicyWatch:
    """``catch_up`` once, then ``follow``: what is handed over is complete, checked and compiled."""

    def __init__(self, kafka: Kafka, files: Judge) -> None:
        self._takeover = Takeover(files)
        self._reader = RawReader(kafka, (SOURCES, POLICIES), start="earliest", fetch_max_wait_ms=WATCH_WAIT_MS)
        self._unreadable: list[tuple[Any, BadRecord]] = []

    async def catch_up(self) -> Change:
        """Everything pushed so far."""
        await self._reader.__aenter__()
        return await self._take(await self._reader.raw_drain())

    async def follow(self) -> AsyncIterator[Change]:
        """Each change, as it comes; closes the connection when the caller is cancelled."""
        try:
            while True:
                messages = await self._reader.raw_poll()
                if messages:
                    yield await self._take(messages)
        finally:
            await self._reader.__aexit__(None, None, None)

    async def _take(self, messages: list[Any]) -> Change:
        for message in messages:
            try:
                self._note(message)
            except BadRecord as bad:
                self._unreadable.append((message, bad))
        # Compiling a lexicon takes seconds; the event loop goes on judging by the old one.
        settled = await asyncio.to_thread(self._takeover.settle)
        return self._change(settled)

    def _note(self, message: Any) -> None:
        if message.topic == SOURCES.name:
            if message.value is None:
                return
            source = decode(records.Source, message.headers, message.value)
            if source.kind == "lexicon" and not self._takeover.add_lexicon(source.sha256, source.content):
                raise BadRecord("invalid-policy", "field sha256 is not the hash of field content; use `policy push`")
            return
        if message.value is None:
            self._takeover.withdraw((message.key or b"").decode(errors="replace"))
            return
        policy = decode(records.Policy, message.headers, message.value)
        if (message.key or b"").decode(errors="replace") != policy.tenant:
            raise BadRecord("invalid-policy", "the record's key is not field tenant of its value; use `policy push`")
        self._takeover.change(Pushed(policy.tenant, policy.version, policy.document, policy.lexicons, message))

    def _change(self, settled: Settled) -> Change:
        for change in settled.taken:
            log.info("policy in force", tenant=change.tenant, version=change.version)
        for change in settled.waiting:
            log.warning("policy waits for its lexicons; the one before stays", tenant=change.tenant)
        refused = [(each.change.origin, BadRecord("invalid-policy", each.why)) for each in settled.refused]
        refused += self._unreadable
        self._unreadable = []
        for _, bad in refused:
            log.error("policy refused; the one before stays in force", reason=bad.reason, detail=bad.detail)
        return Change(settled.judges, len(settled.taken), tuple(refused))
