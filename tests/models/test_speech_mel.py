"""The mel front end against the reference implementation in faster-whisper."""

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor

from models.speech.mel import HOP, LogMel, as_float, frames_of

RNG = np.random.default_rng(7)


def tone(seconds, hz=440.0):
    time = np.arange(int(seconds * 16_000)) / 16_000
    return (0.3 * np.sin(2 * np.pi * hz * time) + 0.01 * RNG.standard_normal(len(time))).astype(np.float32)


@pytest.mark.parametrize("bands", [80, 128])
@pytest.mark.parametrize("seconds", [0.25, 1.0, 3.217])
def test_equals_the_reference_with_zeros_after_the_speech(bands, seconds):
    wave, frames = tone(seconds), frames_of(seconds + 1.5)
    reference = FeatureExtractor(feature_size=bands)(np.pad(wave, (0, frames * HOP - len(wave))), padding=0)
    mine = LogMel(bands)([wave], frames)[0]
    np.testing.assert_allclose(mine[:, : reference.shape[1]], reference[:, :frames], atol=1e-5)


def test_an_item_does_not_depend_on_its_batch():
    mel = LogMel()
    waves = [tone(1.0), tone(2.5, 880.0), np.zeros(8000, np.float32)]
    together = mel(waves, 400)
    for row, wave in zip(together, waves, strict=True):
        np.testing.assert_array_equal(row, mel([wave], 400)[0])


def test_int16_and_float_are_the_same():
    wave = (tone(1.0) * 32767).astype(np.int16)
    np.testing.assert_allclose(as_float(wave), wave / 32768, atol=1e-7)
    np.testing.assert_array_equal(LogMel()([wave], 200), LogMel()([as_float(wave)], 200))


def test_longer_audio_is_cut_to_the_frames():
    wave = tone(2.0)
    cut = LogMel()([wave], 100)
    assert cut.shape == (1, 80, 100)
    assert np.isfinite(cut).all()


@pytest.mark.parametrize("samples", [0, 1, 100, 400])
def test_next_to_nothing_is_still_a_spectrum(samples):
    assert np.isfinite(LogMel()([np.ones(samples, np.float32)], 50)).all()


def test_no_batch_at_all():
    assert LogMel()([], 10).shape == (0, 80, 10)


@pytest.mark.parametrize("frames", [0, 3001])
def test_impossible_lengths_are_refused(frames):
    with pytest.raises(ValueError, match="frames must be 1 to 3000"):
        LogMel()([tone(0.5)], frames)


def test_stereo_is_refused():
    with pytest.raises(ValueError, match="mix down first"):
        LogMel()([np.zeros((100, 2), np.float32)], 10)


def test_frames_cover_the_seconds():
    assert frames_of(0.0) == 1
    assert frames_of(1.0) == 100
    assert frames_of(1.001) == 101
    assert frames_of(99.0) == 3000
