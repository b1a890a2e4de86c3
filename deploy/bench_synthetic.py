"""The synthetic-voice detector on sources it never saw, beside two simpler ones; and what it costs."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from loadtest import clips as audio
from models.speech import Recogniser, SpeechJob
from models.synthetic import SyntheticDetector
from models.training.head import Features
from models.training.manifest import FOLDS, Clip, assign_folds, read_manifest
from models.training.metrics import (
    Floats,
    Labels,
    calibration_error,
    equal_error_rate,
    minimum_cost,
    recall_at_false_alarms,
)

LEAST = 5
"""Clips of each class below which a slice gets no row: an error rate of fewer says nothing."""
SYSTEMS = ("detector", "linear probe", "LFCC")
_VOICES = Path(audio.__file__).parent / "scenarios" / "audio" / "demo"


def available(data: Path) -> bool:
    """Whether the labelled clips are there."""
    return (data / "manifest.csv").is_file()


def measure(data: Path, cache: Path, conditions: Sequence[str]) -> dict[str, Any]:
    """Score every clip by heads that saw no clip of its group of sources; progress goes to standard error.

    Raises OSError if a clip cannot be read, ValueError for an unknown condition.
    """
    found = read_manifest(data / "manifest.csv")
    labels = np.array([int(clip.synthetic) for clip in found])
    with contextlib.redirect_stdout(sys.stderr):
        scores = _scores(found, labels, data, cache, conditions)
    folds = np.array(assign_folds(found))
    return {
        "clips": len(found),
        "sources": len({clip.source for clip in found}),
        "groups": len({clip.group for clip in found}),
        "conditions": {
            condition: {
                name: _report(found, labels, values, folds) if name == "detector" else _summary(found, labels, values)
                for name, values in by_system.items()
            }
            for condition, by_system in scores.items()
        },
    }


def _scores(
    found: list[Clip], labels: Labels, data: Path, cache: Path, conditions: Sequence[str]
) -> dict[str, dict[str, Floats]]:
    """Held-out scores by condition and system."""
    from models.training import synthetic as training
    from models.training.baseline import lfcc
    from models.training.features import extract
    from models.training.head import balanced_weights, fit, project

    sources = np.unique([clip.source for clip in found], return_inverse=True)[1].astype(np.int64)
    folds = np.array(assign_folds(found))
    weights = Path(training.__file__).parents[1] / "synthetic" / "weights"
    extractor = training.session_extractor((weights / "encoder.onnx").read_bytes())
    names = list(dict.fromkeys([*training.TRAINED, *conditions]))
    features = {name: extract(found, data, name, extractor, cache) for name in names}
    learned = [features[name] for name in training.TRAINED]
    projection = training.cached_projection(learned, cache)
    probing = project([values[:, : training.TAPS * 3] for values in learned], [(training.TAPS * 3, 1.0)])
    cepstra = {name: extract(found, data, name, lfcc, cache / "lfcc") for name in names}
    plain = project([cepstra[name] for name in training.TRAINED], [(cepstra[names[0]].shape[1], 1.0)])
    flat = np.where(labels == 1, 0.5 / labels.sum(), 0.5 / (1 - labels).sum())

    def held_out(values: Mapping[str, Features], share: Callable[[Any], Floats]) -> dict[str, Floats]:
        """Scores of a linear head trained on the same conditions."""
        out = {name: np.zeros(len(labels)) for name in conditions}
        for fold in range(FOLDS):
            inside = folds == fold
            rows = np.concatenate([values[name][~inside] for name in training.TRAINED])
            times = len(training.TRAINED)
            head = fit(rows, np.tile(labels[~inside], times), np.tile(share(~inside), times) / times)
            for name in conditions:
                out[name][inside] = head.score(values[name][inside])
        return out

    reduced = {name: projection.apply(values) for name, values in features.items()}
    judged = {name: reduced[name] for name in conditions}
    own = training.held_out_scores([reduced[name] for name in training.TRAINED], judged, labels, sources, folds)
    stem = {name: probing.apply(values[:, : training.TAPS * 3]) for name, values in features.items()}
    probe = held_out(stem, lambda rest: flat[rest] / flat[rest].sum())
    base = held_out(
        {name: plain.apply(values) for name, values in cepstra.items()},
        lambda rest: balanced_weights(sources[rest], labels[rest]),
    )
    return {name: dict(zip(SYSTEMS, (own[name], probe[name], base[name]), strict=True)) for name in conditions}


def _summary(found: Sequence[Clip], labels: Labels, scores: Floats) -> dict[str, float]:
    """Figures over all clips, and the mean over sources with both classes."""
    from models.training.report import by_source, group_means

    rows = by_source(list(found), scores)
    groups = group_means(rows)
    return {
        "mean_equal_error": float(np.mean([row.equal_error for row in rows])),
        "worst_group": max(groups.values()),
        "groups_above_0.20": sum(rate > 0.20 for rate in groups.values()),
        "pooled_equal_error": equal_error_rate(scores, labels),
        "minimum_cost": minimum_cost(scores, labels),
        "recall_at_1_percent": recall_at_false_alarms(scores, labels),
    }


def _report(found: list[Clip], labels: Labels, scores: Floats, folds: Any) -> dict[str, Any]:
    """The summary, what the calibrated score is worth, and the slices."""
    from models.training.head import balanced_weights
    from models.training.report import cross_calibrated, over_utterances

    sources = np.unique([clip.source for clip in found], return_inverse=True)[1].astype(np.int64)
    llr = cross_calibrated(scores, labels, balanced_weights(sources, labels), folds)
    share = float(labels.mean())
    probability = 1.0 / (1.0 + np.exp(-llr - np.log(share / (1.0 - share))))
    one, five = over_utterances(found, llr)
    return _summary(found, labels, scores) | {
        "calibration_error": calibration_error(probability, labels),
        "one_utterance": one,
        "five_utterances": five,
        "by": {
            kind: _slices(found, labels, scores, probability, key)
            for kind, key in {
                "source": lambda clip: clip.source,
                "language": lambda clip: clip.language,
                "codec": lambda clip: Path(clip.path).suffix.removeprefix("."),
                "length": lambda clip: (
                    "under 2 s" if clip.seconds < 2 else "2 to 3 s" if clip.seconds < 3 else "over 3 s"
                ),
            }.items()
        }
        | {"system": _systems(found, labels, scores, probability)},
    }


def _row(labels: Labels, scores: Floats, probability: Floats) -> dict[str, float] | None:
    synthetic = int(labels.sum())
    if min(synthetic, len(labels) - synthetic) < LEAST:
        return None
    return {
        "humans": len(labels) - synthetic,
        "synthetics": synthetic,
        "equal_error": equal_error_rate(scores, labels),
        "minimum_cost": minimum_cost(scores, labels),
        "recall_at_1_percent": recall_at_false_alarms(scores, labels),
        "calibration_error": calibration_error(probability, labels),
    }


def _slices(
    found: Sequence[Clip], labels: Labels, scores: Floats, probability: Floats, key: Callable[[Clip], str]
) -> dict[str, dict[str, float]]:
    """A row for each value of `key` that has enough clips of both classes, worst first."""
    names = np.array([key(clip) for clip in found])
    rows = {name: _row(labels[names == name], scores[names == name], probability[names == name]) for name in set(names)}
    return _worst_first(rows)


def _systems(found: Sequence[Clip], labels: Labels, scores: Floats, probability: Floats) -> dict[str, dict[str, float]]:
    """A row for each synthesiser, against the humans of its source."""
    sources = np.array([clip.source for clip in found])
    systems = np.array([f"{clip.source}/{clip.system}" if clip.synthetic else "" for clip in found])
    rows = {}
    for system in set(systems) - {""}:
        inside = (systems == system) | ((labels == 0) & (sources == system.rpartition("/")[0]))
        rows[system] = _row(labels[inside], scores[inside], probability[inside])
    return _worst_first(rows)


def _worst_first(rows: Mapping[str, dict[str, float] | None]) -> dict[str, dict[str, float]]:
    kept = {name: row for name, row in rows.items() if row is not None}
    return dict(sorted(kept.items(), key=lambda item: (-item[1]["equal_error"], item[0])))


def cost(recogniser: Recogniser, rounds: int = 2) -> dict[str, float]:
    """Median seconds an utterance of the demo takes: the detector, and the recogniser's encoder, one thread each."""
    detector = SyntheticDetector(threads=1)
    spoken = [audio.read(file) for file in sorted(_VOICES.glob("*.opus"))[::3]]
    own: list[float] = []
    encoder: list[float] = []
    for number in range(rounds + 1):
        for samples in spoken:
            began = time.perf_counter()
            detector.score(samples.astype(np.float32) / 32768.0)
            seconds = time.perf_counter() - began
            (result,) = recogniser.transcribe([SpeechJob("cost", samples)], thorough=False)
            if number:  # the first round warms up
                own.append(seconds)
                encoder.append(result.encode_seconds)
    shares = np.array(own) / np.maximum(encoder, 1e-9)
    return {
        "utterances": len(spoken),
        "mean_seconds": float(np.mean([len(samples) for samples in spoken])) / audio.RATE,
        "detector_s": float(np.median(own)),
        "encoder_s": float(np.median(encoder)),
        "share": float(np.median(shares)),
    }


