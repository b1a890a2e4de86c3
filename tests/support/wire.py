"""What a platform does with Kafka, for tests: publish anything, read everything, wait for records and not for time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer

from streams import records, topics
from streams.codec import Message, encode
from streams.dead_letters import DeadLetter, read_dead_letters
from streams.envelope import Headers
from streams.reading import Observed, Reader

PATIENCE_S = 60.0
"""Ends a wait that would never end; nothing is asserted about how long things take."""


class Platform:
    """A producer for what the platform sends, and everything that was published so far, by type."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.seen: list[Observed] = []
        self._producer: Any = AIOKafkaProducer(
            bootstrap_servers=bootstrap, acks="all", max_request_size=16 * topics.MIB, linger_ms=2
        )
        rows = [row for row in topics.TOPICS if row.record is not None]
        self._reader = Reader(bootstrap, rows, start="earliest")

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

    async def until(self, condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
        """Read until a condition on ``seen`` holds; returns its value."""
        try:
            async with asyncio.timeout(patience_s):
                while not (value := condition()):
                    await self.poll()
        except TimeoutError:
            counts = {row.name: sum(o.topic == row.name for o in self.seen) for row in topics.TOPICS}
            raise AssertionError(f"waited {patience_s:g} s for {what}; seen so far: {counts}") from None
        return value

    def of(self, record_type: type[Any]) -> list[Any]:
        """Every record of a type seen so far, repetitions included."""
        return [item.record for item in self.seen if isinstance(item.record, record_type)]

    async def dead_letters(self, count: int, patience_s: float = PATIENCE_S) -> list[DeadLetter]:
        """The dead letters, once there are ``count`` of them."""
        try:
            async with asyncio.timeout(patience_s):
                while len(found := await read_dead_letters(self.bootstrap)) < count:
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"waited {patience_s:g} s for {count} dead letters; {len(found)} came") from None
        return found


@asynccontextmanager
async def platform(bootstrap: str) -> AsyncIterator[Platform]:
    """A connected platform; its topics must be there."""
    side = Platform(bootstrap)
    await side._producer.start()
    try:
        async with side._reader:
            yield side
    finally:
        await side._producer.stop()


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
