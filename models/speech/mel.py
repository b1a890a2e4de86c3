"""Log-mel spectrogram of a batch of utterances, as Whisper was trained on it.

The recipe is that of OpenAI's `whisper/audio.py` (Radford et al. 2022, section 2.2): 25 ms Hann window,
10 ms hop, Slaney-style mel bands, log10 with a floor of 1e-10, a range of 80 dB below the loudest
band of the utterance, scaled by (x + 4) / 4. Here it runs on a whole batch at once and never computes the
frames that only see padding: those are known beforehand to lie on the floor.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
HOP = 160
WINDOW = 400
MAX_FRAMES = 3_000
"""Whisper's positional table ends at 30 s."""

_LOG_FLOOR = np.float32(1e-10)
_DYNAMIC_RANGE = np.float32(8.0)  # decades of power: 80 dB

Samples = NDArray[np.int16] | NDArray[np.float32]
Floats = NDArray[np.float32]


def as_float(samples: Samples) -> Floats:
    """Return `samples` (int16, or float in [-1, 1]) as float32 in [-1, 1]; raise ValueError unless mono."""
    if samples.ndim != 1:
        raise ValueError(f"samples must be one mono channel of shape [n], not {samples.shape}: mix down first")
    if samples.dtype == np.int16:
        return samples.astype(np.float32) * np.float32(1 / 32768)
    return np.ascontiguousarray(samples, dtype=np.float32)


def frames_of(seconds: float) -> int:
    """Return how many 10 ms frames cover `seconds`, at least one and at most Whisper's 3000."""
    return min(MAX_FRAMES, max(1, -int(-seconds * SAMPLE_RATE // HOP)))


def mel_filters(bands: int) -> Floats:
    """Return the Slaney mel filter bank of shape [201, bands] for 16 kHz (linear below 1 kHz, log above)."""
    linear_step, break_hz = 200.0 / 3, 1000.0
    break_mel, log_step = break_hz / linear_step, np.log(6.4) / 27.0
    top_mel = break_mel + np.log(SAMPLE_RATE / 2 / break_hz) / log_step
    mels = np.linspace(0.0, top_mel, bands + 2)
    edges = np.where(mels < break_mel, mels * linear_step, break_hz * np.exp(log_step * (mels - break_mel)))
    bins = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)
    rising = (bins[:, None] - edges[None, :-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[None, 2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(triangles * (2.0 / (edges[2:] - edges[:-2])), dtype=np.float32)


class LogMel:
    """The mel front end for one number of bands (80, or 128 for large-v3). Holds only constants."""

    def __init__(self, bands: int = 80) -> None:
        self.bands = bands
        self._filters = mel_filters(bands)
        self._window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)

    def __call__(self, batch: Sequence[Samples], frames: int) -> Floats:
        """Return [len(batch), bands, frames] of float32; longer utterances are cut, shorter ones padded.

        The padding stands for digital silence after the utterance. Raises ValueError if `frames` is out of
        range or an utterance has more than one channel.
        """
        if not 1 <= frames <= MAX_FRAMES:
            raise ValueError(f"frames must be 1 to {MAX_FRAMES}, not {frames}: cut utterances below 30 s")
        out = np.empty((len(batch), self.bands, frames), dtype=np.float32)
        # One utterance at a time: its spectrum stays in the processor's cache.
        for row, samples in zip(out, batch, strict=True):
            wave = as_float(samples)[: frames * HOP]
            # A frame is centred on its hop, so it sees half a window past the last sample.
            heard = min(frames, (len(wave) + WINDOW // 2 - 1) // HOP + 1)
            logs = self._log_power(wave, heard)
            floor = np.maximum(np.log10(_LOG_FLOOR), logs.max() - _DYNAMIC_RANGE)
            np.maximum(logs.T, floor, out=row[:, :heard])
            row[:, heard:] = floor
        out += np.float32(4.0)
        out *= np.float32(0.25)
        return out

    def _log_power(self, wave: Floats, count: int) -> Floats:
        """Return log10 of the mel power of the first `count` frames, shape [count, bands]."""
        spectrum = np.fft.rfft(self._frames(wave, count), axis=1)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        mel = power @ self._filters
        return np.asarray(np.log10(np.maximum(mel, _LOG_FLOOR, out=mel), out=mel), dtype=np.float32)

    def _frames(self, wave: Floats, count: int) -> Floats:
        """Return the windowed frames [count, 400] of `wave`, reflected at its start as the original is."""
        half = WINDOW // 2
        padded = np.zeros(half + max(count * HOP + WINDOW, len(wave)), dtype=np.float32)
        padded[half : half + len(wave)] = wave
        head = padded[half + 1 : 2 * half + 1]
        padded[:half] = head[::-1]
        view = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[: count * HOP : HOP]
        return np.asarray(view * self._window, dtype=np.float32)
