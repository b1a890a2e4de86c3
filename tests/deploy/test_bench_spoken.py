"""The spoken suite's table: what counts as found, and what as accused."""

import json
from pathlib import Path

import numpy as np
import soundfile

from deploy.bench_spoken import Outcome, measure, rates, table_of


def outcome(expected: str, *found: str, proposed: tuple[str, ...] = (), voice: str = "a") -> Outcome:
    return Outcome("", "", "kind", expected, "development", "zh", voice, found, proposed, ())


def test_rates() -> None:
    outcomes = [
        outcome("ads", "ads"),
        outcome("ads", "abuse"),
        outcome("ads", voice="b"),
        outcome(""),
        outcome("", "abuse"),
        outcome("", proposed=("abuse",)),
    ]
    table = rates(outcomes)
    assert table["all"] == {"disguised": 3, "found": 1, "innocent": 3, "accused": 1, "proposed_only": 1}
    assert table["voice"]["b"]["disguised"] == 1
    assert "1/3" in table_of(table)


def test_silence_is_neither_found_nor_accused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.flac", np.zeros(16000, np.int16), 16000)
    row = {"path": "silence.flac", "text": "加微信", "kind": "k", "expected": "ads", "suite": "s", "language": "zh"}
    (tmp_path / "manifest.jsonl").write_text(json.dumps(row | {"voice": "v"}) + "\n", encoding="utf-8")

    class Deaf:
        def transcribe(self, jobs, **_):
            raise AssertionError("there is nothing to hear")

    (heard,) = measure(tmp_path, Deaf())
    assert (heard.heard, heard.found, heard.hit) == ("", (), False)
