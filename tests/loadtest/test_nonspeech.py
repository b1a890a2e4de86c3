"""Sound without words: made the same each time, and what the guard's benchmark makes of it."""

from collections.abc import Sequence

import numpy as np
import pytest

from loadtest import bench_guard
from loadtest.clips import RATE
from loadtest.nonspeech import collection, rooms, voice
from loadtest.nonspeech.collection import Clip, Package, found
from models.heads import Assessment
from models.speech import SpeechJob, SpeechResult
from tests.support.samples import T0_MS

MAKERS = [
    voice.singing, voice.laughter, voice.breathing, voice.scream, rooms.noise, rooms.hum, rooms.keyboard, rooms.knocks,
    rooms.tones, rooms.music, rooms.blast,
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


def test_the_halves_share_no_made_sound_and_no_package(monkeypatch):
    monkeypatch.setattr(collection, "FOUND", {"fit": (), "judge": ()})
    monkeypatch.setattr(collection, "MADE", {"noise": (1.0, rooms.noise), "tones": (0.5, rooms.tones)})
    monkeypatch.setattr(collection, "songs", lambda half, scale: iter(()))
    fit, judge = (list(collection.collection(half)) for half in ("fit", "judge"))
    assert [clip.name for clip in fit] == ["noise 0", "noise 1", "tones 0"] == [clip.name for clip in judge]
    for one, other in zip(fit, judge, strict=True):
        assert len(one.samples) == 30 * RATE
        assert not np.array_equal(one.samples, other.samples)


def test_packages_and_songs_are_on_one_side_only():
    fit, judge = ({package.pattern for package in collection.FOUND[half]} for half in ("fit", "judge"))
    assert not fit & judge
    assert not set(collection.SONGS["fit"]) & set(collection.SONGS["judge"])
    minutes = sum(m for m, _ in collection.MADE.values()) + sum(p.minutes for p in collection.FOUND["judge"])
    assert minutes >= 60


def test_a_package_that_is_not_there_is_named_and_left_out(monkeypatch, tmp_path):
    lacking = Package("no-such-data", "found music", str(tmp_path / "*.ogg"), 1.0)
    monkeypatch.setattr(collection, "FOUND", {"fit": (lacking,), "judge": ()})
    monkeypatch.setattr("shutil.which", lambda program: None)
    assert collection.missing("fit") == ["festival", "no-such-data"]
    assert list(found(lacking, "fit", 1.0)) == []
    assert list(collection.songs("fit", 1.0)) == []


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
