"""The pitch of a voice over time, by autocorrelation (Boersma 1993); some 3 ms of one core for a second of sound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

RATE: Final = 16_000
HOP_MS: Final = 10.0
_RATE: Final = RATE // 2  # nothing above 4 kHz is needed, and half the samples cost half
_WINDOW: Final = 400  # 50 ms: three periods of 60 Hz
_HOP: Final = round(_RATE * HOP_MS / 1000)
_FFT: Final = 1024
_LOWEST: Final = 65.0
_HIGHEST: Final = 800.0
_VOICED: Final = 0.5
"""The least correlation of a period with the next."""
_OCTAVE: Final = 0.04
"""What a candidate loses for each octave below the highest pitch: else twice the period would win as often."""
_QUIET_DB: Final = 35.0
"""How far below the loudest frame a voice may be."""


@dataclass(frozen=True, slots=True, eq=False)
class Contour:
    """Pitch in semitones of MIDI (69: 440 Hz), one a frame of 10 ms, NaN where nothing is voiced."""

    semitones: NDArray[np.float64]


def contour(samples: NDArray[np.float32]) -> Contour:
    """Return the pitch of `samples` (float32, 16 kHz, mono); shorter than 50 ms: none."""
    half = samples[: len(samples) // 2 * 2].reshape(-1, 2).mean(axis=1)
    if len(half) < _WINDOW:
        return Contour(np.zeros(0))
    frames = np.lib.stride_tricks.sliding_window_view(half, _WINDOW)[::_HOP]
    correlation = _autocorrelation((frames - frames.mean(axis=1, keepdims=True)) * _HANN)
    energy = np.maximum(correlation[:, 0], 1e-12)
    level = 10.0 * np.log10(energy)
    curve = correlation[:, _LAGS] / energy[:, None] * _FADE
    left, middle, right = curve[:, :-2], curve[:, 1:-1], curve[:, 2:]
    bend = np.maximum(2 * middle - left - right, 1e-9)
    shift = np.clip(0.5 * (right - left) / bend, -0.5, 0.5)  # the top of a parabola through three points
    height = np.minimum(middle + 0.25 * (right - left) * shift, 1.0)
    lags = _LAGS[1:-1]
    worth = np.where((middle >= left) & (middle > right), height - _OCTAVE * np.log2(lags / lags[0]), -1.0)
    best, rows = worth.argmax(axis=1), np.arange(len(frames))
    peaked = worth[rows, best] > -1.0
    voiced = peaked & (height[rows, best] > _VOICED) & (level > level.max() - _QUIET_DB)
    semitones = 69 + 12 * np.log2(_RATE / (lags[best] + shift[rows, best]) / 440.0)
    return Contour(np.where(voiced, semitones, np.nan))


def _autocorrelation(frames: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.fft.irfft(np.abs(np.fft.rfft(frames, _FFT, axis=-1)) ** 2, axis=-1)


_HANN: Final = np.hanning(_WINDOW).astype(np.float32)
_LAGS: Final = np.arange(int(_RATE / _HIGHEST) - 1, int(_RATE / _LOWEST) + 2)
_FADE: Final = _autocorrelation(_HANN)[0] / _autocorrelation(_HANN)[_LAGS]
"""By how much the window alone lowers the correlation at each lag."""
