"""The baseline that the detector is measured against: linear-frequency cepstra, summed up over time."""

import numpy as np

from models.synthetic.windows import ACTIVE_DB
from models.training.audio_files import SAMPLE_RATE, Samples
from models.training.features import Features

_WINDOW, _HOP = 512, 160  # 32 ms every 10 ms
_BANDS, _ORDER = 80, 30


def _filters() -> Features:
    """Return 80 triangles of equal width from 0 to 8 kHz, [257, 80]."""
    edges = np.linspace(0.0, SAMPLE_RATE / 2, _BANDS + 2)
    hertz = np.linspace(0.0, SAMPLE_RATE / 2, _WINDOW // 2 + 1)[:, None]
    step = edges[1] - edges[0]
    return np.asarray(np.maximum(0.0, np.minimum(hertz - edges[:-2], edges[2:] - hertz) / step), np.float32)


_FILTERS = _filters()
_COSINES = np.cos(np.pi * (np.arange(_BANDS) + 0.5) * np.arange(1, _ORDER + 1)[:, None] / _BANDS) * np.sqrt(2 / _BANDS)


def lfcc(samples: Samples) -> Features:
    """Return [90]: mean, deviation and deviation of differences of 30 linear-frequency cepstral coefficients."""
    padded = np.pad(samples, (0, max(0, 3 * _WINDOW - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW + 1)[:-1].astype(np.float32), axis=1)) ** 2
    level = 10.0 * np.log10(power.sum(axis=1) + 1e-10)
    active = level > level.max() - ACTIVE_DB
    cepstra = np.log(power[active] @ _FILTERS + 1e-8) @ _COSINES.T
    changes = np.diff(cepstra, axis=0) if len(cepstra) > 1 else np.zeros_like(cepstra)
    return np.concatenate([cepstra.mean(axis=0), cepstra.std(axis=0), changes.std(axis=0)]).astype(np.float32)
