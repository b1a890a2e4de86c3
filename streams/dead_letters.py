"""Reading dead letters back, and putting them on their topic again after a fix."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from streams.connection import Kafka, client_options, start
from streams.envelope import Headers
from streams.topics import DEAD_LETTERS, MIB

_OURS = "rw_"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record of the dead letter topic; ``number`` is its partition:offset there."""

    number: str
    key: bytes | None
    value: bytes
    headers: Headers

    @property
    def reason(self) -> str:
        """Why it could not be read."""
        return self._ours("reason")

    @property
    def detail(self) -> str:
        """Which field, and the remedy."""
        return self._ours("detail")

    @property
    def stage(self) -> str:
        """Who could not read it."""
        return self._ours("stage")

    @property
    def topic(self) -> str:
        """Where it came from."""
        return self._ours("topic")

    @property
    def origin(self) -> str:
        """topic:partition:offset at which it was received."""
        return f"{self.topic}:{self._ours('partition')}:{self._ours('offset')}"

    @property
    def truncated(self) -> bool:
        """Only the beginning of its value was kept; the whole is at its origin while that is retained."""
        return bool(self._ours("truncated_from"))

    def original_headers(self) -> Headers:
        """The headers as received."""
        return [(name, value) for name, value in self.headers if not name.startswith(_OURS)]

    def readable_headers(self) -> dict[str, str]:
        """The headers as received, as text."""
        return {name: value.decode(errors="replace") for name, value in self.original_headers()}

    def summary(self) -> dict[str, Any]:
        """What may be shown: no payload."""
        return {
            "number": self.number,
            "reason": self.reason,
            "detail": self.detail,
            "stage": self.stage,
            "origin": self.origin,
            "bytes": len(self.value),
            "sha256": hashlib.sha256(self.value).hexdigest(),
            "truncated": self.truncated,
        }

    def _ours(self, name: str) -> str:
        wanted = _OURS + name
        return next((value.decode(errors="replace") for key, value in self.headers if key == wanted), "")


async def read_dead_letters(kafka: Kafka) -> list[DeadLetter]:
    """Everything on the topic at this moment, by partition and offset."""
    consumer: Any = AIOKafkaConsumer(
        DEAD_LETTERS.name,
        **client_options(kafka),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=20,
        max_partition_fetch_bytes=2 * MIB,
    )
    await start(consumer, kafka)
    try:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        found: list[DeadLetter] = []
        while [tp for tp, end in ends.items() if await consumer.position(tp) < end]:
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                found.extend(
                    DeadLetter(f"{m.partition}:{m.offset}", m.key, m.value or b"", list(m.headers)) for m in batch
                )
    finally:
        await consumer.stop()
    return sorted(found, key=lambda letter: tuple(map(int, letter.number.split(":"))))


async def send_again(kafka: Kafka, letters: Sequence[DeadLetter]) -> int:
    """Publish letters to the topics that they came from, as received; how many were confirmed."""
    producer: Any = AIOKafkaProducer(**client_options(kafka), max_request_size=4 * MIB, acks="all")
    await start(producer, kafka)
    try:
        for letter in letters:
            await producer.send_and_wait(letter.topic, letter.value, letter.key, headers=letter.original_headers())
    finally:
        await producer.stop()
    return len(letters)
