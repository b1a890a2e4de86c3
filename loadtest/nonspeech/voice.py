"""A wordless human voice by formula: singing, laughter, sobs, breath, whistling, screams. Float64, 16 kHz.

Source and filter (Fant 1960): harmonics of a gliding fundamental, weighted by the resonances of a vocal tract; breath
is noise through the same resonances. Formants are mean male values (Peterson and Barney 1952), scaled by the length of
the tract. Nothing in here says words: syllables are vowels and hums. Deterministic by generator.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from loadtest.clips import RATE

Wave = NDArray[np.float64]
Random = np.random.Generator

_HOP: Final = 80  # control frames of 5 ms
_VOWELS: Final = {
    "i": (270.0, 2290.0, 3010.0),
    "e": (530.0, 1840.0, 2480.0),
    "a": (730.0, 1090.0, 2440.0),
    "o": (570.0, 840.0, 2410.0),
    "u": (300.0, 870.0, 2240.0),
    "m": (250.0, 1000.0, 2200.0),
}
_BANDWIDTHS: Final = (80.0, 100.0, 140.0)
_MAJOR: Final = (0, 2, 4, 5, 7, 9, 11)
_MINOR: Final = (0, 2, 3, 5, 7, 8, 10)


def singing(seconds: float, random: Random) -> Wave:
    """A melody on vowels: notes of 0.25 to 1.6 s on a scale, vibrato of 5 to 7 Hz, breaths between phrases."""
    tract = random.uniform(0.95, 1.25)
    low = random.uniform(45, 60) if tract < 1.1 else random.uniform(57, 69)
    scale = _MAJOR if random.random() < 0.5 else _MINOR
    tempo = random.uniform(0.25, 0.6)
    step = int(random.integers(0, 7))
    parts: list[Wave] = []
    made = 0.0
    while made < seconds:
        notes = []
        for _ in range(int(random.integers(3, 9))):
            step = int(np.clip(step + random.integers(-2, 3), -2, 9))
            octave, degree = divmod(step, 7)
            pitch = low + 12 * octave + scale[degree]
            notes.append((pitch, tempo * float(random.choice([1, 1, 2, 2, 3]))))
        phrase = _phrase(notes, tract, random)
        rest = _fade(0.3 * breath(random.uniform(0.25, 0.5), random, tract=tract))
        parts += [phrase, rest]
        made += (len(phrase) + len(rest)) / RATE
    return _exactly(np.concatenate(parts), seconds)


def laughter(seconds: float, random: Random) -> Wave:
    """Bouts of "ha" at 4 to 6 a second, pitch and level falling, each pulse begun by breath (Bachorowski 2001)."""
    parts: list[Wave] = []
    made = 0.0
    while made < seconds:
        tract = random.uniform(0.95, 1.25)
        pitch, fall = random.uniform(180, 420), random.uniform(0.85, 0.98)
        rate, level = random.uniform(4, 6), 1.0
        vowel = str(random.choice(["a", "e", "i"]))
        for _ in range(int(random.integers(3, 12))):
            length = random.uniform(0.35, 0.6) / rate
            frames = max(2, int(length * RATE / _HOP))
            f0 = pitch * np.linspace(1.1, 0.9, frames)
            voiced = _fade(_voiced(f0, _track([vowel] * frames, tract)))
            puff = _fade(0.25 * breath(0.4 / rate, random, tract=tract))
            parts += [level * puff, level * voiced]
            made += (len(puff) + len(voiced)) / RATE
            pitch, level = pitch * fall, level * random.uniform(0.85, 1.0)
        gap = np.zeros(int(random.uniform(0.3, 1.2) * RATE))
        parts.append(gap)
        made += len(gap) / RATE
    return _exactly(np.concatenate(parts), seconds)


def breathing(seconds: float, random: Random) -> Wave:
    """Breath in and out close to the microphone, 12 to 30 a minute."""
    period = random.uniform(2.0, 5.0)
    time = np.arange(int(seconds * RATE)) / RATE
    cycle = np.maximum(np.sin(2 * np.pi * time / period), 0.35 * np.maximum(-np.sin(2 * np.pi * time / period), 0.0))
    return np.asarray(breath(seconds, random, tract=random.uniform(0.9, 1.2)) * cycle**1.5)


def breath(seconds: float, random: Random, *, tract: float = 1.0) -> Wave:
    """Noise through an open tract, RMS 1."""
    size = max(_HOP, int(seconds * RATE))
    spectrum = np.fft.rfft(random.standard_normal(size))
    frequencies = np.fft.rfftfreq(size, 1 / RATE).astype(np.float64)
    shape = _resonances(frequencies[:, None], np.array([_VOWELS["e"]]) * tract)[:, 0] + 0.02
    wave = np.fft.irfft(spectrum * shape, size)
    return np.asarray(wave / max(float(np.sqrt(np.mean(wave**2))), 1e-9))


def scream(seconds: float, random: Random) -> Wave:
    """A scream: a fundamental of 700 to 1600 Hz, rough (30 to 150 Hz modulation, Arnal 2015), mouth wide open."""
    frames = max(8, int(seconds * RATE / _HOP))
    top = random.uniform(700, 1600)
    arc = np.interp(np.linspace(0, 1, frames), [0, 0.15, 0.7, 1], [0.7, 1.0, 0.95, 0.6])
    jitter = 1 + 0.02 * np.cumsum(random.standard_normal(frames)) / np.sqrt(frames)
    wave = _voiced(top * arc * jitter, _track(["a"] * frames, random.uniform(1.05, 1.3)), tilt=0.6)
    time = np.arange(len(wave)) / RATE
    rough = 1 + 0.7 * np.sin(2 * np.pi * np.cumsum(random.uniform(40, 110) * np.ones(len(time))) / RATE)
    noise = 0.15 * random.standard_normal(len(wave)) * np.std(wave)
    return _fade(np.tanh(1.5 * (wave * rough + noise) / max(float(np.std(wave)), 1e-9)))


def humming(seconds: float, random: Random) -> Wave:
    """Humming with the mouth shut: slow notes bound to one another, no attack, much air."""
    tract, low = random.uniform(0.95, 1.25), random.uniform(47, 64)
    parts: list[Wave] = []
    made = 0.0
    while made < seconds:
        steps = np.cumsum(random.integers(-2, 3, int(random.integers(3, 8))))
        lengths = [max(6, int(random.uniform(0.3, 1.2) * RATE / _HOP)) for _ in steps]
        semitones = np.concatenate([np.full(frames, low + step) for step, frames in zip(steps, lengths, strict=True)])
        glide = np.convolve(np.pad(semitones, 10, mode="edge"), np.ones(21) / 21, mode="valid")
        glide += 0.1 * np.sin(2 * np.pi * 5.5 * np.arange(len(glide)) * _HOP / RATE)
        voiced = _voiced(440.0 * 2 ** ((glide - 69) / 12), _track(["m"] * len(glide), tract), tilt=1.8)
        parts += [_fade(voiced, 80.0), 0.1 * breath(random.uniform(0.3, 0.8), random, tract=tract)]
        made += (len(parts[-2]) + len(parts[-1])) / RATE
    return _exactly(np.concatenate(parts), seconds)


def sobbing(seconds: float, random: Random) -> Wave:
    """Crying: wails that rise and fall, broken by quick breaths in (Provine 2012)."""
    parts: list[Wave] = []
    made = 0.0
    while made < seconds:
        tract, pitch = random.uniform(1.0, 1.4), random.uniform(250, 500)
        frames = int(random.uniform(0.4, 1.6) * RATE / _HOP)
        arc = np.interp(np.linspace(0, 1, frames), [0, 0.25, 1], [0.85, 1.15, 0.7])
        shake = 1 + 0.03 * np.sin(2 * np.pi * random.uniform(6, 9) * np.arange(frames) * _HOP / RATE)
        vowels = [str(random.choice(["a", "e", "u"]))] * frames
        wail = _voiced(pitch * arc * shake, _track(vowels, tract), tilt=random.uniform(0.9, 1.4))
        parts.append(_fade(wail, 60.0))
        for _ in range(int(random.integers(1, 4))):
            parts += [_fade(0.2 * breath(random.uniform(0.1, 0.25), random, tract=tract)), np.zeros(int(0.08 * RATE))]
        parts.append(np.zeros(int(random.uniform(0.1, 0.8) * RATE)))
        made = sum(map(len, parts)) / RATE
    return _exactly(np.concatenate(parts), seconds)


def whistling(seconds: float, random: Random) -> Wave:
    """Whistling through the lips: one sine from 600 to 2400 Hz on a tune, with air around it."""
    frames = int(seconds * RATE / _HOP) + 1
    pitch, semitones = random.uniform(76, 88), np.zeros(0)
    while len(semitones) < frames:
        pitch = float(np.clip(pitch + random.integers(-3, 4), 74, 98))
        semitones = np.append(semitones, np.full(int(random.uniform(0.15, 0.8) * RATE / _HOP), pitch))
    glide = np.convolve(np.pad(semitones[:frames], 7, mode="edge"), np.ones(15) / 15, mode="valid")
    f0 = np.interp(np.arange(int(seconds * RATE)) / _HOP, np.arange(frames), 440.0 * 2 ** ((glide - 69) / 12))
    gate = np.interp(np.arange(len(f0)), *_blown(len(f0), random))
    tone = np.sin(2 * np.pi * np.cumsum(f0) / RATE)
    return np.asarray(gate * tone + (0.02 + 0.05 * gate) * random.standard_normal(len(f0)))


def _blown(size: int, random: Random) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points of a level that is on for a breath of 2 to 5 s and off for half a second."""
    at, level, now = [0.0], [0.0], 0.0
    while now < size:
        begin, end = now + 0.05 * RATE, now + random.uniform(2, 5) * RATE
        at += [begin, end - 0.05 * RATE, end, end + 0.5 * RATE]
        level += [1.0, 0.9, 0.0, 0.0]
        now = end + 0.5 * RATE
    return np.array(at), np.array(level)


