"""Published traffic is confirmed in time, or somebody is told in one sentence."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError

from loadtest.events import TimedChunk
from loadtest.publishing import KafkaLost, Publisher


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Producer:
    """A producer whose records are confirmed by hand; ``full`` makes it wait for room in its buffer for ever."""

    def __init__(self) -> None:
        self.sent: list[asyncio.Future[None]] = []
        self.full = self.deaf = False

    async def start(self) -> None:
        """Nothing to connect."""

    async def stop(self) -> None:
        if self.deaf:
            await asyncio.Event().wait()

    async def send(self, *_: Any, **__: Any) -> asyncio.Future[None]:
        if self.full:
            await asyncio.Event().wait()
        self.sent.append(asyncio.get_running_loop().create_future())
        return self.sent[-1]


def chunk(sequence: int) -> TimedChunk:
    return TimedChunk(
        at_ms=0.0, tenant="t", room="r", speaker="s", session="n", sequence=sequence, payload=bytes(3200),
        content_type="audio/pcm;rate=16000", duration_ms=100.0, capture_offset_ms=0.0, last=False,
        declared_synthetic=False,
    )  # fmt: skip


@pytest.fixture
async def pair() -> tuple[Publisher, Producer, Clock]:
    clock, producer = Clock(), Producer()
    publisher = Publisher("127.0.0.1:1", patience_s=20.0, clock=clock)
    await publisher._producer.stop()
    publisher._producer = producer
    return publisher, producer, clock


async def test_a_record_that_is_not_confirmed_in_time_ends_the_replay_with_one_sentence(pair: Any) -> None:
    publisher, producer, clock = pair
    await publisher.send(chunk(0), 1.0)
    producer.sent[0].set_result(None)
    clock.now = 100.0
    await publisher.send(chunk(1), 1.0)
    clock.now = 120.0
    await publisher.send(chunk(2), 1.0)
    clock.now = 120.5
    with pytest.raises(KafkaLost, match=r"127\.0\.0\.1:1 stopped answering: 2 records are not confirmed after 20 s"):
        await publisher.send(chunk(3), 1.0)


async def test_a_record_that_the_client_gives_up_is_noticed_with_the_next(pair: Any) -> None:
    publisher, producer, _ = pair
    await publisher.send(chunk(0), 1.0)
    producer.sent[0].set_exception(KafkaTimeoutError())
    with pytest.raises(KafkaLost):
        await publisher.send(chunk(1), 1.0)


async def test_a_client_that_takes_nothing_more_is_not_waited_for_for_ever(pair: Any) -> None:
    publisher, producer, _ = pair
    publisher._patience_s = 0.01
    producer.full = True
    with pytest.raises(KafkaLost):
        await publisher.send(chunk(0), 1.0)


async def test_what_is_left_at_the_end_must_be_confirmed_too(pair: Any) -> None:
    publisher, producer, _ = pair
    publisher._patience_s = 0.01
    producer.deaf = True
    with pytest.raises(KafkaLost):
        await publisher.__aexit__(None, None, None)
    failed = RuntimeError("something else")
    await publisher.__aexit__(RuntimeError, failed, None)  # is not hidden behind another error
