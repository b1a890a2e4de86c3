"""More sounds by formula, of streets and halls: rain, engines, applause, dishes. Float64, 16 kHz, deterministic."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from loadtest.clips import RATE
from loadtest.nonspeech.rooms import coloured

Wave = NDArray[np.float64]
Random = np.random.Generator


def rain(seconds: float, random: Random) -> Wave:
    """Rain and wind: drops by the hundred over noise that swells."""
    size = int(seconds * RATE)
    swell = np.interp(np.arange(size), np.linspace(0, size, 12), random.uniform(0.2, 1.0, 12))
    wind, drops = coloured(size, 1.0, random), np.zeros(size)
    places = random.integers(0, size, int(seconds * random.uniform(50, 600)))
    drops[places] = random.standard_normal(len(places))
    splash = random.standard_normal(80) * np.exp(-np.arange(80) / 15)
    return np.asarray(swell * wind / np.std(wind) + random.uniform(0.5, 3) * np.convolve(drops, splash, mode="same"))


def engine(seconds: float, random: Random) -> Wave:
    """A motor that speeds up and slows down: pulses of 20 to 120 Hz through a pipe, with wheels on the road."""
    size = int(seconds * RATE)
    speed = np.interp(np.arange(size), np.linspace(0, size, 8), random.uniform(20, 120, 8))
    phase = np.cumsum(speed) / RATE
    pulses = sum(np.sin(2 * np.pi * k * phase + k * k) * np.exp(-0.1 * k) for k in range(1, 20))
    road = coloured(size, 0.6, random)
    return np.asarray(pulses + random.uniform(0.5, 2) * road / np.std(road))


def applause(seconds: float, random: Random) -> Wave:
    """Some 5 to 60 people who clap 3 to 5 times a second, each with hands of their own."""
    size = int(seconds * RATE)
    out = np.zeros(size + RATE)
    for _ in range(int(random.integers(5, 60))):
        hands = random.standard_normal(400) * np.exp(-np.arange(400) / random.uniform(15, 60))
        at, gap = random.uniform(0, 0.5), 1 / random.uniform(3, 5)
        while at < seconds:
            begin = int(at * RATE)
            out[begin : begin + 400] += hands * random.uniform(0.3, 1)
            at += gap * random.uniform(0.85, 1.15)
    return out[:size]


def dishes(seconds: float, random: Random) -> Wave:
    """Plates, glasses and spoons: partials without harmony that ring on, at random."""
    size = int(seconds * RATE)
    out, time = 0.002 * random.standard_normal(size + RATE), np.arange(RATE // 2) / RATE
    at = 0.0
    while (at := at + random.exponential(0.5)) < seconds:
        base = random.uniform(700, 3500)
        ring = sum(
            random.uniform(0.2, 1) * np.sin(2 * np.pi * base * ratio * time) * np.exp(-random.uniform(8, 60) * time)
            for ratio in (1.0, 1.51, 1.98, 2.44)
            if base * ratio < RATE / 2
        )
        out[int(at * RATE) : int(at * RATE) + len(time)] += ring * random.uniform(0.2, 1)
    return out[:size]
