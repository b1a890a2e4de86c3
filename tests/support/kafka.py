"""Stands in for Kafka behind a Faust app: records what is produced, confirms it when told to, assigns nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from streams import records, topics
from streams.app import StageApp
from streams.codec import decode
from streams.envelope import Headers


@dataclass
class Produced:
    """One record handed to the producer."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers
    partition: int | None = None
    confirmed: asyncio.Future[Any] | None = None

    @property
    def record(self) -> Any:
        """The typed record, where the topic holds one."""
        row = topics.BY_NAME[self.topic]
        return decode(row.record, self.headers, self.value) if row.record else None  # type: ignore[type-var]  # a record


@dataclass
class FakeProducer:
    """A Faust producer. With ``confirming`` false, sends stay unconfirmed until ``confirm`` is called."""

    confirming: bool = True
    failure: BaseException | None = None
    sent: list[Produced] = field(default_factory=list)
    changelog: list[Produced] = field(default_factory=list)

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes,
        partition: int | None,
        timestamp: float | None,
        headers: Any,
        *,
        transactional_id: str | None = None,
    ) -> asyncio.Future[Any]:
        """Take a record; the future is the broker's confirmation."""
        del timestamp, transactional_id
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.sent.append(Produced(topic, key, value, list(headers), partition, future))
        if self.failure is not None:
            future.set_exception(self.failure)
        elif self.confirming:
            future.set_result(None)
        return future

    def send_soon(self, pending: Any) -> None:
        """Take a changelog record of a table."""
        message = pending.message
        name = message.channel.get_topic_name()
        self.changelog.append(Produced(name, message.key, message.value, [], message.partition))

    def confirm(self) -> None:
        """The broker has everything sent so far, and confirms from now on."""
        self.confirming = True
        for produced in self.sent:
            if produced.confirmed is not None and not produced.confirmed.done():
                produced.confirmed.set_result(None)

    def of(self, record_type: type[records.Record]) -> list[Any]:
        """The typed records sent to the topic of a type, in order."""
        return [p.record for p in self.sent if topics.BY_NAME[p.topic].record is record_type]

    @property
    def dead(self) -> list[dict[str, str]]:
        """Headers of the dead letters, as text."""
        letters = [p for p in self.sent if p.topic == topics.DEAD_LETTERS.name]
        return [{name: value.decode(errors="replace") for name, value in p.headers} for p in letters]


class FakeConsumer:
    """A Faust consumer that knows no partition counts."""

    def reaches_kafka(self) -> bool:
        """Always."""
        return True

    def __init__(self) -> None:
        self._unacked_messages: set[Any] = set()  # Faust's stream iterator adds to it

    def assignment(self) -> set[Any]:
        """Nothing."""
        return set()

    def topic_partitions(self, topic: str) -> int | None:
        """Unknown, so that tables accept any."""
        del topic
        return None

    def ack(self, message: Any) -> bool:
        """Mark as acknowledged."""
        message.acked = True
        return True


def without_kafka(app: StageApp, producer: FakeProducer | None = None) -> FakeProducer:
    """Put fakes behind an app; returns the producer."""
    fake: Any = producer or FakeProducer()
    consumer: Any = FakeConsumer()
    app.producer = fake
    app.consumer = consumer
    return fake  # type: ignore[no-any-return]  # it is what was given
