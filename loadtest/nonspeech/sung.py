"""Speech made into song: its pitch put on notes and its vowels held, by a small vocoder. Float64, 16 kHz.

Source and filter, as `voice` has them, but the filter is taken from speech: the spectral envelope of each frame of
5 ms, smoothed over the harmonics by its cepstrum (Oppenheim and Schafer 1968). Voiced frames are lengthened until a
word fills its note, and their harmonics sound at the note's pitch; unvoiced ones are noise through the envelope.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loadtest.clips import RATE

Wave = NDArray[np.float64]
Random = np.random.Generator

_HOP: Final = 80
_WINDOW: Final = 512
_FFT: Final = 1024
_LIFTER: Final = 48
"""Cepstral coefficients kept: 3 ms, below the period of a voice of 330 Hz."""
_LOW, _HIGH = 70.0, 400.0


@dataclass(frozen=True, slots=True)
class Note:
    """A pitch in semitones of MIDI (69: 440 Hz) and its length."""

    pitch: float
    seconds: float


def tune(words: int, random: Random, *, low: float) -> list[Note]:
    """A melody that walks on a major or minor scale from `low` up, a note a word, at 50 to 100 beats a minute."""
    scale = (0, 2, 4, 5, 7, 9, 11) if random.random() < 0.6 else (0, 2, 3, 5, 7, 8, 10)
    beat, degree = 60.0 / random.uniform(50, 100), int(random.integers(0, 5))
    notes = []
    for _ in range(words):
        degree = int(np.clip(degree + random.integers(-2, 3), 0, 8))
        octave, step = divmod(degree, 7)
        notes.append(Note(low + 12 * octave + scale[step], beat * float(random.choice([0.5, 0.75, 1.0, 1.5]))))
    return notes


def sing(words: Sequence[Wave], notes: Sequence[Note], random: Random) -> Wave:
    """Sing spoken `words` (float64, 16 kHz), one on each note, bound by a glide of 60 ms."""
    rate, depth = random.uniform(5, 7), random.uniform(0.05, 0.5)
    envelopes, voiced, pitches = [], [], []
    for word, note in zip(words, notes, strict=True):
        shape, sounding = _analysed(word)
        order = _held(sounding, round(note.seconds * RATE / _HOP))
        time = np.arange(len(order)) * _HOP / RATE
        vibrato = depth * np.sin(2 * np.pi * rate * time) * np.clip((time - 0.15) / 0.2, 0, 1)
        envelopes.append(shape[order])
        voiced.append(sounding[order])
        pitches.append(note.pitch + vibrato)
    glide = np.ones(13) / 13
    semitones = np.convolve(np.pad(np.concatenate(pitches), 6, mode="edge"), glide, mode="valid")
    semitones += 0.05 * np.convolve(
        random.standard_normal(len(semitones)), glide, mode="same"
    )  # nobody holds a pitch exactly
    wave = _spoken(np.concatenate(envelopes), np.concatenate(voiced), 440.0 * 2 ** ((semitones - 69) / 12), random)
    return wave / max(float(np.abs(wave).max()), 1e-9)


def _analysed(word: Wave) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Log amplitude envelopes [frames, bins] and whether each frame is voiced."""
    padded = np.pad(word, _WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP] * np.hanning(_WINDOW)
    spectrum = np.abs(np.fft.rfft(frames, _FFT, axis=1)) ** 2
    cepstrum = np.fft.irfft(0.5 * np.log(spectrum + 1e-10), axis=1)
    cepstrum[:, _LIFTER : _FFT - _LIFTER + 1] = 0.0
    envelope = np.fft.rfft(cepstrum, axis=1).real
    period = np.fft.irfft(spectrum, axis=1)
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(_WINDOW), _FFT)) ** 2)
    lags = slice(int(RATE / _HIGH), int(RATE / _LOW))
    peak = (period[:, lags] / window[lags]).max(axis=1) * window[0] / np.maximum(period[:, 0], 1e-12)
    loud = period[:, 0] > 1e-3 * period[:, 0].max()
    return envelope, (peak > 0.6) & loud


def _held(voiced: NDArray[np.bool_], frames: int) -> NDArray[np.intp]:
    """The frames of a word in order, voiced ones as often as it takes to fill `frames`, others once."""
    missing = max(0, frames - int((~voiced).sum()))
    times = np.where(voiced, max(1.0, missing / max(1, int(voiced.sum()))), 1.0)
    at = np.concatenate([[0.0], np.cumsum(times)])
    return np.clip(np.searchsorted(at, np.arange(int(at[-1])), side="right") - 1, 0, len(voiced) - 1)


def _spoken(envelope: NDArray[np.float64], voiced: NDArray[np.bool_], f0: NDArray[np.float64], random: Random) -> Wave:
    """Harmonics of `f0` where voiced, noise elsewhere, through the envelopes."""
    frames, size = len(f0), len(f0) * _HOP
    at, centres = np.arange(size) / _HOP, np.arange(frames)
    phase = 2 * np.pi * np.cumsum(np.interp(at, centres, f0)) / RATE
    gate = np.convolve(voiced.astype(np.float64), np.ones(3) / 3, mode="same")
    wave = np.zeros(size)
    for harmonic in range(1, int(RATE / 2 / float(f0.min())) + 1):
        frequency = f0 * harmonic
        place = np.clip(frequency * _FFT / RATE, 0, envelope.shape[1] - 1.001)
        low = place.astype(np.intp)
        part = place - low
        log_gain = envelope[centres, low] * (1 - part) + envelope[centres, low + 1] * part
        gain = 0.02 * np.exp(log_gain) * gate * (frequency < 0.47 * RATE) * np.sqrt(f0 / 120.0)
        wave += np.interp(at, centres, gain) * np.sin(harmonic * phase)
    noise = np.zeros(size + _FFT)
    window = np.hanning(2 * _HOP + 1)[:-1]
    for frame in range(frames):
        turns = np.exp(2j * np.pi * random.random(envelope.shape[1]))
        level = np.exp(envelope[frame]) * (0.03 + 0.97 * (1 - gate[frame])) * 3.5
        piece = np.fft.irfft(level * turns, _FFT)[: 2 * _HOP]
        noise[frame * _HOP : frame * _HOP + 2 * _HOP] += piece * window
    return wave + noise[:size]
