"""Cuts an utterance into scoring windows and tells how much speech each holds."""

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
FRAME = SAMPLE_RATE // 100  # speech masks have one entry per 10 ms
WINDOW_SECONDS = 4
HOP_SECONDS = 1

ACTIVE_DB = 35.0  # below the loudest 10 ms; pauses in clean speech lie 40 dB and more under its vowels
_SILENCE_DBFS = -65.0  # nothing this quiet is speech, however quiet the rest

Samples = NDArray[np.float32]
Mask = NDArray[np.bool_]


def framed(samples: Samples, size: int, hop: int) -> Samples:
    """Return [frames, size], a view: a frame begins every `hop` samples, the last ones padded with zeros."""
    padded = np.pad(samples, (0, size - hop + -len(samples) % hop))
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, size)[::hop])


def hann(size: int) -> Samples:
    """The periodic Hann window."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)


def power(frames: Samples, size: int) -> Samples:
    """Power spectra [frames, size / 2 + 1] of frames of at most `size` samples."""
    spectra = np.fft.rfft(frames, size, axis=1)
    return np.asarray(spectra.real**2 + spectra.imag**2, np.float32)


def window_spans(length: int) -> list[tuple[int, int]]:
    """Return (start, end) sample positions of 4 s windows every 1 s; the last ends with the utterance.

    An utterance of at most 4 s is one window.
    """
    size, hop = WINDOW_SECONDS * SAMPLE_RATE, HOP_SECONDS * SAMPLE_RATE
    if length <= size:
        return [(0, length)]
    starts = [*range(0, length - size, hop), length - size]
    return [(start, start + size) for start in starts]


def loud_frames(samples: Samples) -> Mask:
    """Return, per 10 ms frame, whether it is within 35 dB of the loudest: a stand-in where no speech mask is given."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    if not len(frames):
        return np.zeros(0, np.bool_)
    level = 10.0 * np.log10(np.mean(frames.astype(np.float64) ** 2, axis=1) + 1e-12)
    return np.asarray(level > max(float(level.max()) - ACTIVE_DB, _SILENCE_DBFS), np.bool_)


def speech_seconds_in(mask: Mask, start: int, end: int) -> float:
    """Return how many seconds of the samples `start` to `end` the mask calls speech."""
    return float(np.count_nonzero(mask[start // FRAME : -(-end // FRAME)])) * FRAME / SAMPLE_RATE
