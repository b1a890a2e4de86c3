import numpy as np
import pytest

from models.synthetic.spectrum import BLOCKS, ORDER, SIZE, analyse

RATE = 16_000
NOISE = np.random.default_rng(0).normal(0.0, 0.1, 3 * RATE).astype(np.float32)


def parts(samples: np.ndarray) -> list[np.ndarray]:
    return np.split(analyse(samples).summary(0, len(samples)), np.cumsum(BLOCKS)[:-1])


def test_neither_the_level_nor_a_constant_filter_is_heard():
    plain, quiet = parts(NOISE), parts(0.01 * NOISE)
    assert sum(map(len, plain)) == SIZE
    assert all(np.abs(one - other).max() < 1e-3 for one, other in zip(plain, quiet, strict=True))
    filtered = parts(np.convolve(NOISE, [1.0, 0.4], "same").astype(np.float32))
    assert all(np.abs(one - other).max() < 0.1 for one, other in zip(plain, filtered, strict=True))


def test_what_moves_is_heard_where_it_moves():
    time = np.arange(len(NOISE)) / RATE
    tilt = np.convolve(NOISE, [1.0, 0.9], "same") * (np.sin(2 * np.pi * 3 * time) > 0)
    other = np.convolve(NOISE, [1.0, -0.9], "same") * (np.sin(2 * np.pi * 3 * time) <= 0)
    rise = parts((tilt + other).astype(np.float32))[0][:ORDER] - parts(NOISE)[0][:ORDER]
    assert rise.argmax() == 0  # the first cosine: below against above
    assert rise[0] > 1.0


def test_pauses_do_not_count():
    with_pause = np.concatenate([NOISE, np.zeros(2 * RATE, np.float32)])
    assert parts(with_pause)[0] == pytest.approx(parts(NOISE)[0], abs=0.2)


def test_long_frames_resolve_harmonics():
    time = np.arange(len(NOISE)) / RATE
    phase = 2 * np.pi * np.cumsum(125.0 + 8.0 * np.sin(2 * np.pi * time)) / RATE
    buzz = sum(np.cos(k * phase) for k in range(1, 60)).astype(np.float32)
    change = parts(0.1 * buzz + 0.1 * NOISE)[1] - parts(NOISE)[1]
    assert 110 < change.argmax() + 1 < 146  # 2 x 8,000 / 125 = 128 crests


def test_windows_take_their_own_frames():
    spectrum = analyse(NOISE)
    first, second = spectrum.summary(0, RATE), spectrum.summary(RATE, 2 * RATE)
    assert first[:ORDER] == pytest.approx(second[:ORDER], abs=0.5)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("length", [1, 100, 700, 4_000])
def test_a_very_short_stretch_and_silence_have_numbers_too(length):
    for wave in (np.full(length, 0.1, np.float32), np.zeros(length, np.float32)):
        assert np.isfinite(analyse(wave).summary(0, length)).all()
