"""One speaker's microphone: the lines of a scenario laid on silence or a background, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from loadtest import clips, sounds
from loadtest.clips import RATE, Pcm
from loadtest.schema import Background, Speaker
from loadtest.sounds import Samples

BLOCK_MS = 100
_LOOP_S = 8
"""A background repeats after this many seconds."""


def blocks(speaker: Speaker, duration_ms: float) -> Iterator[Pcm]:
    """The track from its join to its leave as int16 blocks of 100 ms (the last may be shorter), 16 kHz, mono.

    ``duration_ms`` is the length of the room. A clip is decoded when its line begins and let go when it ends, so that
    memory does not grow with the scenario.
    """
    size = RATE * BLOCK_MS // 1000
    first, last = _span(speaker, duration_ms)
    bed = _bed(speaker.background) if speaker.background else None
    lines = list(speaker.utterances)
    for begin in range(first, last, size):
        end = min(begin + size, last)
        block = np.zeros(end - begin, np.float32) if bed is None else _slice(bed, begin, end)
        while lines and _start(lines[0].at_s) + _samples(lines[0].duration_ms) + size < begin:
            lines.pop(0)
        for line in lines:
            at = _start(line.at_s)
            if at >= end:
                break
            clip = clips.read(Path(line.audio))
            low, high = max(begin, at), min(end, at + len(clip))
            if low < high:
                gain = 10 ** (line.gain_db / 20)
                block[low - begin : high - begin] += clip[low - at : high - at] * np.float32(gain)
        yield np.clip(np.rint(block), -32768, 32767).astype(np.int16)


def track_ms(speaker: Speaker, duration_ms: float) -> tuple[float, float]:
    """When the track begins and ends, in ms from the opening of the room."""
    first, last = _span(speaker, duration_ms)
    return 1000.0 * first / RATE, 1000.0 * last / RATE


def _span(speaker: Speaker, duration_ms: float) -> tuple[int, int]:
    leave_ms = duration_ms if speaker.leave_s is None else min(duration_ms, speaker.leave_s * 1000.0)
    first = _start(speaker.join_s)
    return first, max(first, _samples(leave_ms))


def _start(at_s: float) -> int:
    return round(at_s * RATE)


def _samples(ms: float) -> int:
    return round(ms * RATE / 1000)


def _slice(bed: Samples, begin: int, end: int) -> Samples:
    return bed[np.arange(begin, end) % len(bed)]


@lru_cache(maxsize=32)
def _bed(background: Background) -> Samples:
    level = 32768 * 10 ** (background.level_dbfs / 20)
    return sounds.make(background.kind, _LOOP_S * RATE, seed=1) * np.float32(level)
