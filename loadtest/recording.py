"""Live topics into a file, and from the file onto topics again: a day's trouble, to be looked at on another broker.

The file is gzip over msgpack, one array a record: topic, key, value, headers, Kafka timestamp (ms). Played back,
records keep everything, the timestamp included, and their distances in time; sessions too, so play onto a broker that
has not had them. ``redact`` puts silence of equal length in the place of each chunk's audio.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer

from loadtest.replayer import Clock, RealClock
from streams import records
from streams.codec import decode, encode
from streams.connection import Kafka, client_options, start
from streams.envelope import BadRecord
from streams.topics import BY_NAME, CHUNKS, MIB

_LENGTH_BYTES = 4
_RATE = 16_000


class RecordingError(ValueError):
    """A file that is no recording; the text names it."""


class Recorded(msgspec.Struct, frozen=True, array_like=True):
    """One record as it was on its topic."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
    timestamp_ms: int


def of_message(message: Any) -> Recorded:
    """A record as aiokafka has it."""
    headers = [(name, bytes(value or b"")) for name, value in message.headers]
    return Recorded(message.topic, message.key or b"", message.value or b"", headers, int(message.timestamp))


def redacted(record: Recorded) -> Recorded | None:
    """The record without what was said: chunks become silence; None where that cannot be done safely.

    Other audio and transcripts are left out: they would say it again.
    """
    if record.topic != CHUNKS.name:
        row = BY_NAME[record.topic]
        return record if row.content == "json" and row.name == "voice.rooms" else None
    try:
        chunk = decode(records.Chunk, record.headers, record.value)
    except BadRecord:
        return None
    samples = round(chunk.duration_ms * _RATE / 1000.0)
    silent = msgspec.structs.replace(chunk, content_type=f"audio/pcm;rate={_RATE}", audio=bytes(2 * samples))
    message = encode(silent)
    return msgspec.structs.replace(record, value=message.value, headers=message.headers)


async def record(messages: AsyncIterator[Any], file: Path, *, redact: bool = False) -> dict[str, int]:
    """Write messages to a file until they end; the number of records by topic."""
    counts: dict[str, int] = {}
    encoder = msgspec.msgpack.Encoder()
    with gzip.open(file, "wb", compresslevel=1) as sink:
        async for message in messages:
            kept = redacted(of_message(message)) if redact else of_message(message)
            if kept is None:
                continue
            body = encoder.encode(kept)
            sink.write(len(body).to_bytes(_LENGTH_BYTES, "big") + body)
            counts[kept.topic] = counts.get(kept.topic, 0) + 1
    return counts


def read(file: Path) -> Iterator[Recorded]:
    """The records of a file, in the order in which they were written.

    Raises:
        RecordingError: when it is no recording, or is cut off.
    """
    decoder = msgspec.msgpack.Decoder(Recorded)
    try:
        with gzip.open(file, "rb") as source:
            while head := source.read(_LENGTH_BYTES):
                body = source.read(int.from_bytes(head, "big"))
                yield decoder.decode(body)
    except (OSError, EOFError, msgspec.MsgspecError):
        raise RecordingError(f"{file.name} is no recording of `roomwarden record`, or is cut off") from None


async def play(
    file: Path,
    send: Callable[[Recorded], Awaitable[None]],
    *,
    clock: Clock | None = None,
    speed: float = 1.0,
) -> int:
    """Hand each record over at its distance from the first, by Kafka timestamp; their number."""
    clock = clock or RealClock()
    count, first, zero = 0, 0.0, clock.now_ms()
    for kept in sorted(read(file), key=lambda each: each.timestamp_ms):
        first = first or kept.timestamp_ms
        ahead = (kept.timestamp_ms - first) / speed - (clock.now_ms() - zero)
        if ahead > 0:
            await clock.sleep_ms(ahead)
        await send(kept)
        count += 1
    return count


async def play_to(kafka: Kafka, file: Path, speed: float = 1.0) -> int:
    """Publish a recording; the number of records that the broker has confirmed.

    Raises:
        KafkaRefused, RecordingError: see above.
    """
    producer: Any = AIOKafkaProducer(**client_options(kafka), max_request_size=4 * MIB, acks="all")
    await start(producer, kafka)
    pending: list[asyncio.Future[Any]] = []

    async def send(kept: Recorded) -> None:
        future = await producer.send(
            kept.topic, kept.value, kept.key or None, headers=kept.headers, timestamp_ms=kept.timestamp_ms
        )
        pending.append(future)

    try:
        count = await play(file, send, speed=speed)
        for future in pending:
            await future
    finally:
        await producer.stop()
    return count
