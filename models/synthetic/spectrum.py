"""What 80 mel bands lose: how much the fine shape of the spectrum moves, as cepstra on a linear frequency scale.

Vocoders give themselves away where mel filters are widest, above 4 kHz, and by a fine structure that is too steady or
too restless. So it is not the mean spectrum that counts, which is the microphone's, but the deviations: of the cepstra
of short frames (32 ms) and of their first and second differences, and of the cepstra of long ones (128 ms), which
resolve harmonics. A constant filter changes none of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.synthetic.windows import ACTIVE_DB, SAMPLE_RATE, Samples, framed, hann, power

ORDER = 60  # cepstral coefficients of short frames, without the level
LONG_ORDER = 400  # of long ones
HOP = 160  # samples between short frames: 10 ms
LONG_HOP = 512

_SHORT, _LONG = 512, 2048
_BANDS = 80
_ACTIVE = 10 ** (-ACTIVE_DB / 10)  # frames so near the loudest count
_FLOOR = 1e-6  # of the mean power: 60 dB below it begins what codecs leave empty
_LEAST = 1e-3  # of a deviation, before its logarithm
_SLOPE = np.array([-0.2, -0.1, 0.0, 0.1, 0.2], np.float32)  # the regression over five frames

BLOCKS = (3 * ORDER, LONG_ORDER)
"""Numbers of each kind in a summary: of short frames, of long ones."""
SIZE = sum(BLOCKS)


def _triangles() -> Samples:
    """80 filters of equal width from 0 to 8 kHz, [257, 80]."""
    edges = np.linspace(0.0, SAMPLE_RATE / 2, _BANDS + 2)
    hertz = np.linspace(0.0, SAMPLE_RATE / 2, _SHORT // 2 + 1)[:, None]
    step = edges[1] - edges[0]
    return np.asarray(np.maximum(0.0, np.minimum(hertz - edges[:-2], edges[2:] - hertz) / step), np.float32)


def _cosines(order: int, points: int) -> Samples:
    """The cosine transform without its first row, [points, order]."""
    at = np.outer(np.arange(points) + 0.5, np.arange(1, order + 1))
    return np.asarray(np.cos(np.pi * at / points) * np.sqrt(2 / points), np.float32)


_FILTERS, _COSINES, _LONG_COSINES = _triangles(), _cosines(ORDER, _BANDS), _cosines(LONG_ORDER, _LONG // 2 + 1)


@dataclass(frozen=True, slots=True)
class Spectrum:
    """An utterance in frames: cepstra every 10 ms, [t, 60], and every 32 ms, [u, 400]; and which of them are loud."""

    cepstra: Samples
    loud: NDArray[np.bool_]
    long: Samples
    long_loud: NDArray[np.bool_]

    def summary(self, start: int, end: int) -> Samples:
        """Return [SIZE] of the loud frames that begin in samples `start` to `end`.

        Log deviation of cepstra, slopes and second differences; deviation of the long cepstra.
        """
        cepstra, loud = self.cepstra[start // HOP : end // HOP], self.loud[start // HOP : end // HOP]
        slope, bend = np.zeros_like(cepstra), np.zeros_like(cepstra)
        if len(cepstra) > 4:
            slope[2:-2] = sum(weight * cepstra[at : len(cepstra) - 4 + at] for at, weight in enumerate(_SLOPE))
            bend[1:-1] = cepstra[2:] - 2.0 * cepstra[1:-1] + cepstra[:-2]
        short = [np.log(_deviation(rows[loud]) + _LEAST) for rows in (cepstra, slope, bend)]
        span = slice(start // LONG_HOP, end // LONG_HOP)
        return np.concatenate([*short, _deviation(self.long[span][self.long_loud[span]])]).astype(np.float32)


def _deviation(rows: Samples) -> Samples:
    """Standard deviation over rows; zeros where there are none."""
    return np.asarray(rows.std(axis=0) if len(rows) else np.zeros(rows.shape[1]), np.float32)


def analyse(samples: Samples) -> Spectrum:
    """Return the frames of 16 kHz mono samples."""
    short, long = _power(samples, _SHORT, HOP), _power(samples, _LONG, LONG_HOP)
    level, long_level = short.sum(axis=1), long.sum(axis=1)
    loud, long_loud = level > level.max() * _ACTIVE, long_level > long_level.max() * _ACTIVE
    bands = short @ _FILTERS
    cepstra = np.log(bands + _floor(bands[loud])) @ _COSINES
    return Spectrum(cepstra, loud, np.log(long + _floor(long[long_loud])) @ _LONG_COSINES, long_loud)


def _floor(power: Samples) -> float:
    return float(power.mean() if power.size else 0.0) * _FLOOR + 1e-20


def _power(samples: Samples, window: int, hop: int) -> Samples:
    """Power spectra [frames, window / 2 + 1]; frames begin every `hop` samples, the last ones padded with zeros."""
    return power(framed(samples, window, hop) * hann(window), window)
