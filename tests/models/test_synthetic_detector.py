import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import models.synthetic.detector as module
from models.synthetic import Calibration, DetectorError, SyntheticDetector
from models.synthetic.windows import loud_frames, speech_seconds_in, window_spans

WEIGHTS = Path(module.__file__).parent / "weights"
RATE = 16_000


@pytest.fixture(scope="module")
def detector():
    return SyntheticDetector()


def voiced(seconds: float, seed: int = 0) -> np.ndarray:
    """A buzz at 120 Hz with drifting formant-like filtering and noise: loud throughout, no two frames alike."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    pitch = 120 + 10 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    wave = sum(np.cos(k * phase) / k * (1 + 0.5 * np.sin(time * k)) for k in range(1, 20))
    return (0.05 * wave + 0.005 * rng.standard_normal(len(time))).astype(np.float32)


def test_spans_cover_the_utterance_once_a_second():
    assert window_spans(3 * RATE) == [(0, 3 * RATE)]
    assert window_spans(4 * RATE) == [(0, 4 * RATE)]
    spans = window_spans(int(6.5 * RATE))
    assert [start / RATE for start, _ in spans] == [0, 1, 2, 2.5]
    assert all(end - start == 4 * RATE for start, end in spans)
    assert spans[-1][1] == int(6.5 * RATE)


def test_loud_frames_leave_out_pauses_and_silence():
    wave = np.concatenate([voiced(1), np.zeros(RATE, np.float32), voiced(1)])
    mask = loud_frames(wave)
    assert speech_seconds_in(mask, 0, len(wave)) == pytest.approx(2.0, abs=0.05)
    assert not loud_frames(np.full(RATE, 1e-5, np.float32)).any()


def test_calibration_turns_scores_into_odds_and_verdicts():
    calibration = Calibration(slope=2.0, offset=-1.0, synthetic_from=3.0, human_to=-1.0)
    assert calibration.llr(1.0) == pytest.approx(1.0)
    assert calibration.probability(0.0) == pytest.approx(0.5)
    assert calibration.probability(1000.0) == pytest.approx(1.0)
    assert [calibration.verdict(value) for value in (3.0, 0.0, -1.0)] == ["synthetic", "insufficient", "human"]


@pytest.mark.parametrize(
    ("field", "change"),
    [("slope", {"slope": -1.0}), ("human_to", {"human_to": 9.0}), ("prior", {"prior": 1.0})],
)
def test_contradictory_calibration_names_the_field(field, change):
    with pytest.raises(ValueError, match=field):
        Calibration(**{"slope": 1.0, "offset": 0.0, "synthetic_from": 1.0, "human_to": -1.0, **change})


def test_verdict_has_a_window_a_second_and_follows_the_calibration(detector):
    verdict = detector.score(voiced(6.0))
    assert [(window.start_ms, window.end_ms) for window in verdict.windows] == [(0, 4000), (1000, 5000), (2000, 6000)]
    assert verdict.llr == pytest.approx(np.mean([window.llr for window in verdict.windows]), abs=1e-4)
    assert verdict.verdict == detector.card.calibration.verdict(verdict.llr)
    assert verdict.probability == pytest.approx(1 / (1 + np.exp(-verdict.llr)))


def test_the_level_of_the_recording_does_not_matter(detector):
    wave = voiced(3.0)
    assert detector.score(wave).llr == pytest.approx(detector.score(0.05 * wave).llr, abs=0.1)


def test_below_two_seconds_of_speech_nothing_is_decided(detector):
    short = detector.score(voiced(1.8))
    assert (short.verdict, short.windows) == ("insufficient", ())
    assert short.llr != 0.0  # still on record
    paused = detector.score(np.concatenate([voiced(1.5), np.zeros(4 * RATE, np.float32)]))
    assert paused.verdict == "insufficient"


def test_the_speech_mask_decides_what_counts(detector):
    wave = voiced(5.0)
    music = detector.score(wave, np.zeros(500, bool))
    assert (music.verdict, music.speech_seconds) == ("insufficient", 0.0)
    late = np.arange(500) >= 300
    assert [window.start_ms for window in detector.score(wave, late).windows] == [1000]


@pytest.mark.parametrize("length", [0, 100, 3000])
def test_next_to_nothing_is_insufficient_not_an_error(detector, length):
    verdict = detector.score(np.zeros(length, np.float32))
    assert (verdict.verdict, verdict.llr) == ("insufficient", 0.0)


def test_bad_input_names_the_argument(detector):
    with pytest.raises(DetectorError, match="samples"):
        detector.score(np.zeros((2, RATE), np.float32))
    with pytest.raises(DetectorError, match="speech_mask"):
        detector.score(voiced(1.0), np.ones(7, bool))


def test_a_changed_graph_is_refused(tmp_path):
    shutil.copytree(WEIGHTS, tmp_path, dirs_exist_ok=True)
    card = json.loads((tmp_path / "detector.json").read_text())
    card["sha256"]["head.onnx"] = "0" * 64
    (tmp_path / "detector.json").write_text(json.dumps(card))
    with pytest.raises(DetectorError, match="SHA-256"):
        SyntheticDetector(tmp_path)
    (tmp_path / "detector.json").write_text("{}")
    with pytest.raises(DetectorError, match="card"):
        SyntheticDetector(tmp_path)
    (tmp_path / "detector.json").unlink()
    with pytest.raises(DetectorError, match="not found"):
        SyntheticDetector(tmp_path)


def test_the_weights_fit_the_repository():
    assert sum(file.stat().st_size for file in WEIGHTS.iterdir()) < 20e6
