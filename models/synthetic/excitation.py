"""What drives the vocal tract: how peaky and how periodic the residual of linear prediction is, and its pitch.

A voice is a row of glottal pulses, each a little unlike the last, filtered by a tract. Synthesisers rebuild the filter
well; their pulses are too regular, smeared, or drowned in noise. The predictor takes the filter away, and with it the
microphone. What is left is summed up in 23 numbers that know neither words nor channel.

J. D. Markel, A. H. Gray: Linear Prediction of Speech, Springer (1976), chapters 3 (recursion) and 8 (pitch).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.synthetic.windows import ACTIVE_DB, SAMPLE_RATE, Samples, framed, hann, power

HOP = 320  # samples between frames: 20 ms

_FRAME = 512
_ORDER = 16  # two poles a kilohertz, as is usual
_SHORTEST, _LONGEST = SAMPLE_RATE // 400, SAMPLE_RATE // 60  # periods: voices from 60 to 400 Hz
_VOICED = 0.3  # of the residual's autocorrelation at its best period
_ACTIVE = 10 ** (-ACTIVE_DB / 10)  # frames so near the loudest count
_WHITEN = 1.0001  # a noise 40 dB below keeps the recursion well-posed
_LEAST = 4  # frames that make a percentile
_FIVE, _THREE = (5, 25, 50, 75, 95), (25, 50, 75)
SIZE = 23
"""Percentiles of kurtosis, gain and periodicity (5 each), of that at twice the period (3); voiced share; pitch changes
(3) and spread."""

_LAGS = np.cos(2 * np.pi * np.outer(np.arange(_FRAME // 2 + 1), np.arange(_ORDER + 1)) / _FRAME)
_LAGS[1:-1] *= 2.0  # both halves of the spectrum
_LAGS = (_LAGS / _FRAME).astype(np.float32)
"""From a power spectrum to the autocorrelation at lags 0 to 16."""
_HANN = hann(_FRAME)


@dataclass(frozen=True, slots=True)
class Excitation:
    """The residual of an utterance every 20 ms, [t] each; `loud` says which frames count."""

    kurtosis: Samples
    gain: Samples
    periodicity: Samples
    twice: Samples
    log_period: Samples
    loud: NDArray[np.bool_]

    def summary(self, start: int, end: int) -> Samples:
        """Return [SIZE] of the loud frames that begin in samples `start` to `end`; zeros where they are too few."""
        span = slice(start // HOP, end // HOP)
        loud = self.loud[span]
        kurtosis, gain, periodicity, twice, log_period = (
            values[span][loud] for values in (self.kurtosis, self.gain, self.periodicity, self.twice, self.log_period)
        )
        voiced = periodicity > _VOICED
        changes = np.abs(np.diff(log_period))[voiced[1:] & voiced[:-1]]
        share = voiced.mean() if len(voiced) else 0.0
        spread = log_period[voiced].std() if voiced.sum() >= _LEAST else 0.0
        numbers = [
            _percentiles(kurtosis, _FIVE),
            _percentiles(gain, _FIVE),
            _percentiles(periodicity, _FIVE),
            _percentiles(twice, _THREE),
            np.array([share]),
            _percentiles(changes, _THREE),
            np.array([spread]),
        ]
        return np.concatenate(numbers).astype(np.float32)


def analyse(samples: Samples) -> Excitation:
    """Return the residual's measures of 16 kHz mono samples."""
    frames = framed(samples.astype(np.float32), _FRAME, HOP)
    level = np.einsum("tn,tn->t", frames, frames)
    loud = level > level.max() * _ACTIVE
    measures = np.zeros((5, len(frames)), np.float32)
    if loud.any():
        measures[:, loud] = _measures(frames[loud])
    kurtosis, gain, periodicity, twice, log_period = measures
    return Excitation(kurtosis, gain, periodicity, twice, log_period, loud)


def _measures(frames: Samples) -> NDArray[np.float64]:
    """Log kurtosis, log prediction gain, autocorrelation at the best period and at twice that, log period: [5, t]."""
    # The window ends in zeros, so the circular autocorrelation is as good as the linear one at such short lags.
    auto = (power(frames * _HANN, _FRAME) @ _LAGS).astype(np.float64) * np.r_[_WHITEN, np.ones(_ORDER)] + 1e-20
    whitening = _levinson(auto)
    past = np.lib.stride_tricks.sliding_window_view(frames, _ORDER + 1, axis=1)
    residual = np.matmul(past, whitening[:, ::-1, None].astype(np.float32))[..., 0]
    residual -= residual.mean(axis=1, keepdims=True)
    squares = residual * residual
    energy = np.maximum(squares.mean(axis=1), 1e-20)
    kurtosis = np.log(np.maximum((squares * squares).mean(axis=1) / energy**2, 1e-3))
    gain = np.log(energy / (auto[:, 0] / (_HANN @ _HANN)))
    own = np.fft.irfft(power(residual, 2 * _FRAME))[:, : 2 * _LONGEST + 1]
    own /= np.maximum(own[:, :1], 1e-20)
    period = own[:, _SHORTEST : _LONGEST + 1].argmax(axis=1) + _SHORTEST
    rows = np.arange(len(own))
    return np.stack([kurtosis, gain, own[rows, period], own[rows, 2 * period], np.log(period)])


def _levinson(auto: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the whitening filters [t, order + 1], first coefficient 1, of autocorrelations [t, order + 1]."""
    whitening = np.zeros_like(auto)
    whitening[:, 0] = 1.0
    error = auto[:, 0].copy()
    for order in range(1, auto.shape[1]):
        reflection = -np.einsum("tk,tk->t", whitening[:, :order], auto[:, order:0:-1]) / error
        whitening[:, 1 : order + 1] += reflection[:, None] * whitening[:, order - 1 :: -1][:, :order]
        error *= np.maximum(1.0 - reflection**2, 1e-9)
    return whitening


def _percentiles(values: Samples, which: tuple[int, ...]) -> NDArray[np.float64]:
    """As `numpy.percentile`, which takes ten times as long on so few."""
    if len(values) < _LEAST:
        return np.zeros(len(which))
    places = np.array(which) / 100.0 * (len(values) - 1)
    return np.asarray(np.interp(places, np.arange(len(values)), np.sort(values)), np.float64)
