import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.training.augment import add_noise, band_limit, compress, equalise, mix, opus, reverberate, room
from models.training.ctranslate2_weights import WeightFormatError, read_weights
from models.training.head import balanced_weights, calibrate, fit, project
from models.training.kernel import draw, fit_kernel, kernel
from models.training.manifest import Clip, assign_folds
from models.training.metrics import calibration_error, equal_error_rate, minimum_cost, recall_at_false_alarms
from models.training.report import by_source, correlation_within_voice, cross_calibrated, over_utterances

RATE = 16_000
TONE = (0.3 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)
CLIP = Clip("a.flac", "page", False, "human", "en", "p1", 3.0)


def test_equal_error_rate_of_perfect_reversed_and_useless_scores():
    labels = np.array([0, 0, 1, 1])
    assert equal_error_rate(np.array([0.0, 1, 2, 3]), labels) == 0.0
    assert equal_error_rate(np.array([3.0, 2, 1, 0]), labels) == 1.0
    assert equal_error_rate(np.zeros(4), labels) == 0.5
    with pytest.raises(ValueError, match="labels"):
        equal_error_rate(np.zeros(2), np.ones(2, int))


@given(st.integers(0, 1000))
def test_equal_error_rate_ignores_monotone_changes(seed):
    rng = np.random.default_rng(seed)
    labels = np.array([0, 1] * 10)
    scores = rng.normal(size=20) + labels
    assert equal_error_rate(scores, labels) == equal_error_rate(np.exp(scores), labels)


def test_recall_cost_and_calibration_error_on_known_scores():
    labels = np.array([0] * 100 + [1] * 10)
    scores = np.concatenate([np.arange(100.0), np.full(5, 98.5), np.full(5, 0.5)])
    assert recall_at_false_alarms(scores, labels, 0.01) == 0.5
    assert minimum_cost(scores, labels, 0.5) == pytest.approx(0.51)
    assert calibration_error(np.array([0.9] * 10), np.array([1] * 9 + [0])) == pytest.approx(0.0)
    assert calibration_error(np.array([0.9] * 10), np.zeros(10, int)) == pytest.approx(0.9)


def test_groups_stay_whole_and_folds_are_level():
    sources = ["diffwave", "wavegrad", "bddm", *(f"page-{n}" for n in range(20))]
    clips = [replace(CLIP, source=source) for source in sources for _ in range(6)]
    folds = assign_folds(clips, 4)
    assert len({fold for clip, fold in zip(clips, folds, strict=True) if clip.group == "ljspeech"}) == 1
    assert max(map(folds.count, range(4))) - min(map(folds.count, range(4))) <= 6


def test_weights_balance_classes_and_hold_large_sources_back():
    sources = np.array([0] * 100 + [1] * 4 + [1] * 4)
    labels = np.array([0] * 100 + [0] * 4 + [1] * 4)
    weights = balanced_weights(sources, labels)
    assert weights[labels == 1].sum() == pytest.approx(0.5)
    assert weights[:100].sum() / weights[100:104].sum() == pytest.approx(5.0)


def test_the_head_finds_the_direction_that_separates():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    features = rng.normal(size=(400, 20)).astype(np.float32) * 3 + 7
    features[:, 4] += 9 * labels
    weights = balanced_weights(np.zeros(400, int), labels)
    head = fit(features, labels, weights)
    assert equal_error_rate(head.score(features), labels) < 0.1
    assert abs(head.weight[4]) == abs(head.weight).max()
    assert abs(np.mean(head.score(features))) < 0.1


def test_the_kernel_head_finds_what_no_direction_separates():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(600, 2)).astype(np.float32)
    labels = ((features**2).sum(axis=1) > 1.4).astype(np.int64)
    weights = balanced_weights(np.zeros(600, int), labels)
    assert equal_error_rate(fit(features, labels, weights).score(features), labels) > 0.35
    landmarks = features[draw(weights, 60)]
    head = fit_kernel(features, labels, weights, landmarks, sharpness=0.5, ridge=1e-4)
    assert equal_error_rate(head.score(features), labels) < 0.05
    flat = fit_kernel(features, labels, weights, landmarks, sharpness=0.5, ridge=1e6)
    assert np.abs(flat.score(features)).max() < 0.01  # held back entirely, both classes weighing alike


def test_likeness_is_one_for_equals_and_falls_with_distance():
    rows = np.array([[0.0, 0], [1, 0], [0, 2]], np.float32)
    assert kernel(rows, rows[:1], 0.5)[:, 0] == pytest.approx([1.0, np.exp(-0.5), np.exp(-2.0)])


def test_landmarks_come_from_every_source():
    sources = np.repeat([0, 1, 2], [300, 30, 30])
    labels = np.arange(360) % 2
    chosen = draw(balanced_weights(sources, labels), 100)
    assert len(set(chosen)) == 100
    assert min(np.bincount(sources[chosen])) >= 10


