"""Follows all takedowns without a consumer group: strikes and suspensions hold in all rooms of a tenant."""

from __future__ import annotations

from typing import Any

from agents.decisions import takedown_of
from models.shared import SharedRecord
from streams import records
from streams.codec import decode
from streams.connection import Kafka
from streams.envelope import BadRecord
from streams.reading import WATCH_WAIT_MS, RawReader
from streams.topics import TAKEDOWNS


class SharedWatch:
    """``catch_up`` once, then ``follow``; what other workers issued is known here within half a second."""

    def __init__(self, kafka: Kafka, record: SharedRecord, since_ms: float) -> None:
        self._record = record
        self._reader = RawReader(
            kafka, (TAKEDOWNS,), start="earliest", fetch_max_wait_ms=WATCH_WAIT_MS, since_ms=since_ms
        )

    async def catch_up(self) -> None:
        """Everything since then."""
        await self._reader.__aenter__()
        self._note(await self._reader.raw_drain())

    async def follow(self) -> None:
        """For ever; closes the connection when cancelled."""
        try:
            while True:
                self._note(await self._reader.raw_poll())
        finally:
            await self._reader.__aexit__(None, None, None)

    def _note(self, messages: list[Any]) -> None:
        for message in messages:
            try:
                self._record.note(takedown_of(decode(records.Takedown, message.headers, message.value)))
            except BadRecord:
                continue  # not ours to judge: whoever published it answers for it
