"""Reads typed records off the output topics, for whoever watches: alerts, live view, benchmarks, checks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

from aiokafka import AIOKafkaConsumer

from streams import records
from streams.codec import decode
from streams.connection import Kafka, client_options, start
from streams.envelope import BadRecord
from streams.topics import BY_NAME, Topic

WATCH_WAIT_MS = 500
"""Longest wait of a fetch for those who may learn of a record late: a tenth of the event loop goes into 100 empty
fetches a second."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One record as read: ``arrived_ms`` is the broker's or producer's timestamp of the record, Unix ms."""

    topic: str
    partition: int
    offset: int
    arrived_ms: float
    record: records.Record
    headers: dict[str, bytes]
    value: bytes


class RawReader:
    """Follows every partition of some topics without a consumer group; records as aiokafka has them.

    ``since_ms`` (Unix ms) begins later than ``start`` where older messages are there.
    """

    def __init__(
        self,
        kafka: Kafka,
        rows: Sequence[Topic],
        *,
        start: Literal["earliest", "latest"] = "latest",
        fetch_max_wait_ms: int = 20,
        since_ms: float | None = None,
    ) -> None:
        self._kafka = kafka
        self._since_ms = since_ms
        self._consumer: Any = AIOKafkaConsumer(
            *(row.name for row in rows),
            **client_options(kafka),
            auto_offset_reset=start,
            enable_auto_commit=False,
            fetch_max_wait_ms=fetch_max_wait_ms,
            max_partition_fetch_bytes=2 * 1024 * 1024,
        )

    async def __aenter__(self) -> Self:
        await start(self._consumer, self._kafka)
        # Fix the starting point now, so that nothing published after entering is missed.
        for partition in self._consumer.assignment():
            await self._consumer.position(partition)
        if self._since_ms is not None:
            await self._seek(self._since_ms)
        return self

    async def _seek(self, since_ms: float) -> None:
        """Begin with the first message of each partition that is not older, by the broker's or producer's clock."""
        partitions = list(self._consumer.assignment())
        found = await self._consumer.offsets_for_times({tp: int(since_ms) for tp in partitions})
        ends = await self._consumer.end_offsets(partitions)
        for partition in partitions:
            first = found.get(partition)
            self._consumer.seek(partition, ends[partition] if first is None else first.offset)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._consumer.stop()

    async def raw_poll(self, timeout_ms: int = 200) -> list[Any]:
        """Messages that came within ``timeout_ms``, as they arrived per partition."""
        batches = await self._consumer.getmany(timeout_ms=timeout_ms)
        return [message for batch in batches.values() for message in batch]

    async def raw_all(self) -> AsyncIterator[Any]:
        """Every message up to the present end of each partition, one after another."""
        ends = await self._consumer.end_offsets(list(self._consumer.assignment()))
        while [tp for tp, end in ends.items() if await self._consumer.position(tp) < end]:
            for message in await self.raw_poll():
                yield message

    async def raw_drain(self) -> list[Any]:
        """Every message up to the present end of each partition."""
        return [message async for message in self.raw_all()]

    async def expired(self) -> set[tuple[str, int]]:
        """Partitions (topic, number) whose oldest messages are gone."""
        begins = await self._consumer.beginning_offsets(list(self._consumer.assignment()))
        return {(tp.topic, tp.partition) for tp, offset in begins.items() if offset > 0}


class Reader(RawReader):
    """Typed records of some topics; unreadable ones are counted and skipped."""

    unreadable = 0

    async def poll(self, timeout_ms: int = 200) -> list[Observed]:
        """Records that came within ``timeout_ms``, as they arrived per partition."""
        return self._observed(await self.raw_poll(timeout_ms))

    async def follow(self) -> AsyncIterator[Observed]:
        """Records for ever."""
        while True:
            for item in await self.poll():
                yield item

    async def drain(self) -> list[Observed]:
        """Everything up to the present end of each partition."""
        return self._observed(await self.raw_drain())

    def _observed(self, messages: list[Any]) -> list[Observed]:
        return [item for message in messages if (item := self._observe(message))]

    def _observe(self, message: Any) -> Observed | None:
        row = BY_NAME[message.topic]
        if row.record is None:
            return None
        try:
            record: Any = decode(row.record, message.headers, message.value)  # type: ignore[type-var]  # rows hold records
        except BadRecord:
            self.unreadable += 1
            return None
        return Observed(
            message.topic,
            message.partition,
            message.offset,
            float(message.timestamp),
            record,
            dict(message.headers),
            message.value,
        )