def table(result: dict[str, Any]) -> str:
    """The result as Markdown."""
    lines = [f"{result['clips']} clips, {result['sources']} sources in {result['groups']} groups held out in turn", ""]
    lines += [
        "| condition | | mean equal error | worst group | groups above 0.20 | pooled | min cost | recall at 1 % |"
    ]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for condition, systems in result["conditions"].items():
        for name, row in systems.items():
            figures = [row[key] for key in ("mean_equal_error", "worst_group")]
            more = [row[key] for key in ("pooled_equal_error", "minimum_cost", "recall_at_1_percent")]
            cells = [f"{v:.3f}" for v in figures] + [str(row["groups_above_0.20"])] + [f"{v:.3f}" for v in more]
            lines.append(f"| {condition} | {name} | " + " | ".join(cells) + " |")
    for condition, systems in result["conditions"].items():
        own = systems["detector"]
        lines += ["", f"{condition}: calibration error {own['calibration_error']:.3f}; equal error of one utterance "]
        lines[-1] += f"{own['one_utterance']:.3f}, of five by one voice {own['five_utterances']:.3f}"
        for kind, rows in own["by"].items():
            lines += [
                "",
                f"| {kind} | human | synthetic | equal error | min cost | recall at 1 % | calibration error |",
            ]
            lines += ["|---|---|---|---|---|---|---|"]
            for name, row in rows.items():
                keys = ("equal_error", "minimum_cost", "recall_at_1_percent", "calibration_error")
                joined = " | ".join(f"{row[key]:.3f}" for key in keys)
                lines.append(f"| {name} | {row['humans']} | {row['synthetics']} | {joined} |")
    spent = result["cost"]
    own_ms, encoder_ms = spent["detector_s"] * 1000.0, spent["encoder_s"] * 1000.0
    what = f"cost of an utterance of {spent['mean_seconds']:.1f} s, one thread: {own_ms:.0f} ms"
    lines += ["", f"{what}, {spent['share'] * 100:.0f} % of the recogniser's encoder ({encoder_ms:.0f} ms)"]
    return "\n".join(lines)
