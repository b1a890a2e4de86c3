"""Sounds of rooms and instruments by formula: noise, hum, keys, claps, tones, music. Float64, 16 kHz, deterministic."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from loadtest.clips import RATE

Wave = NDArray[np.float64]
Random = np.random.Generator


def noise(seconds: float, random: Random) -> Wave:
    """Noise whose power falls by 0 (white), 3 (pink) or 6 dB (brown) an octave, or anything between."""
    return coloured(int(seconds * RATE), float(random.choice([0.0, 0.5, 1.0, random.uniform(0, 1.2)])), random)


def coloured(size: int, slope: float, random: Random) -> Wave:
    """Noise with an amplitude spectrum of f ** -slope above 20 Hz."""
    spectrum = np.fft.rfft(random.standard_normal(size))
    frequencies = np.maximum(np.fft.rfftfreq(size, 1 / RATE), 20.0)
    spectrum[0] = 0.0
    return np.fft.irfft(spectrum * frequencies**-slope, size)


def hum(seconds: float, random: Random) -> Wave:
    """Mains hum at 50 or 60 Hz with harmonics, over the noise of a fan with its blades."""
    time = np.arange(int(seconds * RATE)) / RATE
    base = float(random.choice([50.0, 60.0]))
    wave = sum(random.uniform(0.1, 1) / k * np.sin(2 * np.pi * base * k * time + k) for k in range(1, 9))
    blades = 1 + 0.4 * np.sin(2 * np.pi * random.uniform(20, 60) * time)
    fan = coloured(len(time), random.uniform(0.5, 1.0), random)
    return np.asarray(wave + random.uniform(0.3, 3) * fan / np.std(fan) * blades)


def keyboard(seconds: float, random: Random) -> Wave:
    """Keys pressed and released 2 to 9 times a second: bursts of 2 to 6 kHz that die within 15 ms."""
    out = coloured(int(seconds * RATE), 0.7, random)
    out *= 0.02 / np.std(out)
    at = 0.0
    while (at := at + random.exponential(1 / random.uniform(2, 9))) < seconds:
        for delay, level in ((0.0, 1.0), (random.uniform(0.05, 0.12), 0.5)):
            burst = _click(random, random.uniform(0.004, 0.015), random.uniform(2000, 6000)) * level
            _add(out, burst * random.uniform(0.3, 1), at + delay)
    return out


def knocks(seconds: float, random: Random) -> Wave:
    """Claps, knocks, steps, things put down: bursts of a few frequencies, now and then."""
    out = 0.005 * random.standard_normal(int(seconds * RATE))
    at = 0.0
    while (at := at + random.exponential(0.6)) < seconds:
        _add(out, _click(random, random.uniform(0.02, 0.15), random.uniform(120, 2500)) * random.uniform(0.2, 1), at)
    return out


def tones(seconds: float, random: Random) -> Wave:
    """Ringing, keys of a telephone, alerts: one or two sines at a time, on and off."""
    out = 0.002 * random.standard_normal(int(seconds * RATE))
    at = random.uniform(0, 0.5)
    while at < seconds:
        length = random.uniform(0.08, 0.8)
        time = np.arange(int(length * RATE)) / RATE
        pair = sum(np.sin(2 * np.pi * random.uniform(350, 1800) * time) for _ in range(int(random.integers(1, 3))))
        _add(out, np.asarray(pair * np.exp(-random.uniform(0, 4) * time)), at)
        at += length + random.exponential(0.5)
    return out


def music(seconds: float, random: Random) -> Wave:
    """A band: chords, bass, a lead, and drums, each present or not."""
    beat = random.uniform(0.33, 0.75)
    time = np.arange(int(seconds * RATE)) / RATE
    root = random.uniform(40, 52)
    chords = random.permutation(np.array([[0, 4, 7], [5, 9, 12], [7, 11, 14], [9, 12, 16], [2, 5, 9]]))
    out = np.zeros(len(time))
    parts = random.random(4) < (0.9, 0.7, 0.6, 0.7)
    decay, partials = random.uniform(1, 6), random.uniform(1.0, 2.2)
    for number in range(int(seconds / beat) + 1):
        chord = chords[(number // 4) % len(chords)]
        if parts[0] and number % 2 == 0:
            for note in chord:
                _add(out, 0.25 * _note(root + 12 + note, 2 * beat, decay, partials), number * beat)
        if parts[1]:
            _add(out, 0.4 * _note(root + chord[0] - 12, beat, 3.0, 1.5), number * beat)
        if parts[2] and random.random() < 0.7:
            pitch = root + 24 + int(random.choice(chord))
            _add(out, 0.3 * _note(pitch, beat, random.uniform(1, 4), partials), number * beat)
        if parts[3]:
            _drums(out, number, beat, random)
    return np.asarray(out + 1e-4 * random.standard_normal(len(out)))


def blast(seconds: float, random: Random) -> Wave:
    """A blast: an explosion that rolls off, a horn, or an overdriven microphone; to be played near full scale."""
    time = np.arange(int(seconds * RATE)) / RATE
    kind = int(random.integers(0, 3))
    if kind == 0:
        boom = coloured(len(time), random.uniform(0.2, 0.8), random)
        return np.asarray(np.tanh(4 * boom / np.std(boom) * np.exp(-random.uniform(0.5, 2.5) * time)))
    if kind == 1:
        base = random.uniform(220, 500)
        horn = sum(np.sin(2 * np.pi * base * ratio * time) for ratio in (1.0, 1.26, 2.01, 3.02))
        return np.asarray(np.tanh(3 * horn))
    drive = coloured(len(time), 0.8, random)
    return np.clip(12 * drive / np.std(drive), -1, 1)


def _drums(out: Wave, number: int, beat: float, random: Random) -> None:
    time = np.arange(int(0.3 * RATE)) / RATE
    if number % 2 == 0:
        kick = np.sin(2 * np.pi * (45 * time + 12 * (1 - np.exp(-30 * time)))) * np.exp(-12 * time)
        _add(out, 0.8 * kick, number * beat)
    else:
        snare = (random.standard_normal(len(time)) + np.sin(2 * np.pi * 190 * time)) * np.exp(-18 * time)
        _add(out, 0.3 * snare, number * beat)
    for half in (0.0, 0.5):
        hat = np.diff(random.standard_normal(len(time) + 1)) * np.exp(-60 * time)
        _add(out, 0.15 * hat, (number + half) * beat)


def _note(pitch: float, seconds: float, decay: float, partials: float) -> Wave:
    time = np.arange(int(seconds * RATE)) / RATE
    frequency = 440.0 * 2 ** ((pitch - 69) / 12)
    count = min(8, int(7000 / frequency))
    wave = sum(np.sin(2 * np.pi * frequency * k * time) / k**partials for k in range(1, count + 1))
    return np.asarray(
        wave * np.exp(-decay * time) * np.minimum(1, time / 0.01) * np.minimum(1, (seconds - time) / 0.02)
    )


def _click(random: Random, length: float, centre: float) -> Wave:
    time = np.arange(int(6 * length * RATE)) / RATE
    ring = np.sin(2 * np.pi * centre * time) + 0.7 * random.standard_normal(len(time))
    return np.asarray(ring * np.exp(-time / length))


def _add(out: Wave, piece: Wave, at: float) -> None:
    begin = int(at * RATE)
    size = min(len(piece), len(out) - begin)
    if size > 0:
        out[begin : begin + size] += piece[:size]