def _phrase(notes: list[tuple[float, float]], tract: float, random: Random) -> Wave:
    """Notes (semitone of MIDI, seconds) sung in one breath."""
    pitches: list[NDArray[np.float64]] = []
    vowels: list[str] = []
    levels: list[NDArray[np.float64]] = []
    rate, depth = random.uniform(5, 7), random.uniform(0.1, 0.6)
    for pitch, seconds in notes:
        frames = max(6, int(seconds * RATE / _HOP))
        time = np.arange(frames) * _HOP / RATE
        vibrato = depth * np.sin(2 * np.pi * rate * time) * np.clip((time - 0.15) / 0.2, 0, 1)
        pitches.append(pitch + vibrato)
        onset = min(frames - 1, int(random.integers(4, 12)))
        vowels += [str(random.choice(["m", "u"]))] * onset
        vowels += [str(random.choice(["a", "e", "i", "o", "u"]))] * (frames - onset)
        levels.append(np.concatenate([np.linspace(0.3, 1.0, onset), np.full(frames - onset, 1.0)]))
    smooth = np.ones(9) / 9  # portamento and articulation of 45 ms
    track = np.concatenate(pitches)
    semitones = np.convolve(np.pad(track, 4, mode="edge"), smooth, mode="valid")
    wave = _voiced(440.0 * 2 ** ((semitones - 69) / 12), _track(vowels, tract))
    level = np.repeat(np.concatenate(levels), _HOP)[: len(wave)]
    noise = 0.02 * random.standard_normal(len(wave)) * np.std(wave)
    return _fade(wave * level + noise)


