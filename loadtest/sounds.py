"""Generated sounds under speech: noise and a plain chord bed. Deterministic by seed, RMS 1.0, float32, 16 kHz."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loadtest.clips import RATE

Samples = NDArray[np.float32]
Kind = Literal["white", "pink", "music"]

_CHORDS = ((220.0, 261.63, 329.63), (174.61, 220.0, 261.63), (196.0, 246.94, 293.66), (164.81, 196.0, 246.94))


def make(kind: Kind, samples: int, seed: int) -> Samples:
    """``samples`` of a kind of sound.

    white: equal power per Hz. pink: power falls by 3 dB per octave, as room and traffic noise roughly does.
    music: four chords of two seconds, plucked, each note with three harmonics.
    """
    random = np.random.default_rng(seed)
    match kind:
        case "white":
            sound = random.standard_normal(samples)
        case "pink":
            spectrum = np.fft.rfft(random.standard_normal(samples))
            shape = np.sqrt(np.maximum(np.arange(len(spectrum)), 1.0))
            spectrum[0] = 0.0
            sound = np.fft.irfft(spectrum / shape, samples)
        case "music":
            sound = _music(samples)
    level = np.sqrt(np.mean(sound**2))
    return (sound / max(float(level), 1e-12)).astype(np.float32)


def _music(samples: int) -> NDArray[np.float64]:
    time = np.arange(samples) / RATE
    beat = time % 2.0
    chord = (time // 2.0).astype(int) % len(_CHORDS)
    sound = np.zeros(samples)
    for voice in range(3):
        pitch = np.array([notes[voice] for notes in _CHORDS])[chord]
        pluck = np.exp(-3.0 * np.maximum(beat - 0.25 * voice, 0.0)) * (beat >= 0.25 * voice)
        for harmonic in (1, 2, 3):
            sound += pluck * np.sin(2 * np.pi * pitch * harmonic * time) / harmonic**2
    return sound
