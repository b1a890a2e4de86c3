"""The bench of the synthetic-voice detector: what it says of scores that are known."""

import numpy as np
import pytest

from deploy import bench_synthetic as bench
from deploy.cli import main
from models.training.manifest import Clip, assign_folds


def clip(source: str, synthetic: bool, number: int) -> Clip:
    return Clip(
        path=f"{source}/{number}.{'opus' if number % 2 else 'flac'}",
        source=source,
        synthetic=synthetic,
        system="vocoder" if synthetic else "human",
        language="en" if source == "a" else "zh",
        speaker=f"{source}-{number % 2}",
        seconds=1.0 + number % 3,
    )


CLIPS = [clip(source, number >= 30, number) for source in "abc" for number in range(60)]
LABELS = np.array([int(c.synthetic) for c in CLIPS])


@pytest.fixture(scope="module")
def report():
    """Perfect on sources a and b, at chance on c."""
    noise = np.random.default_rng(0).normal(0.0, 1.0, len(CLIPS))
    scores = np.where([c.source == "c" for c in CLIPS], noise, 4.0 * LABELS + 0.1 * noise)
    return bench._report(CLIPS, LABELS, scores, np.array(assign_folds(CLIPS, 3)))


def test_each_source_has_its_row_worst_first(report):
    rows = report["by"]["source"]
    assert next(iter(rows)) == "c"
    assert rows["a"]["equal_error"] == rows["b"]["equal_error"] == 0.0
    assert rows["c"]["equal_error"] > 0.3
    assert (rows["a"]["humans"], rows["a"]["synthetics"]) == (30, 30)
    assert report["mean_equal_error"] == pytest.approx(rows["c"]["equal_error"] / 3)
    assert report["groups_above_0.20"] == 1


def test_slices_are_those_of_the_clips(report):
    by = report["by"]
    assert set(by["language"]) == {"en", "zh"}
    assert set(by["codec"]) == {"opus", "flac"}
    assert set(by["length"]) == {"under 2 s", "2 to 3 s", "over 3 s"}
    assert set(by["system"]) == {"a/vocoder", "b/vocoder", "c/vocoder"}
    assert by["system"]["a/vocoder"]["equal_error"] == 0.0


def test_a_slice_with_too_few_clips_of_a_class_has_no_row():
    few = [*CLIPS[:30], *CLIPS[30:33]]
    labels = np.array([int(c.synthetic) for c in few])
    scores = labels.astype(float)
    assert bench._slices(few, labels, scores, scores, lambda c: c.source) == {}


def test_the_table_is_markdown_with_every_row(report):
    cost = {"utterances": 1, "mean_seconds": 3.5, "detector_s": 0.03, "encoder_s": 0.1, "share": 0.3}
    other = bench._summary(CLIPS, LABELS, LABELS.astype(float))
    result = {"clips": 180, "sources": 3, "groups": 3, "cost": cost}
    result["conditions"] = {"clean": {"detector": report, "linear probe": other, "LFCC": other}}
    lines = bench.table(result).splitlines()
    assert "180 clips, 3 sources in 3 groups held out in turn" in lines[0]
    assert sum(line.startswith("| clean | ") for line in lines) == 3
    assert any(line.startswith("| c/vocoder | 30 | 30 | ") for line in lines)
    assert "30 % of the recogniser's encoder (100 ms)" in lines[-1]


def test_without_the_clips_it_is_one_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["roomwarden", "bench", "synthetic", "--data", str(tmp_path)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    error = capsys.readouterr().err
    assert "--data" in error
    assert "Traceback" not in error
