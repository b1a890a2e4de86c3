"""SenseVoice and Paraformer, on a stand-in model in SenseVoice's form (tests/support/sense_voice.py)."""

import sys
from pathlib import Path

import numpy as np
import pytest

from models.speech import SpeechJob
from models.speech.loading import load_recogniser
from models.speech.sherpa import SherpaRecogniser, from_directory, packed
from models.speech.types import Recogniser
from models.weights import WeightsError

FOLDER = Path(__file__).parents[1] / "data" / "speech" / "sense_voice_stand_in"
RATE = 16_000


def tone(hertz, seconds):
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)


def job(name, *pieces, **options):
    return SpeechJob(name, np.concatenate(pieces).astype(np.float32), **options)


SILENCE = np.zeros(RATE // 2)
BOTH = (SILENCE, tone(300, 1.0), SILENCE, tone(5000, 1.0), SILENCE)


@pytest.fixture(scope="module")
def recogniser():
    pytest.importorskip("sherpa_onnx", reason="sherpa-onnx is not installed: install roomwarden[sherpa]")
    return from_directory(FOLDER, threads=1)


def test_a_folder_is_told_by_its_files(tmp_path):
    assert packed(FOLDER)
    assert not packed(tmp_path)
    (tmp_path / "tokens.txt").touch()
    assert not packed(tmp_path)
    (tmp_path / "model.int8.onnx").touch()
    assert packed(tmp_path)


def test_the_settings_name_a_folder(recogniser):
    loaded: Recogniser = load_recogniser(str(FOLDER), threads=1)
    assert isinstance(loaded, SherpaRecogniser)
    assert loaded.name == "sense_voice_stand_in"
    assert loaded.versions == recogniser.versions
    assert all(len(digest) == 64 for digest in loaded.versions.values())


def test_a_batch_gives_a_result_each_in_order(recogniser):
    jobs = [job("a", *BOTH), job("b", SILENCE), job("c", SILENCE, tone(300, 0.6), SILENCE)]
    first, second, third = recogniser.transcribe(jobs)
    assert [result.id for result in (first, second, third)] == ["a", "b", "c"]
    assert (first.text, first.guard, first.language) == ("你 hello", None, "zh")
    assert (second.text, second.guard, second.language) == ("", "empty", "")
    assert third.text == "你"
    assert first.posterior == {"zh": 1.0, "en": 0.0}
    assert "no-likelihood" in first.degraded
    assert recogniser.transcribe([]) == []


def test_alone_or_in_a_batch_the_words_are_the_same(recogniser):
    jobs = [job("a", *BOTH), job("b", tone(5000, 0.4), SILENCE)]
    together = [result.text for result in recogniser.transcribe(jobs)]
    assert together == [recogniser.transcribe([one])[0].text for one in jobs]


def test_words_have_times(recogniser):
    said = job("a", *BOTH)
    (result,) = recogniser.transcribe([said])
    low, high = recogniser.word_times(said, result)
    assert (low.text, high.text) == ("你", "hello")
    assert abs(low.start_ms - 500) <= 100
    assert abs(high.start_ms - 2000) <= 100
    assert low.end_ms <= high.start_ms + 60
    assert high.end_ms <= 3500


def test_the_guard_has_its_word(recogniser):
    quick = job("a", *[piece for _ in range(12) for piece in (tone(300, 0.15), tone(5000, 0.15))], speech_seconds=0.4)
    (result,) = recogniser.transcribe([quick])
    assert result.guard in ("rate", "loop")
    assert result.text == ""
    assert result.withheld
    assert recogniser.word_times(quick, result) == []


def test_without_the_package_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sherpa_onnx", None)
    with pytest.raises(WeightsError, match=r"install roomwarden\[sherpa\]"):
        from_directory(FOLDER)
