"""Sound through the same segment engine as live rooms: the utterances that ``segment`` would cut."""

from __future__ import annotations

from collections.abc import Iterator

from loadtest.clips import RATE, Pcm
from models.segmenting import SegmentEngine
from models.segments import Chunk, Utterance

CHUNK_MS = 200


def utterances(samples: Pcm) -> list[Utterance]:
    """The final utterances of a stretch of sound (int16, 16 kHz, mono); times in ms from its start."""
    engine = SegmentEngine()
    step = RATE * CHUNK_MS // 1000
    found: list[Utterance] = []
    for sequence, begin in enumerate(range(0, len(samples), step)):
        piece = samples[begin : begin + step]
        engine.push(
            Chunk(
                track="file",
                sequence=sequence,
                time_ms=begin * 1000.0 / RATE,
                duration_ms=len(piece) * 1000.0 / RATE,
                content_type="audio/pcm;rate=16000",
                payload=piece.astype("<i2").tobytes(),
                last=begin + step >= len(samples),
                token=sequence,
            )
        )
        found.extend(_finals(engine, begin * 1000.0 / RATE))
    found.extend(_finals(engine, len(samples) * 1000.0 / RATE + 10_000.0))
    return found


def _finals(engine: SegmentEngine, now_ms: float) -> Iterator[Utterance]:
    return (output for output in engine.step(now_ms) if isinstance(output, Utterance) and output.final)
