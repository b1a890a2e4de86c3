"""`bench speech`: error rates, tables that say what was reached, and the climb with a recogniser that only sleeps."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.speech import compare, material, speakers
from loadtest.speech.engines import ENGINES
from loadtest.speech.material import Piece, Reference
from streams.settings import Settings
from tests.support.fakes import ScriptedRecogniser, as_samples

REFERENCE = Path(__file__).parents[1] / "data" / "replay" / "reference"
WORDS = st.lists(st.sampled_from("abc"), max_size=6)


@given(WORDS, WORDS)
def test_edits_are_a_distance(left, right):
    assert material.edits(left, right) == material.edits(right, left)
    assert (material.edits(left, right) == 0) == (left == right)
    assert abs(len(left) - len(right)) <= material.edits(left, right) <= max(len(left), len(right))


def test_error_rates_are_by_language_and_over_the_pieces_of_a_file():
    nothing = np.zeros(1, np.int16)
    reference = Reference(
        ("加我微信", "add me on WhatsApp now"), ("zh", "en"), (Piece(nothing, 0), Piece(nothing, 1), Piece(nothing, 1))
    )
    assert material.errors(reference, ["加我圍信。", "Add me on", "WhatsApp"]) == {
        "zh": 25.0,
        "en": 20.0,
        "all": round(200 / 9, 2),
    }


def test_the_reference_set_is_cut_into_utterances_of_all_its_files():
    reference = material.load(REFERENCE, limit=4)
    assert len(reference.texts) == 4
    assert {piece.file for piece in reference.pieces} == {0, 1, 2, 3}
    assert all(0.3 < piece.seconds < 12 for piece in reference.pieces)


def test_without_a_set_the_remedy_is_named(tmp_path):
    with pytest.raises(material.NoReference, match=r"--reference.*loadtest\.voices\.reference"):
        material.load(tmp_path)


def figures(ratio, errors=5.0):
    return {
        "speed": 20.0, "speed_range": [19.0, 21.0], "ratio": ratio, "ratio_range": [ratio, ratio],
        "errors": {"all": errors, "zh": errors}, "batch": 8.0, "peak_mib": 400,
    }  # fmt: skip


def test_the_table_says_which_targets_were_reached_and_which_not():
    engines = {"ours": figures(1.0, 5.4), "plain": figures(15.0), "batched": figures(3.0), "ours, 30 s": figures(8.0)}
    result = {
        "cores": 2, "threads": 2, "rounds": 3, "utterances": 5, "audio_seconds": 12.0, "lengths": [1.0, 2.0, 8.0],
        "engines": engines,
    }  # fmt: skip
    text = compare.table(result)
    assert "\nreached: 15.0 times plain" in text
    assert "NOT reached: 3.0 times batched" in text
    assert "NOT reached: +0.40 points" in text
    assert text.count("\n| ") == 1 + len(engines)


def test_every_engine_of_the_table_can_be_made():
    assert {"ours", *compare.PEERS, compare.FULL_DECODE} <= ENGINES.keys()


async def test_every_utterance_said_is_answered_and_the_lag_of_the_loop_is_known():
    piece = Piece(as_samples("你好" * 400), 0)  # a fraction of a second
    recogniser = ScriptedRecogniser()
    floor = speakers.Floor(recogniser, Settings(batch_wait_ms=0, replicas=1))
    row = await floor.run([piece], speakers=3, seconds=0.5)
    assert row["utterances"] == len(recogniser.jobs) >= 1
    assert 0 < row["p50_s"] <= row["p95_s"]
    assert row["loop_lag_p99_ms"] <= row["loop_lag_worst_ms"]


def test_the_drawing_is_well_formed_and_has_a_line_for_each_figure():
    rows = [
        {"speakers": n, "utterances": n, "real_time_factor": 0.1, "p50_s": 0.2, "p95_s": n / 8, "batch": 1.0,
         "peak_mib": 400, "loop_lag_p99_ms": 1.0, "loop_lag_worst_ms": 2.0}
        for n in (1, 4, 16)
    ]  # fmt: skip
    result = {"threads": 2, "replicas": 2, "seconds": 30.0, "rows": rows}
    root = ET.fromstring(speakers.drawing(result))  # noqa: S314  # our own text
    assert len(root.findall("{http://www.w3.org/2000/svg}polyline")) == 3
    assert speakers.table(result).count("\n| ") == 1 + len(rows)
