"""Binds replayed traffic to Kafka: the records that a platform's back end would produce, by an ordinary client."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from loadtest.events import Timed, TimedChunk
from streams import records
from streams.codec import encode
from streams.connection import Kafka, KafkaRefused, bootstrap, client_options, start

MAX_REQUEST_BYTES = 4 * 1024 * 1024
PATIENCE_S = 20.0
"""A broker that is restarted is back by then; one that is gone is reported while somebody still looks."""
GOODBYE_S = 1.0
"""What is left to be sent after an error is given up after this."""


class KafkaLost(KafkaRefused):
    """Kafka stopped answering while traffic was being published; the text is one sentence."""


class Publisher:
    """Sends timed chunks and room events; ``async with`` connects and flushes.

    Raises:
        KafkaLost: from ``send`` and at the end, when a record is not confirmed within ``patience_s`` seconds.
    """

    def __init__(
        self, kafka: Kafka, *, patience_s: float = PATIENCE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._kafka = kafka
        self._patience_s = patience_s
        self._clock = clock
        self._unconfirmed: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._producer: Any = AIOKafkaProducer(
            **client_options(kafka), linger_ms=2, max_request_size=MAX_REQUEST_BYTES, acks="all"
        )

    async def __aenter__(self) -> Self:
        await start(self._producer, self._kafka)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            async with asyncio.timeout(self._patience_s if error is None else GOODBYE_S):
                await self._producer.stop()  # flushes
        except TimeoutError:
            if error is None:
                raise self._lost() from None
        if error is None:
            self._look()

    async def send(self, timed: Timed, time_ms: float) -> None:
        """Publish one thing; ``time_ms`` is the wall clock of its capture (chunks) or of the event, Unix ms."""
        self._look()
        message = encode(to_record(timed, time_ms))
        try:
            async with asyncio.timeout(self._patience_s):
                future = await self._producer.send(message.topic, message.value, message.key, headers=message.headers)
        except (TimeoutError, KafkaError) as problem:
            raise self._lost() from problem
        self._unconfirmed.append((self._clock(), future))

    def _look(self) -> None:
        """The client itself would try for ever, or say nothing: see to it that records are confirmed in time."""
        while self._unconfirmed and self._unconfirmed[0][1].done():
            _, future = self._unconfirmed.popleft()
            if (problem := future.exception()) is not None:
                raise self._lost() from problem
        if self._unconfirmed and self._clock() - self._unconfirmed[0][0] > self._patience_s:
            raise self._lost()

    def _lost(self) -> KafkaLost:
        return KafkaLost(
            f"Kafka at {bootstrap(self._kafka)} stopped answering: {len(self._unconfirmed)} records are not confirmed "
            f"after {self._patience_s:g} s; see whether the broker is up, then replay again"
        )


def to_record(timed: Timed, time_ms: float) -> records.Chunk | records.Room:
    """The record of a timed chunk or event."""
    if isinstance(timed, TimedChunk):
        return records.Chunk(
            tenant=timed.tenant,
            room=timed.room,
            speaker=timed.speaker,
            session=timed.session,
            sequence=timed.sequence,
            time_ms=time_ms,
            duration_ms=timed.duration_ms,
            content_type=timed.content_type,
            audio=timed.payload,
            declared_synthetic=timed.declared_synthetic,
            last=timed.last,
        )
    details: dict[str, Any] = dict(timed.details)
    return records.Room(
        event=timed.event, tenant=timed.tenant, room=timed.room, speaker=timed.speaker, time_ms=time_ms, **details
    )
