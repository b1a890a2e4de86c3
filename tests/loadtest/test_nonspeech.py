"""Sound without words: made the same each time, and what the guard's benchmark makes of it."""

from collections.abc import Sequence

import numpy as np
import pytest
import soundfile

from loadtest import bench_guard
from loadtest.clips import RATE
from loadtest.nonspeech import collection, outside, rooms, songs, voice
from loadtest.nonspeech.collection import Clip, Package, found
from loadtest.nonspeech.songs import Singer
from models.heads import Assessment
from models.speech import SpeechJob, SpeechResult
from tests.support.samples import T0_MS

MAKERS = [
    voice.singing, voice.laughter, voice.breathing, voice.scream, rooms.noise, rooms.hum, rooms.keyboard, rooms.knocks,
    rooms.tones, rooms.music, rooms.blast, voice.humming, voice.sobbing, voice.whistling, outside.rain, outside.engine,
    outside.applause, outside.dishes,
]  # fmt: skip


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_sounds_are_as_long_as_asked_and_the_same_for_a_seed(make):
    first = make(1.5, np.random.default_rng(3))
    assert abs(len(first) - 1.5 * RATE) <= 0.01 * RATE
    assert np.isfinite(first).all()
    assert first.std() > 0
    np.testing.assert_array_equal(first, make(1.5, np.random.default_rng(3)))
    assert not np.array_equal(first, make(1.5, np.random.default_rng(4)))


def test_singing_has_a_pitch_and_laughter_bouts():
    sung = voice.singing(2.0, np.random.default_rng(0))
    spectrum = np.abs(np.fft.rfft(sung[4000:20_000])) ** 2
    assert spectrum.max() > 100 * np.median(spectrum)
    laughed = voice.laughter(3.0, np.random.default_rng(0))
    level = np.sqrt(np.convolve(laughed**2, np.ones(800) / 800, mode="same"))
    onsets = np.flatnonzero(np.diff((level > 0.3 * level.max()).astype(int)) == 1)
    assert len(onsets) >= 4


def test_a_half_is_made_of_its_own_sounds(monkeypatch):
    made = {"fit": {"noise": (1.0, rooms.noise), "tones": (0.5, rooms.tones)}, "judge": {"rain": (0.5, outside.rain)}}
    monkeypatch.setattr(collection, "MADE", made)
    monkeypatch.setattr(collection, "FOUND", {"fit": (), "judge": ()})
    monkeypatch.setattr(collection, "sung", lambda half, scale: iter(()))
    assert [clip.name for clip in collection.collection("judge")] == ["rain 0"]
    fit = list(collection.collection("fit"))
    assert [clip.name for clip in fit] == ["noise 0", "noise 1", "tones 0"]
    assert {len(clip.samples) for clip in fit} == {30 * RATE}


def _sources(half):
    sounds = [said for table in (collection.VOWELS, collection.LAUGHS) for said in table[half].values()]
    return {
        "makers": {make for _, make in collection.MADE[half].values()},
        "packages": {package.name for package in collection.FOUND[half]},
        "singers": {(singer.engine, singer.voice) for singer in collection.SINGERS[half]},
        "songs": {song for songs in collection.SONGS[half].values() for song in songs},
        "sounds": {sound for said in sounds for sound in said},
    }


def test_the_halves_share_nothing():
    fit, judge = _sources("fit"), _sources("judge")
    for kind, of_fit in fit.items():
        assert of_fit
        assert judge[kind]
        assert not of_fit & judge[kind]


def test_the_judging_half_is_an_hour():
    made = sum(minutes for minutes, _ in collection.MADE["judge"].values())
    found = sum(package.minutes for package in collection.FOUND["judge"])
    sung = collection.MINUTES_OF_VOWELS + collection.MINUTES_OF_LAUGHS + collection.MINUTES_OF_CHOIR["judge"]
    assert made + found + sung >= 60


