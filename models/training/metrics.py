"""Error rates of a detector. Scores rise with the belief that a voice is synthetic; labels are 1 for synthetic."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def operating_points(scores: Floats, labels: Labels) -> tuple[Floats, Floats]:
    """Return (miss rate, false-alarm rate) for every threshold that separates two distinct scores.

    Raises ValueError unless both classes are present.
    """
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        raise ValueError("labels: an error rate needs clips of both classes; add the missing one")
    order = np.argsort(scores, kind="stable")
    ranked, truth = scores[order], labels[order]
    miss = np.concatenate([[0.0], np.cumsum(truth)]) / positives
    alarm = (negatives - np.concatenate([[0.0], np.cumsum(1 - truth)])) / negatives
    distinct = np.concatenate([[True], ranked[1:] != ranked[:-1], [True]])
    return miss[distinct], alarm[distinct]


def equal_error_rate(scores: Floats, labels: Labels) -> float:
    """Return the mean of miss and false-alarm rate where they differ least."""
    miss, alarm = operating_points(scores, labels)
    closest = int(np.argmin(np.abs(miss - alarm)))
    return float((miss[closest] + alarm[closest]) / 2)


def recall_at_false_alarms(scores: Floats, labels: Labels, limit: float = 0.01) -> float:
    """Return the highest recall among thresholds whose false-alarm rate is at most `limit`."""
    miss, alarm = operating_points(scores, labels)
    return float(1.0 - miss[alarm <= limit].min())


def calibration_error(probabilities: Floats, labels: Labels, bins: int = 15) -> float:
    """Return the expected calibration error: |confidence - frequency| over equal-width bins, weighted by count."""
    edges = np.minimum((probabilities * bins).astype(int), bins - 1)
    error = 0.0
    for index in np.unique(edges):
        inside = edges == index
        error += inside.mean() * abs(probabilities[inside].mean() - labels[inside].mean())
    return float(error)


def minimum_cost(scores: Floats, labels: Labels, prior: float = 0.05) -> float:
    """Return the least normalised detection cost at a prior of synthetic speech, misses and alarms costing alike."""
    miss, alarm = operating_points(scores, labels)
    return float((prior * miss + (1 - prior) * alarm).min() / min(prior, 1 - prior))
