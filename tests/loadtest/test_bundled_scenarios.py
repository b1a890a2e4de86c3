"""The scenarios that ship: complete, small, and heard as they are meant."""

import hashlib
import json

import pytest

from loadtest.scenario import SCENARIOS, Scenario, load
from loadtest.voices.verify import heard_in
from models.judgement import judge_text
from models.lexicon import load_lexicon
from models.policy import load_policy

NAMES = ["demo", "smoke", "ten_tracks"]


@pytest.fixture(scope="module", params=NAMES)
def scenario(request: pytest.FixtureRequest) -> Scenario:
    return load(request.param)


def manifest(name: str) -> dict:
    return json.loads((SCENARIOS / "audio" / name / "manifest.json").read_text(encoding="utf-8"))


def test_every_due_line_has_exact_times(scenario: Scenario) -> None:
    for room, speaker, line in scenario.lines():
        if line.due:
            assert line.split, (room.id, speaker.id)
            assert [mark.phrase for mark in line.marks] == list(line.phrases)
            assert 0 < line.marks[0].start_ms < line.marks[0].end_ms < line.duration_ms


def test_everything_is_said_before_the_end(scenario: Scenario) -> None:
    for room, speaker, line in scenario.lines():
        assert line.at_s + line.duration_ms / 1000 <= scenario.duration_s, (room.id, speaker.id, line.text)


@pytest.mark.parametrize("name", NAMES)
def test_files_are_the_ones_that_were_checked(name: str) -> None:
    clips = manifest(name)["clips"]
    folder = SCENARIOS / "audio" / name
    assert {path.name for path in folder.glob("*.opus")} == set(clips)
    for file, clip in clips.items():
        assert hashlib.sha256((folder / file).read_bytes()).hexdigest() == clip["sha256"], file


@pytest.mark.parametrize("name", NAMES)
def test_whisper_heard_the_phrases_that_are_due(name: str) -> None:
    """The transcripts in the manifest are from Whisper base, int8; see loadtest/voices/verify.py."""
    scenario, clips = load(name), manifest(name)["clips"]
    phrases = {phrase for _, _, line in scenario.lines() for phrase in line.phrases}
    for _, _, line in scenario.lines():
        clip = clips.get(line.audio.rpartition("/")[2])
        if clip is None:
            continue  # a human recording
        for phrase in line.phrases:
            assert heard_in(phrase, clip["heard"]), (line.text, clip["heard"])
        if not line.phrases:
            assert not [phrase for phrase in phrases if heard_in(phrase, clip["heard"])]


@pytest.mark.parametrize("name", NAMES)
def test_the_starter_lists_catch_what_is_due_and_nothing_else(name: str) -> None:
    """Over what Whisper heard, so that neither voices nor lists drift away from the scenario unnoticed."""
    scenario, clips = load(name), manifest(name)["clips"]
    words, rules = load_lexicon(None), load_policy(None)
    for _, speaker, line in scenario.lines():
        clip = clips.get(line.audio.rpartition("/")[2])
        categories = judge_text(clip["heard"] if clip else line.text, words, rules, explain=False)["categories"]
        if line.due:
            assert any(category.startswith(line.due.category) for category in categories), (speaker.id, categories)
        else:
            assert not categories, (speaker.id, categories)


def test_audio_is_small() -> None:
    assert sum(path.stat().st_size for path in (SCENARIOS / "audio").rglob("*.opus")) <= 4_000_000


def test_the_demo_covers_what_it_must() -> None:
    demo = load("demo", recordings=[])
    assert len(demo.rooms) >= 8
    speakers = [speaker for room in demo.rooms for speaker in room.speakers]
    assert len(speakers) >= 20
    assert 60 <= demo.duration_s <= 75
    assert {"voice-chat", "live-commerce", "game", "podcast", "call", "radio"} <= {room.kind for room in demo.rooms}
    languages = {line.language or speaker.language or room.language for room, speaker, line in demo.lines()}
    assert {"zh", "en", "mixed"} <= languages
    dues = demo.dues()
    categories = {due.category.split("/")[0] for due in dues}
    assert {"ads", "fraud", "gambling", "threat", "drugs", "privacy", "abuse"} <= categories
    chen = [due.action for due in dues if due.speaker == "chen"]
    assert chen == ["warn", "mute"]
    assert len(demo.clean_speakers()) >= 12


def test_ten_tracks_talk_at_once_without_a_pause() -> None:
    ten = load("ten_tracks")
    tracks = [speaker for room in ten.rooms for speaker in room.speakers]
    assert len(tracks) == 10
    for speaker in tracks:
        gaps = [
            later.at_s - earlier.at_s - earlier.duration_ms / 1000
            for earlier, later in zip(speaker.utterances, speaker.utterances[1:], strict=False)
        ]
        assert max(gaps) < 0.2
    assert len(ten.dues()) == 60
