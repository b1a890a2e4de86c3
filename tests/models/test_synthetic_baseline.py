import numpy as np
import pytest

from models.training.baseline import lfcc

RATE = 16_000


def test_cepstra_do_not_hear_the_level_but_the_colour():
    noise = np.random.default_rng(0).normal(0.0, 0.1, 2 * RATE).astype(np.float32)
    plain, quiet = lfcc(noise), lfcc(0.1 * noise)
    assert plain.shape == (90,)
    assert plain == pytest.approx(quiet, abs=0.05)
    smooth = np.convolve(noise, [0.5, 0.5], "same").astype(np.float32)
    assert abs(lfcc(smooth)[0] - plain[0]) > 1.0


@pytest.mark.parametrize("length", [0, 100, 600])
def test_a_very_short_clip_has_numbers_too(length):
    assert np.isfinite(lfcc(np.full(length, 0.1, np.float32))).all()
