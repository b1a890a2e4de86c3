"""Received records without a broker: what delivery and the stages need of a Faust event, with acks on record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from streams.codec import Message


@dataclass
class FakeMessage:
    """The part of a Faust message that we use; ``timestamp`` is Unix seconds, as Faust gives it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None = b"room"
    value: bytes | None = b"value"
    headers: Any = field(default_factory=list)
    timestamp: float | None = None


@dataclass
class FakeEvent:
    """A received record; ``log`` collects (topic, partition, offset) in the order of acknowledgement."""

    message: FakeMessage
    log: list[tuple[str, int, int]] = field(default_factory=list)

    def ack(self) -> bool:
        """Acknowledge; twice is an error that no test may hide."""
        place = (self.message.topic, self.message.partition, self.message.offset)
        assert place not in self.log, f"{place} was acknowledged twice"
        self.log.append(place)
        return True


class Partitioned:
    """Hands out events as partitions would: offsets rise by one, per topic and partition."""

    def __init__(self, timestamp: float | None = None) -> None:
        self.acked: list[tuple[str, int, int]] = []
        self.timestamp = timestamp
        self._next: dict[tuple[str, int], int] = {}

    def event(self, topic: str = "t", partition: int = 0, **fields: Any) -> FakeEvent:
        """The next event of a partition."""
        offset = self._next.get((topic, partition), 0)
        self._next[topic, partition] = offset + 1
        fields.setdefault("timestamp", self.timestamp)
        return FakeEvent(FakeMessage(topic, partition, offset, **fields), self.acked)

    def of(self, message: Message, partition: int = 0, **fields: Any) -> FakeEvent:
        """The next event of a partition, carrying an encoded record."""
        return self.event(
            message.topic, partition, key=message.key, value=message.value, headers=message.headers, **fields
        )