def _track(vowels: list[str], tract: float) -> NDArray[np.float64]:
    """Formants over time, [frames, 3] in Hz, gliding over 45 ms."""
    track = np.array([_VOWELS[vowel] for vowel in vowels]) * tract
    kernel = np.ones(9) / 9
    padded = np.pad(track, ((4, 4), (0, 0)), mode="edge")
    return np.stack([np.convolve(padded[:, column], kernel, mode="valid") for column in range(3)], axis=1)


def _voiced(f0: NDArray[np.float64], formants: NDArray[np.float64], *, tilt: float = 1.1) -> Wave:
    """Sum of the harmonics of ``f0`` (Hz, one a frame) through the tract; amplitudes fall with ``k ** -tilt``."""
    size = len(f0) * _HOP
    at = np.arange(size) / _HOP
    frames = np.arange(len(f0))
    phase = 2 * np.pi * np.cumsum(np.interp(at, frames, f0)) / RATE
    wave = np.zeros(size)
    for harmonic in range(1, int(RATE / 2 / max(float(f0.min()), 40.0)) + 1):
        frequency = f0 * harmonic
        gain = _resonances(frequency[None, :], formants)[0] * harmonic**-tilt * (frequency < 0.46 * RATE)
        if gain.max() > 1e-5:
            wave += np.interp(at, frames, gain) * np.sin(harmonic * phase)
    return wave


def _resonances(frequencies: NDArray[np.float64], formants: NDArray[np.float64]) -> NDArray[np.float64]:
    """Magnitude of three parallel resonances at ``frequencies`` [n, frames or 1] for ``formants`` [frames, 3]."""
    total = np.zeros(np.broadcast_shapes(frequencies.shape, (1, len(formants))))
    for number, bandwidth in enumerate(_BANDWIDTHS):
        centre = formants[None, :, number]
        total += 0.6**number / np.sqrt(1 + ((frequencies - centre) / bandwidth) ** 2)
    return total


def _fade(wave: Wave, milliseconds: float = 15.0) -> Wave:
    size = min(len(wave) // 2, int(milliseconds * RATE / 1000))
    ramp = np.ones(len(wave))
    ramp[:size] = np.linspace(0, 1, size)
    ramp[len(wave) - size :] = np.linspace(1, 0, size)
    return np.asarray(wave * ramp)


def _exactly(wave: Wave, seconds: float) -> Wave:
    return wave[: int(seconds * RATE)]
