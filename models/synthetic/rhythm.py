"""Hears the audible mark of synthetic speech: a tone in the rhythm short-long short-short (Morse for A I).

GB 45438-2025 fixes the rhythm, not the pitch or the pace, so the pulses are measured against each other. A pulse is a
stretch in which one spectral line holds most of the energy. Four pulses of one pitch make the mark when the
second lasts two to four and a half times as long as the others, the others are alike, and the pauses are
no longer than the letters allow. Speech does not hold a line still for that long, in that rhythm.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
WINDOW = 512  # 32 ms: a line is 31 Hz wide
HOP = 192  # 12 ms

_FRAME_MS = HOP * 1000.0 / RATE
_LOWEST, _HIGHEST = 300.0, 4_000.0  # Hz, what marks are played at
_SPAN = 2  # lines on each side that a Hann window spreads a steady tone over
_PURITY = 0.5  # share of the energy above 150 Hz in the line: a tone 0 dB above the rest has this much
_QUIETEST = 1e-5  # mean square of a frame (-50 dBFS), below which nothing was meant to be heard
_SHORT = (40.0, 450.0)  # ms, a short pulse
_LONG = (2.0, 4.5)  # times a short one; Morse has 3
_ALIKE = 1.6  # the longest short pulse over the shortest
_PAUSE = (0.3, 2.5)  # times a short one, within a letter; Morse has 1
_LETTER = (0.3, 6.0)  # between the letters; Morse has 3


@dataclass(frozen=True, slots=True)
class _Pulse:
    """A tone from frame `start` to `end`, at line `line`."""

    start: int
    end: int
    line: int

    @property
    def ms(self) -> float:
        return (self.end - self.start) * _FRAME_MS


def heard(samples: NDArray[np.int16]) -> bool:
    """Whether the mark is in the samples (16 kHz, mono): pulses as short as 40 ms, in noise 3 dB below the tone."""
    pulses = _pulses(samples)
    return any(_is_mark(pulses[at : at + 4]) for at in range(len(pulses) - 3))


def _pulses(samples: NDArray[np.int16]) -> list[_Pulse]:
    if len(samples) < 4 * WINDOW:
        return []
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP].astype(np.float32) / 32768.0
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW).astype(np.float32), axis=1)) ** 2
    low, high = (int(hz * WINDOW / RATE) for hz in (_LOWEST, _HIGHEST))
    line = low + np.argmax(power[:, low:high], axis=1)
    sums = np.cumsum(np.pad(power, ((0, 0), (1, 0))), axis=1)
    rows = np.arange(len(power))
    near = sums[rows, line + _SPAN + 1] - sums[rows, line - _SPAN]
    total = sums[:, -1] - sums[:, int(150.0 * WINDOW / RATE)]
    tone = (near > _PURITY * total) & (np.mean(frames**2, axis=1) > _QUIETEST)
    return _joined(tone, line)


def _joined(tone: NDArray[np.bool_], line: NDArray[np.int64]) -> list[_Pulse]:
    """Runs of frames with a tone that stays on its line, give or take one."""
    found: list[_Pulse] = []
    start = 0
    for at in range(1, len(tone) + 1):
        if at < len(tone) and tone[at] and tone[at - 1] and abs(int(line[at]) - int(line[at - 1])) <= 1:
            continue
        if tone[at - 1] and at - start >= 3:
            found.append(_Pulse(start, at, int(np.median(line[start:at]))))
        start = at
    return found


def _is_mark(pulses: list[_Pulse]) -> bool:
    """Whether four pulses in a row are short, long, short, short."""
    lines = [pulse.line for pulse in pulses]
    if max(lines) - min(lines) > 1:
        return False
    least, unit, most = sorted(pulse.ms for pulse in (pulses[0], pulses[2], pulses[3]))
    if not _SHORT[0] <= least <= most <= min(_SHORT[1], _ALIKE * least):
        return False
    first, between, last = ((after.start - before.end) * _FRAME_MS / unit for before, after in pairwise(pulses))
    return (
        _LONG[0] <= pulses[1].ms / unit <= _LONG[1]
        and _PAUSE[0] <= min(first, last) <= max(first, last) <= _PAUSE[1]
        and _LETTER[0] <= between <= _LETTER[1]
    )
