"""Notes held and steps between them are singing; glides, drones and talk are not."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest import clips
from loadtest.nonspeech import sung, voice
from models.sounds.melody import Melody, melody
from models.sounds.pitch import RATE, Contour, contour

DATA = Path(__file__).parents[1] / "data"
SPEECH = sorted((DATA / "replay" / "reference" / "clean").glob("*.flac")) + sorted((DATA / "speech").glob("*.flac"))
FRAMES = 100  # a second of pitch


def note(pitch, seconds=0.4, *, vibrato=0.0):
    time = np.arange(round(seconds * FRAMES)) / FRAMES
    return pitch + vibrato * np.sin(2 * np.pi * 6 * time)


def rest(seconds=0.1):
    return np.full(round(seconds * FRAMES), np.nan)


def tune(*pitches, **how):
    return Contour(np.concatenate([part for pitch in pitches for part in (note(pitch, **how), rest())]))


def pure(hertz, seconds=1.0):
    time = np.arange(round(seconds * RATE)) / RATE
    return sum(np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, 6)).astype(np.float32) / 3


@pytest.mark.parametrize("hertz", [80.0, 110.0, 220.0, 440.0, 700.0])
def test_the_pitch_of_a_tone(hertz):
    seen = contour(pure(hertz)).semitones
    np.testing.assert_allclose(seen[5:-5], 69 + 12 * np.log2(hertz / 440), atol=0.2)


def test_noise_silence_and_next_to_nothing_have_no_pitch():
    hiss = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    assert np.isnan(contour(hiss).semitones).mean() > 0.9
    assert np.isnan(contour(np.zeros(RATE, np.float32)).semitones).all()
    assert len(contour(np.zeros(100, np.float32)).semitones) == 0


@pytest.mark.parametrize("vibrato", [0.0, 0.4])
def test_a_tune_is_its_notes(vibrato):
    seen = melody(tune(60, 62, 64, 60, vibrato=vibrato))
    assert seen.notes == 4
    assert seen.held > 0.9
    assert seen.span == pytest.approx(4.0, abs=0.3)


def test_notes_bound_to_one_another_are_told_apart():
    seen = melody(Contour(np.concatenate([note(60), note(62), note(64)])))
    assert seen.notes == 3


def test_a_drone_holds_but_has_no_tune():
    seen = melody(Contour(np.concatenate([note(55, 0.5), rest(), note(55.2, 0.7)])))
    assert seen.held > 0.9
    assert seen.span < 0.5


def test_glides_and_short_syllables_are_no_notes():
    assert melody(Contour(np.linspace(50, 62, FRAMES))) == Melody()
    assert melody(tune(50, 57, 52, seconds=0.15)) == Melody()
    assert melody(Contour(rest(2.0))) == Melody()


def test_a_singing_voice_holds_notes_and_a_talking_one_does_not():
    sings = melody(contour(voice.singing(4.0, np.random.default_rng(1)).astype(np.float32)))
    assert sings.held > 0.6
    for path in SPEECH:
        talks = melody(contour(clips.read(path).astype(np.float32) / 32768))
        assert talks.held < 0.3


def test_speech_made_into_song_keeps_its_length_and_gains_a_tune():
    random = np.random.default_rng(0)
    words = [voice.laughter(0.4, random), *[pure(150, 0.3).astype(np.float64)] * 3]
    notes = [sung.Note(pitch, 0.5) for pitch in (52, 55, 57, 52)]
    song = sung.sing(words, notes, random)
    assert abs(len(song) / RATE - 2.0) < 0.3
    seen = melody(contour(song.astype(np.float32)))
    assert seen.notes >= 3
    assert seen.span > 3


@given(st.lists(st.one_of(st.just(float("nan")), st.floats(30, 90)), max_size=300))
def test_shares_are_shares(pitches):
    seen = melody(Contour(np.array(pitches)))
    assert 0.0 <= seen.held <= 1.0
    assert seen.notes <= len(pitches) / 20
    assert seen.span >= 0.0
