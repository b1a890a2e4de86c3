"""A detector of one's own beside the shipped one: small exported graphs stand in for large ones."""

from pathlib import Path

import numpy as np
import pytest

from models.synthetic import Calibration, DetectorError, SyntheticVerdict, Window
from models.synthetic.external import ExternalDetector
from models.synthetic.fusion import Opinion, fused
from models.synthetic.head import OWN, SyntheticHead

onnx = pytest.importorskip("onnx", reason="exporting a small graph needs the train extra")

RATE = 16_000
CALIBRATION = "calibration: {slope: 2.0, offset: -0.5, synthetic_from: 1.0, human_to: -1.0}"
NOISE = np.random.default_rng(0).normal(0.0, 0.1, 10 * RATE).astype(np.float32)


def export(path: Path, logits: int = 1, rank: int = 2, length: int | str = "n") -> None:
    """A graph whose logit is ten times the mean absolute sample; of two, the first is its opposite."""
    from onnx import TensorProto, helper, numpy_helper

    scale = np.array([[10.0]] if logits == 1 else [[-5.0, 5.0]] if logits == 2 else [[1.0] * logits], np.float32)
    shape: list[int | str] = ["batch", length] if rank == 2 else ["batch", 1, length]
    constants = [
        numpy_helper.from_array(np.array(list(range(1, rank)), np.int64), "axes"),
        numpy_helper.from_array(scale, "scale"),
        numpy_helper.from_array(np.array([-1, 1], np.int64), "column"),
    ]
    nodes = [
        helper.make_node("Abs", ["wave"], ["a"]),
        helper.make_node("ReduceMean", ["a", "axes"], ["m"], keepdims=0),
        helper.make_node("Reshape", ["m", "column"], ["c"]),
        helper.make_node("MatMul", ["c", "scale"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "loudness",
        [helper.make_tensor_value_info("wave", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", logits])],
        constants,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), str(path))


def described(folder: Path, more: str = "", **graph: int | str) -> Path:
    export(folder / "loud.onnx", **graph)  # type: ignore[arg-type]
    file = folder / "loud.yaml"
    file.write_text(f"name: loud\npath: loud.onnx\nwindow_s: 4.0\n{CALIBRATION}\n{more}\n")
    return file


@pytest.mark.parametrize(
    ("graph", "more", "sign"),
    [
        ({}, "", 1),
        ({}, "polarity: -1", -1),
        ({"logits": 2}, "", 1),
        ({"logits": 2}, "polarity: 0", -1),
        ({"rank": 3}, "", 1),
        ({"length": 64_600}, "", 1),
    ],
)
def test_shapes_and_polarities(tmp_path, graph, more, sign):
    detector = ExternalDetector(described(tmp_path, more, **graph))
    found = detector.score(NOISE[: 6 * RATE])
    assert found.llr == pytest.approx(2.0 * sign * 10.0 * np.abs(NOISE).mean() - 0.5, abs=0.05)
    assert found.verdict == ("synthetic" if sign > 0 else "human")
    assert [(w.start_ms, w.end_ms) for w in found.windows] == [(0, 4000), (2000, 6000)]


def test_a_short_clip_is_scored_but_not_judged(tmp_path):
    detector = ExternalDetector(described(tmp_path, length=64_600))
    found = detector.score(NOISE[:RATE])
    assert (found.verdict, found.windows) == ("insufficient", ())
    assert found.llr == pytest.approx(2.0 * 10.0 * np.abs(NOISE[:RATE]).mean() - 0.5, abs=0.05)
    assert detector.score(np.zeros(RATE, np.float32)).llr == 0.0
    assert detector.score(NOISE[: 6 * RATE], speech_seconds=1.0).verdict == "insufficient"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("name: loud", "name: LOUD!"), "name"),
        (("window_s: 4.0", "window_s: 99"), "window_s"),
        (("slope: 2.0", "slope: 0.0"), r"calibration\.slope"),
        (("path: loud.onnx", "path: gone.onnx"), "gone.onnx"),
        (("window_s: 4.0", "window_s: 4.0\ncolour: red"), "colour"),
        (("name: loud", "name: ["), "YAML"),
        (("window_s: 4.0", "window_s: 4.0\npolarity: 0"), "polarity 0 does not fit 1 logits"),
    ],
)
def test_a_description_that_is_wrong_names_its_field(tmp_path, change, words):
    file = described(tmp_path)
    file.write_text(file.read_text().replace(*change))
    with pytest.raises(DetectorError, match=words):
        ExternalDetector(file)


def test_what_is_no_graph_is_refused(tmp_path):
    file = described(tmp_path)
    (tmp_path / "loud.onnx").write_bytes(b"no graph")
    with pytest.raises(DetectorError, match="cannot load"):
        ExternalDetector(file)
    with pytest.raises(DetectorError, match="no such detector"):
        ExternalDetector(tmp_path / "gone.yaml")


def test_both_are_listed_and_fused(tmp_path):
    file = described(tmp_path, "weight: 3.0")
    samples = (NOISE[: 4 * RATE] * 32767).astype(np.int16)
    alone = SyntheticHead().assess(samples, partial=False, speech_seconds=3.0).synthetic
    head = SyntheticHead([file])
    assessment = head.assess(samples, partial=False, speech_seconds=3.0)
    scores = dict(assessment.synthetic.scores)
    assert scores[OWN] == pytest.approx(alone.llr)
    assert assessment.synthetic.llr == pytest.approx((scores[OWN] + 3.0 * scores["loud"]) / 4.0)
    assert [name for name, _ in assessment.models] == [OWN, "loud"]
    assert head.assess(samples, partial=True, speech_seconds=3.0).synthetic is None


def opinion(llr: float, weight: float = 1.0, windows: bool = True) -> Opinion:
    found = SyntheticVerdict("human", llr, 0.5, 3.0, (Window(0, 3000, llr),) if windows else ())
    return Opinion("d", weight, Calibration(1.0, 0.0, synthetic_from=2.0, human_to=-2.0), found)


def test_fusion_weighs_and_abstains_with_whoever_abstains():
    assert fused([opinion(4.0), opinion(1.0)]).verdict == "synthetic"
    assert fused([opinion(4.0), opinion(1.0, weight=9.0)]).verdict == "insufficient"
    assert fused([opinion(4.0), opinion(4.0, windows=False)]).verdict == "insufficient"
    with pytest.raises(ValueError, match="opinions"):
        fused([])
