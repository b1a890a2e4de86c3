import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.synthetic.excitation import HOP, SIZE, analyse

RATE = 16_000
KURTOSIS, GAIN, PERIODICITY, TWICE = slice(0, 5), slice(5, 10), slice(10, 15), slice(15, 18)
VOICED, CHANGES, SPREAD = 18, slice(19, 22), 22
NOISE = np.random.default_rng(0).normal(0.0, 0.1, 3 * RATE).astype(np.float32)


def pulses(hertz: np.ndarray) -> np.ndarray:
    """One sample of a pulse at each turn of a phase that runs at `hertz`."""
    turns = np.floor(np.cumsum(hertz) / RATE)
    return np.diff(turns, prepend=0.0).astype(np.float32)


def whole(samples: np.ndarray) -> np.ndarray:
    return analyse(samples).summary(0, len(samples))


def test_noise_is_neither_peaky_nor_periodic():
    noise = whole(NOISE)
    assert len(noise) == SIZE
    assert noise[KURTOSIS] == pytest.approx(np.log(3.0), abs=0.35)  # of a normal distribution
    assert noise[GAIN] == pytest.approx(0.0, abs=0.3)  # nothing to predict
    assert noise[VOICED] < 0.05


def test_pulses_are_peaky_and_periodic():
    steady = whole(pulses(np.full(3 * RATE, 125.0)) + 0.002 * NOISE)
    assert steady[KURTOSIS].min() > 3.0
    assert steady[PERIODICITY].min() > 0.7  # the period fits three times into a frame
    assert steady[VOICED] == 1.0
    assert steady[CHANGES].max() < 0.01
    assert steady[SPREAD] < 0.01


def test_a_moving_pitch_moves():
    time = np.arange(3 * RATE) / RATE
    moving = whole(pulses(160.0 * 2 ** (0.5 * np.sin(2 * np.pi * time))) + 0.002 * NOISE)
    assert moving[CHANGES][1] > 0.01
    assert 0.15 < moving[SPREAD] < 0.35  # half an octave up and down: 0.35 / sqrt(2)


def test_a_constant_filter_is_taken_away():
    voice = pulses(np.full(3 * RATE, 125.0)) + 0.002 * NOISE
    plain, filtered = whole(voice), whole(np.convolve(voice, [1.0, -1.2, 0.6], "same").astype(np.float32))
    assert filtered[PERIODICITY] == pytest.approx(plain[PERIODICITY], abs=0.15)
    assert filtered[VOICED] == plain[VOICED]


@given(level=st.floats(0.01, 1.0))
def test_the_level_does_not_matter(level):
    assert whole(np.float32(level) * NOISE[:RATE]) == pytest.approx(whole(NOISE[:RATE]), abs=0.01)


def test_pauses_do_not_count():
    with_pause = np.concatenate([NOISE, np.zeros(2 * RATE, np.float32)])
    assert whole(with_pause) == pytest.approx(whole(NOISE), abs=0.1)


def test_windows_take_their_own_frames():
    first = pulses(np.full(RATE, 125.0)) + 0.002 * NOISE[:RATE]
    both = analyse(np.concatenate([first, NOISE[:RATE]]))
    assert both.summary(0, RATE - 2 * HOP)[VOICED] > 0.95
    assert both.summary(RATE, 2 * RATE)[VOICED] < 0.1


@pytest.mark.parametrize("length", [1, 100, 700, 4_000])
def test_a_very_short_stretch_and_silence_have_numbers_too(length):
    for wave in (np.full(length, 0.1, np.float32), np.zeros(length, np.float32)):
        assert np.isfinite(whole(wave)).all()
