"""Binds replayed traffic to Kafka: the records that a platform's back end would produce, by an ordinary client."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaProducer

from loadtest.events import Timed, TimedChunk
from streams import records
from streams.codec import encode
from streams.connection import Kafka, client_options, start

MAX_REQUEST_BYTES = 4 * 1024 * 1024


class Publisher:
    """Sends timed chunks and room events; ``async with`` connects and flushes."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._producer: Any = AIOKafkaProducer(
            **client_options(kafka), linger_ms=2, max_request_size=MAX_REQUEST_BYTES, acks="all"
        )

    async def __aenter__(self) -> Self:
        await start(self._producer, self._kafka)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._producer.stop()

    async def send(self, timed: Timed, time_ms: float) -> None:
        """Publish one thing; ``time_ms`` is the wall clock of its capture (chunks) or of the event, Unix ms."""
        message = encode(to_record(timed, time_ms))
        await self._producer.send(message.topic, message.value, message.key, headers=message.headers)


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
