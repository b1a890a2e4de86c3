"""What a platform does with Kafka, for tests: publish anything, read everything, wait for records and not for time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Literal, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from streams import records, topics
from streams.codec import Message, encode
from streams.dead_letters import DeadLetter
from streams.envelope import Headers
from streams.reading import Observed, Reader

PATIENCE_S = 180.0
"""Ends a wait that would never end; nothing is asserted about how long things take."""


class Platform:
    """A producer for what the platform sends, and everything that was published since ``start``, by type."""

    def __init__(self, bootstrap: str, start: Literal["earliest", "latest"]) -> None:
        self.bootstrap = bootstrap
        self.seen: list[Observed] = []
        self._producer: Any = AIOKafkaProducer(
            bootstrap_servers=bootstrap, acks="all", max_request_size=16 * topics.MIB, max_batch_size=1
        )
        rows = [row for row in topics.TOPICS if row.record is not None]
        self._reader = Reader(bootstrap, rows, start=start)
        self.dead: list[DeadLetter] = []
        self._buried: Any = AIOKafkaConsumer(
            topics.DEAD_LETTERS.name,
            bootstrap_servers=bootstrap,
            auto_offset_reset=start,
            enable_auto_commit=False,
            fetch_max_wait_ms=20,
            max_partition_fetch_bytes=2 * topics.MIB,
        )

    async def __aenter__(self) -> Self:
        await self._producer.start()
        await self._buried.start()
        for partition in self._buried.assignment():
            await self._buried.position(partition)
        await self._reader.__aenter__()
        return self

    async def __aexit__(self, *problem: object) -> None:
        await self._reader.__aexit__(*problem)
        await self._buried.stop()
        await self._producer.stop()

    async def send(self, *outgoing: records.Record | Message) -> None:
        """Publish records, or messages as they are, in order; returns when the broker has them."""
        futures = []
        for item in outgoing:
            message = item if isinstance(item, Message) else encode(item)
            futures.append(
                await self._producer.send(message.topic, message.value, message.key, headers=message.headers)
            )
        for future in futures:
            await future

    async def poll(self) -> None:
        """Take in what came."""
        self.seen.extend(await self._reader.poll())
        for batch in (await self._buried.getmany()).values():
            self.dead.extend(
                DeadLetter(f"{m.partition}:{m.offset}", m.key, m.value or b"", list(m.headers)) for m in batch
            )

    async def until(self, condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
        """Read until a condition on ``seen`` holds; returns its value."""
        try:
            async with asyncio.timeout(patience_s):
                while not (value := condition()):
                    await self.poll()
        except TimeoutError:
            counts = {row.name: sum(o.topic == row.name for o in self.seen) for row in topics.TOPICS}
            counts[topics.DEAD_LETTERS.name] = len(self.dead)
            raise AssertionError(f"waited {patience_s:g} s for {what}; seen so far: {counts}") from None
        return value

    def of(self, record_type: type[Any]) -> list[Any]:
        """Every record of a type seen so far, repetitions included."""
        return [item.record for item in self.seen if isinstance(item.record, record_type)]


def platform(bootstrap: str, start: Literal["earliest", "latest"] = "earliest") -> Platform:
    """The platform's side of a broker, for ``async with``; the topics must be there."""
    return Platform(bootstrap, start)


def replaced(headers: Headers, **changes: bytes | None) -> Headers:
    """Headers with some ``ce_`` attributes (or ``content_type``) replaced, or left out where None."""
    names = {"content-type" if name == "content_type" else f"ce_{name}": value for name, value in changes.items()}
    kept = [(name, value) for name, value in headers if name not in names]
    return kept + [(name, value) for name, value in names.items() if value is not None]


def unique(items: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, Any]:
    """The first of each key."""
    found: dict[Any, Any] = {}
    for item in items:
        found.setdefault(key(item), item)
    return found
