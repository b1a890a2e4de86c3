"""Screams and blasts by level and spectral shape; no model, a few microseconds a frame.

A scream has its fundamental far above speech (Arnal et al. 2015: 700 Hz and more; speech seldom passes 400), so that
almost none of its energy lies below, is tonal, loud, and lasts; sibilants share the first trait but are flat and
short. A blast is louder than speech that is not overdriven can be, or as loud as shouting and as flat as noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.sounds.spans import stretches
from models.sounds.types import SoundEvent

RATE: Final = 16_000
WINDOW: Final = 512
HOP: Final = 256
HOP_MS: Final = 1000.0 * HOP / RATE


@dataclass(frozen=True, slots=True)
class LoudLimits:
    """Limits; levels are dBFS of the RMS of a 32 ms frame, a full-scale square wave being 0. See docs/models.md."""

    scream_dbfs: float = -26.0
    scream_low_share: float = 0.02
    scream_flatness: float = 0.12
    scream_ms: float = 350.0
    blast_dbfs: float = -6.0
    blast_noise_dbfs: float = -18.0
    blast_flatness: float = 0.35
    blast_ms: float = 250.0
    gap_ms: float = 80.0


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """Level and spectral shape of each frame.

    `level`: dBFS. `low_share`: energy from 60 to 500 Hz over that from 60 to 6000 Hz. `flatness`: geometric over
    arithmetic mean of the power from 300 to 6000 Hz (0 tonal, about 0.56 white noise).
    """

    level: NDArray[np.float32]
    low_share: NDArray[np.float32]
    flatness: NDArray[np.float32]


def shape(samples: NDArray[np.float32]) -> Shape:
    """Return the shape of `samples` (float32, 16 kHz, mono), a frame every 16 ms; shorter than a frame: none."""
    if len(samples) < WINDOW:
        empty = np.zeros(0, np.float32)
        return Shape(empty, empty, empty)
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    level = 10.0 * np.log10(np.mean(frames**2, axis=1) + 1e-10)
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW).astype(np.float32), axis=1)) ** 2 + 1e-9
    bin_hz = RATE / WINDOW
    low, broad, upper = (
        power[:, round(begin / bin_hz) : round(end / bin_hz)] for begin, end in ((60, 500), (60, 6000), (300, 6000))
    )
    flatness = np.exp(np.log(upper).mean(axis=1)) / upper.mean(axis=1)
    share = low.sum(axis=1) / broad.sum(axis=1)
    return Shape(level.astype(np.float32), share.astype(np.float32), flatness.astype(np.float32))


def disruptions(samples: NDArray[np.float32], limits: LoudLimits | None = None) -> list[SoundEvent]:
    """Return the screams and blasts in `samples` (float32, 16 kHz, mono)."""
    limits = limits or LoudLimits()
    seen = shape(samples)
    scream = (
        (seen.level > limits.scream_dbfs)
        & (seen.low_share < limits.scream_low_share)
        & (seen.flatness < limits.scream_flatness)
    )
    noisy = (seen.level > limits.blast_noise_dbfs) & (seen.flatness > limits.blast_flatness)
    blast = (seen.level > limits.blast_dbfs) | noisy
    return [
        *stretches("scream", _curve(scream), hop_ms=HOP_MS, least_ms=limits.scream_ms, gap_ms=limits.gap_ms),
        *stretches("blast", _curve(blast), hop_ms=HOP_MS, least_ms=limits.blast_ms, gap_ms=limits.gap_ms),
    ]


def _curve(frames: NDArray[np.bool_]) -> NDArray[np.float32]:
    return frames.astype(np.float32)
