"""The reference set for error rates: its texts, its plan, its making with a stand-in voice, and the subset in here."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from loadtest.schema import Voice
from loadtest.voices import recordings, reference
from loadtest.voices.engines import RATE

SUBSET = Path(__file__).parents[1] / "data" / "replay" / "reference"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_texts_are_plentiful_and_different(language: str) -> None:
    lines = reference.sentences(language)
    own = [line for line in lines if line.language == language]
    assert len(own) >= 120
    assert len(lines) - len(own) >= 6
    assert len({line.text for line in lines}) == len(lines)
    assert [line.id for line in lines[:2]] == [f"{language}-001", f"{language}-002"]
    for line in lines:
        assert not re.search(r"\d", line.text), "numbers stand as they are spoken"
        mixed = bool(re.search(r"[\u4e00-\u9fff]", line.text)) and bool(re.search(r"[A-Za-z]", line.text))
        assert mixed == (line.language == "mixed"), line.text


def test_the_plan_has_several_voices_and_engines() -> None:
    voices = {
        (language, voice.engine, voice.name)
        for language in ("en", "zh")
        for number, line in enumerate(reference.sentences(language))
        for voice in reference.voices_for(line, number)
    }
    assert {engine for _, engine, _ in voices} == {"kokoro", "piper", "hibari", "flite", "espeak"}
    assert len([voice for voice in voices if voice[0] == "zh"]) >= 7
    for number in range(12):
        mixed = reference.Sentence("en-999", "say 你好", "mixed")
        assert all(voice.name.startswith("z") for voice in reference.voices_for(mixed, number))


def test_every_noise_has_its_turn_at_every_level() -> None:
    assert len(reference.conditions(0, full=True)) == 9
    turns = [reference.conditions(number, full=False) for number in range(3)]
    assert {condition for turn in turns for condition in turn} == set(reference.conditions(0, full=True))


class Buzzer:
    """Says every text as a buzz that lasts as long as the text is."""

    def __init__(self, *, threads: int, seed: int) -> None:
        self.said = 0

    def say(self, text: str, voice: Voice) -> np.ndarray:
        Buzzer.calls += 1
        time = np.arange(RATE * len(text) // 40) / RATE
        return (0.3 * np.sign(np.sin(2 * np.pi * (100 + len(voice.name) * 20) * time))).astype(np.float32)

    calls = 0


def test_making_the_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "Engines", Buzzer)
    monkeypatch.setattr("loadtest.clips.RECORDINGS", ())
    monkeypatch.setattr("loadtest.voices.recordings.PROMPTS", tmp_path / "none")
    entries = reference.build(tmp_path, limit=3)
    assert len(entries) == 3 * 2 * 2 * 6
    lines = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["path"] for line in lines] == [entry.path for entry in entries]
    conditions = {line["condition"] for line in lines}
    assert conditions == {"clean", "opus24", "overlap"} | {f"{n}{db}" for n in reference.NOISES for db in (20, 10, 5)}
    for line in lines:
        info = soundfile.info(tmp_path / line["path"])
        assert (info.samplerate, info.channels) == (16_000, 1)
        assert info.duration == pytest.approx(line["duration_s"], abs=0.01)
    kept = reference.subset(entries, tmp_path, tmp_path / "small")
    assert [entry.id for entry in kept] == ["en-001", "zh-001", "en-002", "zh-002", "en-003", "zh-003"]
    assert {entry.condition for entry in kept} == {"clean", "opus24"}
    assert all((tmp_path / "small" / entry.path).is_file() for entry in kept)
    before = Buzzer.calls
    assert reference.build(tmp_path, limit=3) == entries
    assert before == Buzzer.calls, "what is there is not rendered again"


def test_recordings_come_with_their_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cards = tmp_path / "data" / "cards"
    cards.mkdir(parents=True)
    (cards / "cards.transcription").write_text("<s> ten of clubs  </s> (001)\n", encoding="utf-8")
    soundfile.write(cards / "001.wav", np.zeros(16_000, np.int16) + 1000, 16_000)
    monkeypatch.setattr("loadtest.clips.RECORDINGS", (tmp_path / "data",))
    monkeypatch.setattr("loadtest.voices.recordings.PROMPTS", tmp_path / "none")
    entries = reference.recorded(tmp_path / "out")
    assert [(entry.text, entry.condition, entry.engine) for entry in entries] == [
        ("ten of clubs", "clean", "human"),
        ("ten of clubs", "opus24", "human"),
    ]


def test_prompts_are_whole_sentences_that_are_there(tmp_path: Path) -> None:
    for name in ("conf-full", "beep", "added", "menu", "digits/one"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.wav").touch()
    texts = """; Core Asterisk Sounds in English

conf-full: That conference is  full.
beep: [this is a simple beep tone]
added: Added.
menu: Press 1 to hear them again.
digits/one: This one is in a folder
gone: This file is not installed.
"""
    found = [(recording.id, recording.text) for recording in recordings.prompts(tmp_path, texts)]
    assert found == [("conf-full", "That conference is full."), ("digits-one", "This one is in a folder")]


def test_the_subset_is_complete_and_small() -> None:
    lines = [json.loads(line) for line in (SUBSET / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {line["language"] for line in lines} >= {"en", "zh"}
    assert len({line["engine"] for line in lines}) >= 3
    assert {"clean", "opus24", "overlap"} <= {line["condition"] for line in lines}
    texts = {line.id: line.text for language in ("en", "zh") for line in reference.sentences(language)}
    for line in lines:
        assert texts[line["id"]] == line["text"]
        assert soundfile.info(SUBSET / line["path"]).duration == pytest.approx(line["duration_s"], abs=0.01)
    files = [path for path in SUBSET.rglob("*") if path.is_file()]
    assert len(files) == len(lines) + 1
    assert sum(path.stat().st_size for path in files) <= 2_000_000
