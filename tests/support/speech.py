"""Speech for the embedded tests: the smoke scenario's rendered clips as tracks of chunks, at times of our choosing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from loadtest import clips
from streams import records

CLIPS = Path(__file__).parents[2] / "loadtest" / "scenarios" / "audio" / "smoke"
RATE = 16_000
CHUNK_MS = 100


@cache
def clip(name: str) -> Any:
    """A clip as int16 samples at 16 kHz."""
    return clips.read(CLIPS / f"{name}.opus")


def pause(seconds: float) -> Any:
    """Silence."""
    return np.zeros(int(seconds * RATE), np.int16)


def sentences(names: Sequence[str], gap_s: float = 1.2) -> list[Any]:
    """Each clip with the silence after it that ends the utterance."""
    return [np.concatenate([pause(0.3), clip(name), pause(gap_s)]) for name in names]


def begun_ms(seconds: float) -> float:
    """Capture time of the first sample of audio that ends about now."""
    return float(round((time.time() - seconds) * 1000.0))


def track(
    pcm: Any, begin_ms: float, *, first: int = 0, last: bool = True, chunk_ms: int = CHUNK_MS, **who: Any
) -> list[records.Chunk]:
    """Audio as the chunks of one track, numbered from ``first``; the final one says so if ``last``."""
    step = RATE * chunk_ms // 1000
    pieces = [pcm[at : at + step] for at in range(0, len(pcm), step)]
    fields: dict[str, Any] = {"tenant": "demo", "room": "tea-room", "speaker": "seller", "session": "s-1"}
    return [
        records.Chunk(
            **(fields | who),
            sequence=first + n,
            time_ms=begin_ms + n * chunk_ms,
            duration_ms=len(piece) * 1000.0 / RATE,
            content_type=f"audio/pcm;rate={RATE}",
            audio=piece.astype("<i2").tobytes(),
            last=last and n == len(pieces) - 1,
        )
        for n, piece in enumerate(pieces)
    ]
