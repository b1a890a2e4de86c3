"""What held-out scores say about the detector: by source, at the threshold, calibrated, and over several utterances."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from models.training.head import Indices, calibrate
from models.training.manifest import Clip
from models.training.metrics import (
    Floats,
    Labels,
    calibration_error,
    equal_error_rate,
    minimum_cost,
    recall_at_false_alarms,
)


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One source with both classes: how many clips of each, and its equal error rate."""

    source: str
    group: str
    humans: int
    synthetics: int
    equal_error: float


def by_source(clips: list[Clip], scores: Floats) -> list[SourceRow]:
    """Return the table of sources that have both classes, worst first."""
    members: dict[str, list[int]] = defaultdict(list)
    for index, clip in enumerate(clips):
        members[clip.source].append(index)
    rows = []
    for source, indices in members.items():
        labels = np.array([int(clips[index].synthetic) for index in indices])
        if 0 < labels.sum() < len(labels):
            rate = equal_error_rate(scores[indices], labels)
            humans = int((labels == 0).sum())
            rows.append(SourceRow(source, clips[indices[0]].group, humans, len(labels) - humans, rate))
    return sorted(rows, key=lambda row: -row.equal_error)


def group_means(rows: Iterable[SourceRow]) -> dict[str, float]:
    """Return the mean equal error rate of each group's sources."""
    rates: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        rates[row.group].append(row.equal_error)
    return {group: float(np.mean(values)) for group, values in rates.items()}


def cross_calibrated(scores: Floats, labels: Labels, weights: Floats, folds: Indices) -> Floats:
    """Return each clip's log-likelihood ratio, calibrated on the other folds only."""
    llr = np.zeros_like(scores)
    for fold in np.unique(folds):
        inside = folds == fold
        share = weights[~inside].copy()
        for label in (0, 1):
            share[labels[~inside] == label] *= 0.5 / share[labels[~inside] == label].sum()
        slope, offset = calibrate(scores[~inside], labels[~inside], share)
        llr[inside] = slope * scores[inside] + offset
    return llr


def thresholds(llr: Floats, labels: Labels, false_alarms: float = 0.005, misses: float = 0.05) -> tuple[float, float]:
    """Return (synthetic from, human to): at most `false_alarms` of humans above, `misses` of synthetics below.

    False alarms are held to half of the 1 % promised: on sources that had no say in the threshold they come
    out half as high again as on those that had.
    """
    return (
        float(np.quantile(llr[labels == 0], 1.0 - false_alarms)),
        float(np.quantile(llr[labels == 1], misses)),
    )


def at_threshold(llr: Floats, labels: Labels, folds: Indices) -> dict[str, float]:
    """Return rates at thresholds chosen on the other folds: what the shipped ones promise for new sources."""
    called, passed = np.zeros(len(llr), bool), np.zeros(len(llr), bool)
    for fold in np.unique(folds):
        inside = folds == fold
        upper, lower = thresholds(llr[~inside], labels[~inside])
        called[inside] = llr[inside] >= upper
        passed[inside] = llr[inside] <= min(lower, upper)
    human = labels == 0
    return {
        "false_alarms": float(called[human].mean()),
        "recall": float(called[~human].mean()),
        "synthetic_called_human": float(passed[~human].mean()),
        "human_called_human": float(passed[human].mean()),
        "abstained": float((~called & ~passed).mean()),
    }


def voices(clips: list[Clip]) -> list[str]:
    """Return a name per clip for who speaks: the speaker, or the system with its speaker where synthetic."""
    return [f"{clip.source}/{clip.system}" if clip.synthetic else f"{clip.source}/{clip.speaker}" for clip in clips]


def correlation_within_voice(clips: list[Clip], llr: Floats) -> float:
    """Return how alike utterances of one voice err: the intraclass correlation of the score about its class mean."""
    labels = np.array([int(clip.synthetic) for clip in clips])
    residual = llr - np.where(labels == 1, llr[labels == 1].mean(), llr[labels == 0].mean())
    members: dict[str, list[int]] = defaultdict(list)
    for index, voice in enumerate(voices(clips)):
        members[voice].append(index)
    products, pairs = 0.0, 0
    for indices in members.values():
        values = residual[indices]
        products += (values.sum() ** 2 - (values**2).sum()) / 2
        pairs += len(values) * (len(values) - 1) // 2
    return float(products / max(pairs, 1) / residual.var())


def over_utterances(clips: list[Clip], llr: Floats, count: int = 5) -> tuple[float, float]:
    """Return equal error rates of one utterance and of the mean of `count`, on voices that have that many."""
    members: dict[str, list[int]] = defaultdict(list)
    for index, voice in enumerate(voices(clips)):
        members[voice].append(index)
    chunks = [
        indices[start : start + count]
        for indices in members.values()
        for start in range(0, len(indices) - count + 1, count)
    ]
    labels = np.array([int(clips[chunk[0]].synthetic) for chunk in chunks])
    single = equal_error_rate(llr[np.concatenate(chunks)], np.repeat(labels, count))
    return single, equal_error_rate(np.array([llr[chunk].mean() for chunk in chunks]), labels)


def measure(clips: list[Clip], scores: Floats, weights: Floats, folds: Indices) -> dict[str, float]:
    """Return the figures of one condition, all on clips of sources that the head had not seen."""
    labels = np.array([int(clip.synthetic) for clip in clips])
    rows = by_source(clips, scores)
    groups = group_means(rows)
    llr = cross_calibrated(scores, labels, weights, folds)
    single, several = over_utterances(clips, llr)
    probability = 1.0 / (1.0 + np.exp(-llr - np.log(labels.mean() / (1.0 - labels.mean()))))
    return {
        "mean_equal_error": float(np.mean([row.equal_error for row in rows])),
        "worst_group_equal_error": max(groups.values()),
        "groups": len(groups),
        "groups_above_0.20": sum(rate > 0.20 for rate in groups.values()),
        "pooled_equal_error": equal_error_rate(scores, labels),
        "calibration_error": calibration_error(probability, labels),
        "recall_at_1_percent_false_alarms": recall_at_false_alarms(scores, labels),
        "minimum_cost": minimum_cost(scores, labels),
        "one_utterance_equal_error": single,
        "five_utterances_equal_error": several,
        "correlation_within_voice": correlation_within_voice(clips, llr),
        **at_threshold(llr, labels, folds),
    }
