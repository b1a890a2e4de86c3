"""What mutated records are put into, and what must come out: a record or a reason, and for audio an account."""

from __future__ import annotations

import random
from collections import Counter
from functools import cache
from typing import Any, get_args

import msgspec

from agents.segment import for_engine
from loadtest import codecs
from loadtest.schema import Codec, CodecName
from models.segmenting import SegmentEngine
from models.segments import Rejected
from streams import records, topics
from streams.codec import decode, encode
from streams.envelope import BadRecord
from streams.identifiers import track_key
from tests.fuzz.mutate import mutate
from tests.support import samples, speech

STEP_CHUNKS = 64
SESSION_CHUNKS = 25
"""A track gets so many chunks, then another begins: what breaks a decoder must not only be met by fresh ones."""


class Unaccounted(AssertionError):
    """Chunks that went into the engine, and of which it never said what became of them."""


def into_decoders(count: int, seed: int) -> dict[str, Counter[str]]:
    """``count`` records into the decoder of each topic; how many were read, and the reasons of the others.

    Raises whatever a decoder raises that is not BadRecord, and whatever encoding does with what was read.
    """
    rng = random.Random(seed)
    good = [(type(record), encode(record)) for record in samples.ALL]
    found: dict[str, Counter[str]] = {}
    for row in topics.TOPICS:
        if row.record is None:
            continue
        seeds = [message for kind, message in good if kind is row.record]
        reasons = found[row.name] = Counter()
        for _ in range(count):
            message = mutate(rng, rng.choice(seeds))
            try:
                record: Any = decode(row.record, message.headers, message.value)  # type: ignore[type-var]
            except BadRecord as bad:
                reasons[bad.reason] += 1
            else:
                reasons["read"] += 1
                encode(record)
    return found


@cache
def spoken() -> list[tuple[str, bytes, float]]:
    """Chunks of real speech in every codec: content type, payload, ms."""
    pcm = speech.clip("tea-room-guest-1")[: 2 * speech.RATE]
    chunks: list[tuple[str, bytes, float]] = []
    for name in get_args(CodecName):
        codec = Codec(name=name, chunk_ms=100)
        kind = codecs.content_type(codec)
        chunks += [(kind, one.payload, one.duration_ms) for one in codecs.encode([pcm], codec)]
    return chunks


def into_engine(count: int, seed: int, engine: SegmentEngine | None = None) -> Counter[str]:
    """``count`` chunks, half of them mutated, into the segment engine; what became of each.

    Raises whatever the engine raises, and Unaccounted.
    """
    rng = random.Random(seed)
    engine = engine or SegmentEngine()
    became: Counter[str] = Counter()
    waiting: set[int] = set()
    now_ms = samples.T0_MS
    for number in range(count):
        kind, payload, milliseconds = rng.choice(spoken())
        session, sequence = divmod(number, SESSION_CHUNKS)
        good = samples.chunk(
            session=f"s-{session}", sequence=sequence, time_ms=samples.T0_MS + sequence * 100.0, content_type=kind,
            audio=payload, duration_ms=milliseconds, last=sequence == SESSION_CHUNKS - 1,
        )  # fmt: skip
        message = encode(good)
        if rng.random() < 0.5:
            message = mutate(rng, message)
        try:
            chunk = decode(records.Chunk, message.headers, message.value)
        except BadRecord as bad:
            became[f"dead letter: {bad.reason}"] += 1
            continue
        waiting.add(number)
        engine.push(for_engine(chunk, track_key(chunk.tenant, chunk.room, chunk.session, chunk.speaker), number))
        if number % STEP_CHUNKS == STEP_CHUNKS - 1:
            now_ms += 100.0
            _step(engine, now_ms, waiting, became)
    for _ in range(1000):
        if not waiting:
            break
        now_ms += 10_000.0  # every timer is due: whoever said nothing has fallen silent
        _step(engine, now_ms, waiting, became)
    if waiting:
        raise Unaccounted(f"{len(waiting)} of {count} chunks, the first of them number {min(waiting)} of seed {seed}")
    return became


def _step(engine: SegmentEngine, now_ms: float, waiting: set[int], became: Counter[str]) -> None:
    while True:
        for output in engine.step(now_ms):
            rejected = isinstance(output, Rejected)
            for token in output.released:
                assert isinstance(token, int)
                assert token in waiting, f"chunk {token} was let go of twice"
                waiting.remove(token)
                became[f"dead letter: {output.reason}" if isinstance(output, Rejected) else "accounted for"] += 1
            if rejected:
                msgspec.json.encode(output.detail)  # goes into a header
        if not engine.busy:
            return
