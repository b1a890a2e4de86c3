"""Noise, babble, a second speaker, Opus: at the levels they claim."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest import sounds
from loadtest.clips import RATE
from loadtest.voices import degrade


def talk(seconds: float = 2.0, seed: int = 0, level: float = 0.1) -> np.ndarray:
    """Bursts of harmonics with pauses between them."""
    time = np.arange(int(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * (130 + 20 * seed) * harmonic * time) / harmonic for harmonic in range(1, 10))
    return (level * tone * (np.sin(2 * np.pi * 1.5 * time) > 0)).astype(np.float32)


@given(snr=st.sampled_from([20, 10, 5, 0]), seed=st.integers(0, 5), kind=st.sampled_from(["white", "pink"]))
def test_noise_has_the_level_it_claims(snr: int, seed: int, kind: sounds.Kind) -> None:
    speech = talk(level=0.02)
    noisy = degrade.with_noise(speech, sounds.make(kind, len(speech), seed), snr)
    noise = noisy - speech
    measured = 10 * np.log10(degrade.speech_power(speech) / np.mean(noise.astype(float) ** 2))
    assert measured == pytest.approx(snr, abs=0.05)


def test_pauses_do_not_count_as_speech() -> None:
    speech = talk()
    padded = np.concatenate([np.zeros(5 * RATE, np.float32), speech])
    assert degrade.speech_power(padded) == pytest.approx(degrade.speech_power(speech), rel=0.02)
    assert degrade.speech_power(np.zeros(0, np.float32)) == 0.0


def test_nothing_clips() -> None:
    loud = talk(level=0.3)
    noisy = degrade.with_noise(loud, sounds.make("white", len(loud), 1), 0)
    assert np.max(np.abs(noisy)) <= 10 ** (-0.5 / 20) + 1e-6
    assert degrade.to_int16(np.array([2.0, -2.0], np.float32)).tolist() == [32767, -32768]


def test_silent_noise_changes_nothing() -> None:
    speech = talk()
    np.testing.assert_array_equal(degrade.with_noise(speech, np.zeros(100, np.float32), 10), speech)


def test_the_second_speaker_comes_in_the_middle() -> None:
    speech, other = talk(level=0.02), talk(seed=2, level=0.3)
    mixed = degrade.with_speaker(speech, other, below_db=6)
    half = len(speech) // 2
    np.testing.assert_array_equal(mixed[:half], speech[:half])
    rival = mixed[half:] - speech[half:]
    assert 10 * np.log10(degrade.speech_power(speech) / degrade.speech_power(rival)) == pytest.approx(6, abs=0.5)


def test_babble_has_every_voice_in_it() -> None:
    mixed = degrade.babble([talk(seed=0), talk(seed=4, level=0.4)], 2 * RATE)
    power = np.abs(np.fft.rfft(mixed)) ** 2
    first, second = power[2 * 130 - 4 : 2 * 130 + 5].max(), power[2 * 210 - 4 : 2 * 210 + 5].max()
    assert 0.3 < first / second < 3
    with pytest.raises(ValueError, match="at least one voice"):
        degrade.babble([], 10)


def test_opus_keeps_length_and_place() -> None:
    speech = talk(2.0)
    heard = degrade.through_opus(speech)
    assert heard.shape == speech.shape
    envelope = [np.convolve(np.abs(x), np.ones(320) / 320, "same")[::160] for x in (speech, heard)]
    scores = [np.corrcoef(envelope[0][5:-5], np.roll(envelope[1], shift)[5:-5])[0, 1] for shift in (-2, -1, 0, 1, 2)]
    assert max(scores) > 0.98
    assert int(np.argmax(scores)) in (1, 2, 3)
