"""Sound through the same segment engine as live rooms: the utterances that ``segment`` would cut."""

from __future__ import annotations

from collections.abc import Iterator

from loadtest.clips import RATE, Pcm
from models.segmenting import SegmentEngine
from models.segments import Chunk, Output, Utterance

CHUNK_MS = 200


def utterances(samples: Pcm) -> list[Utterance]:
    """The final utterances of a stretch of sound (int16, 16 kHz, mono); times in ms from its start."""
    return [output for output in outputs(samples) if isinstance(output, Utterance) and output.final]


def outputs(samples: Pcm) -> Iterator[Output]:
    """Everything that the engine says of it, until ten seconds after its end."""
    engine = SegmentEngine()
    step = RATE * CHUNK_MS // 1000
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
        yield from engine.step(begin * 1000.0 / RATE)
    yield from engine.step(len(samples) * 1000.0 / RATE + 10_000.0)