def test_what_is_not_there_is_named_and_left_out(monkeypatch, tmp_path):
    lacking = Package("no-such-data", "found music", str(tmp_path / "*.ogg"), 1.0)
    monkeypatch.setattr(collection, "FOUND", {"fit": (), "judge": (lacking,)})
    monkeypatch.setattr("shutil.which", lambda program: None)
    monkeypatch.delenv("ROOMWARDEN_KOKORO_VOICES", raising=False)
    names = collection.missing("judge")
    assert {"no-such-data", "fluidsynth", "festival with ked_diphone", "flite", "espeak-ng"} <= set(names)
    assert any(name.startswith("kokoro (") for name in names)
    assert list(found(lacking, "judge", 1.0)) == []
    assert list(collection.sung("judge", 1.0)) == []


def test_a_damaged_file_is_passed_over(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF, but no more than that")
    soundfile.write(tmp_path / "b.wav", voice.singing(2.0, np.random.default_rng(0)) * 0.1, RATE)
    names = [clip.name for clip in found(Package("data", "found music", str(tmp_path / "*.wav"), 1.0), "fit", 1.0)]
    assert names == ["data b"]


def test_a_singer_sings_each_word_on_a_note(monkeypatch):
    singer = Singer("en", "flite", "slt", 57)
    monkeypatch.setattr(songs, "say", lambda text, singer: voice.singing(0.3, np.random.default_rng(len(text))))
    song = songs.sing(["row", "row", "row", "your", "boat"], singer, np.random.default_rng(0))
    assert len(song) > 5 * 0.3 * RATE
    assert np.abs(song).max() == pytest.approx(1.0)
    laughed = songs.laugh(("ha", "hee"), singer, 4.0, np.random.default_rng(0))
    assert len(laughed) == 4 * RATE


@pytest.mark.parametrize(("ticks", "written"), [(0, b"\x00"), (127, b"\x7f"), (128, b"\x81\x00"), (600, b"\x84\x58")])
def test_times_of_a_tune_are_written_as_midi_has_them(ticks, written):
    assert songs._delay(ticks) == written


class Believer:
    """Hears words in everything, and guards every other utterance."""

    name = "believer"

    def transcribe(self, jobs: Sequence[SpeechJob], *, thorough: bool = True) -> list[SpeechResult]:
        return [
            SpeechResult(
                job.id,
                "" if number % 2 else "hello",
                "en",
                1.0,
                {},
                0.0,
                0.0,
                1.0,
                guard="loop" if number % 2 else None,
            )
            for number, job in enumerate(jobs)
        ]


class Listener:
    """Holds what is loud for music."""

    def assess(self, samples, *, partial, speech_seconds):
        return Assessment(unspoken="music" if np.abs(samples).max() > 20_000 else None)


def test_what_passes_is_counted_by_kind(monkeypatch):
    def cut(samples):
        return [type("Cut", (), {"samples": samples[:RATE], "speech_ms": 900.0, "start_ms": T0_MS})()] * 2

    monkeypatch.setattr(bench_guard.cutting, "utterances", cut)
    loud, soft = (np.full(30 * RATE, level, np.int16) for level in (30_000, 3_000))
    rows = bench_guard.measure([Clip("band", "a", loud), Clip("hum", "b", soft)], Believer(), Listener())
    result = bench_guard.summary(rows, "judge", ["festival"])
    assert (result["minutes"], result["utterances"], result["passed"]) == (1.0, 4, 1)
    assert result["passed_per_hour"] == 60.0
    assert result["without_sound_events_per_hour"] == 120.0
    assert result["kinds"]["band"]["guarded"] == {"music": 1, "loop": 1}
    assert result["kinds"]["hum"]["passed"] == [{"clip": "b", "text": "hello", "language": "en"}]
    text = bench_guard.table(result)
    assert "| hum | 0.5 | 2 | loop 1 | 1 | 1 |" in text
    assert "Not installed, so left out: festival." in text
