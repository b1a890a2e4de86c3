"""A track is its lines on its background, to the sample."""

import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadtest import sounds, timeline
from loadtest.clips import RATE
from loadtest.schema import Background, Speaker, Utterance


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "ramp.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.arange(1, RATE + 1, dtype="<i2").tobytes())
    return path


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.lists(st.floats(0, 6), max_size=3), join=st.floats(0, 2), leave=st.floats(2, 7))
def test_lines_lie_where_they_should(clip: Path, at: list[float], join: float, leave: float) -> None:
    starts = sorted(at)
    lines = tuple(Utterance(at_s=start, text="x", audio=str(clip), duration_ms=1000.0) for start in starts)
    speaker = Speaker(id="s", clean=True, join_s=join, leave_s=leave, utterances=lines)
    wanted = np.zeros(8 * RATE)
    for start in starts:
        first = round(start * RATE)
        wanted[first : first + RATE] += np.arange(1, RATE + 1)
    wanted = np.clip(wanted, -32768, 32767)[round(join * RATE) : round(leave * RATE)]
    heard = np.concatenate([*timeline.blocks(speaker, 7000.0), np.zeros(0, np.int16)])
    np.testing.assert_array_equal(heard, wanted)


def test_gain_and_background(clip: Path) -> None:
    line = Utterance(at_s=0.0, text="x", audio=str(clip), duration_ms=1000.0, gain_db=-6.0)
    speaker = Speaker(id="s", clean=True, utterances=(line,))
    heard = np.concatenate(list(timeline.blocks(speaker, 2000.0)))
    assert heard[15_999] == pytest.approx(16_000 * 10 ** (-6 / 20), abs=1)
    assert not heard[RATE:].any()
    noisy = speaker.model_copy(update={"background": Background(kind="pink", level_dbfs=-40)})
    bed = np.concatenate(list(timeline.blocks(noisy, 2000.0)))[RATE:].astype(float)
    assert 20 * np.log10(np.sqrt(np.mean(bed**2)) / 32768) == pytest.approx(-40, abs=3)


@pytest.mark.parametrize("kind", ["white", "pink", "music"])
def test_sounds_are_level_and_repeatable(kind: sounds.Kind) -> None:
    sound = sounds.make(kind, 4 * RATE, seed=3)
    assert np.sqrt(np.mean(sound.astype(float) ** 2)) == pytest.approx(1.0, rel=1e-3)
    np.testing.assert_array_equal(sound, sounds.make(kind, 4 * RATE, seed=3))


def test_pink_noise_falls_by_three_decibels_an_octave() -> None:
    power = np.abs(np.fft.rfft(sounds.make("pink", 2**17, seed=1).astype(float))) ** 2
    octaves = [power[2**n : 2 ** (n + 1)].mean() for n in range(6, 15)]
    slope = np.polyfit(range(len(octaves)), 10 * np.log10(octaves), 1)[0]
    assert slope == pytest.approx(-3.01, abs=0.3)