def test_the_projection_keeps_the_most_variance():
    rng = np.random.default_rng(3)
    features = (rng.normal(size=(300, 3)) @ rng.normal(size=(3, 30))).astype(np.float32)
    projection = project([features, features + 0.01], [(20, 1.0), (10, 0.5)], count=3)
    rebuilt = projection.apply(features) @ projection.components.T * projection.deviation + projection.mean
    assert np.abs(rebuilt - features).max() < 1e-2
    standard = (features - projection.mean) / projection.deviation
    assert (standard[:, :20] ** 2).sum(axis=1).mean() == pytest.approx(1.0, rel=1e-3)
    assert (standard[:, 20:] ** 2).sum(axis=1).mean() == pytest.approx(0.5, rel=1e-3)


def test_calibration_recovers_the_log_likelihood_ratio_of_two_normals():
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], 20_000)
    scores = rng.normal(size=40_000) + 2.0 * labels  # llr = 2 x - 2
    slope, offset = calibrate(scores, labels, np.full(40_000, 1 / 40_000))
    assert slope == pytest.approx(2.0, abs=0.1)
    assert offset == pytest.approx(-2.0, abs=0.1)
    llr = cross_calibrated(scores, labels, np.full(40_000, 1 / 40_000), np.arange(40_000) % 2)
    assert np.abs(llr - (2 * scores - 2)).max() < 0.6


def test_reports_by_source_and_over_utterances():
    clips = [replace(CLIP, speaker=f"p{n // 5}") for n in range(50)]
    clips += [replace(CLIP, synthetic=True, system=f"s{n // 5}") for n in range(50)]
    clips.append(replace(CLIP, source="one-class"))
    rng = np.random.default_rng(2)
    labels = np.array([int(clip.synthetic) for clip in clips])
    scores = rng.normal(size=101) + 1.5 * labels
    (row,) = by_source(clips, scores)
    assert (row.humans, row.synthetics) == (50, 50)
    single, five = over_utterances(clips, scores)
    assert five < single
    assert abs(correlation_within_voice(clips, scores)) < 0.25
    shared = np.repeat(rng.normal(size=21), 5)[:101]
    assert correlation_within_voice(clips, shared + labels) > 0.8


def test_every_effect_keeps_length_and_type():
    rng = np.random.default_rng(0)
    for heard in (
        opus(TONE, 24_000),
        opus(TONE[:777], 16_000, 0.1, rng),
        band_limit(TONE, 8_000),
        add_noise(TONE, 20, 1.0, rng),
        mix(TONE, TONE[:100], 10),
        reverberate(TONE, 0.3, 0.5, rng),
        equalise(TONE, 3.0, rng),
        compress(TONE, 3.0),
        room(TONE, rng, TONE[::-1]),
    ):
        assert heard.dtype == np.float32
        assert len(heard) in (len(TONE), 777)
        assert np.isfinite(heard).all()


def test_effects_do_what_they_say():
    rng = np.random.default_rng(0)
    noise = add_noise(TONE, 20, 0.0, rng) - TONE
    assert 10 * np.log10(np.mean(TONE**2) / np.mean(noise**2)) == pytest.approx(20, abs=0.1)
    high = np.sin(2 * np.pi * 6000 * np.arange(RATE) / RATE).astype(np.float32)
    assert np.abs(band_limit(high, 8000)[1000:-1000]).max() < 0.01
    through = opus(TONE, 32_000)
    best = max(np.corrcoef(np.roll(through, shift)[800:-800], TONE[800:-800])[0, 1] for shift in range(-4, 5))
    assert best > 0.97
    with pytest.raises(ValueError, match="rng"):
        opus(TONE, 24_000, loss=0.1)


def test_rooms_are_drawn_alike_from_one_seed():
    first, second = (room(TONE, np.random.default_rng([3, 1])) for _ in range(2))
    assert np.array_equal(first, second)


def ct2_file(version: int = 6) -> bytes:
    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    def variable(name: str, kind: int, array: np.ndarray) -> bytes:
        shape = b"".join(struct.pack("<I", n) for n in array.shape)
        return (
            text(name)
            + struct.pack("<B", array.ndim)
            + shape
            + struct.pack("<BI", kind, array.nbytes)
            + array.tobytes()
        )

    variables = [
        variable("encoder/a", 4, np.array([[1.5, -2.0]], np.float16)),
        variable("encoder/q", 1, np.array([[10, -20], [30, 40]], np.int8)),
        variable("encoder/q_scale", 0, np.array([10.0, 5.0], np.float32)),
        variable("decoder/b", 0, np.array([1.0], np.float32)),
    ]
    head = struct.pack("<I", version) + text("WhisperSpec") + struct.pack("<II", 3, len(variables))
    return head + b"".join(variables)


def test_ctranslate2_weights_are_read_and_multiplied_out(tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(ct2_file())
    arrays = read_weights(path, "encoder/")
    assert set(arrays) == {"encoder/a", "encoder/q"}
    assert arrays["encoder/a"].tolist() == [[1.5, -2.0]]
    assert arrays["encoder/q"].tolist() == [[1.0, -2.0], [6.0, 8.0]]
    path.write_bytes(ct2_file(version=5))
    with pytest.raises(WeightFormatError, match="version 5"):
        read_weights(path)
