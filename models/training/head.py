"""What every head on the statistics needs: clips weighed, a projection, a calibration; and the linear one.

With some hundred sources and thousands of statistics what decides is how hard a head is held back, and that no
source outweighs the others. The linear one is the probe that the shipped head (kernel.py) is measured against.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.training.metrics import Floats, Labels

Features = NDArray[np.float32]
Indices = NDArray[np.int64]

COMPONENTS = 512  # principal components kept of some five thousand statistics
RIDGE = 0.1  # penalty relative to the mean variance of a component, chosen by cross-validation


@dataclass(frozen=True, slots=True)
class LinearHead:
    """A score = statistics @ weight + bias; higher is more likely synthetic."""

    weight: Floats
    bias: float

    def score(self, features: Features) -> Floats:
        """Return [n] scores of [n, d] statistics."""
        return np.asarray(features @ self.weight + self.bias, np.float64)


def balanced_weights(sources: Indices, labels: Labels) -> Floats:
    """Return weights that sum to one: half for each class, a source's share growing with the root of its clips.

    Fully equal shares would let a source of one clip speak as loud as one of three hundred.
    """
    pair = sources * 2 + labels
    weights = np.bincount(pair)[pair] ** -0.5
    for label in (0, 1):
        of_class = labels == label
        weights[of_class] *= 0.5 / weights[of_class].sum()
    return np.asarray(weights, np.float64)


@dataclass(frozen=True, slots=True)
class Projection:
    """Standardises statistics and keeps their principal components: (x - mean) / deviation @ components."""

    mean: Features
    deviation: Features
    components: Features

    def apply(self, features: Features) -> Features:
        """Return [n, components] of [n, d] statistics."""
        return np.asarray(((features - self.mean) / self.deviation) @ self.components, np.float32)


def project(
    conditions: Sequence[Features], blocks: Sequence[tuple[int, float]], count: int = COMPONENTS, seed: int = 0
) -> Projection:
    """Return the projection for the same clips under several conditions, the first of which sets the scale.

    `blocks` lists runs of statistics of one kind: their number, and their share in the squared distance of two
    clips. No label enters here, so one projection of all clips serves every fold. Randomised range finder with two
    power iterations: Halko, Martinsson, Tropp, SIAM Review 53 (2011).
    """
    scale = np.concatenate([np.full(length, (length / share) ** 0.5, np.float32) for length, share in blocks])
    mean, deviation = conditions[0].mean(axis=0), (conditions[0].std(axis=0) + 1e-6) * scale
    standard = np.concatenate([(features - mean) / deviation for features in conditions])
    count = min(count, *standard.shape)
    rng = np.random.default_rng(seed)
    basis = rng.standard_normal((standard.shape[1], count + count // 10)).astype(np.float32)
    for _ in range(2):
        basis, _ = np.linalg.qr(standard.T @ (standard @ basis))
    _, _, rotation = np.linalg.svd(standard @ basis, full_matrices=False)
    return Projection(mean, deviation, np.asarray(basis @ rotation[:count].T, np.float32))


def fit(reduced: Features, labels: Labels, weights: Floats, ridge: float = RIDGE) -> LinearHead:
    """Return the weighted ridge regression of +1 (synthetic) and -1 on `reduced` [n, d]."""
    values = reduced.astype(np.float64)
    target = 2.0 * labels - 1.0
    centre, level = weights @ values, float(weights @ target)
    moments = (values * weights[:, None]).T @ values
    penalty = ridge * np.trace(moments) / len(moments) * np.eye(len(moments))
    covariance = (values * weights[:, None]).T @ target - centre * level
    weight = np.linalg.solve(moments - np.outer(centre, centre) + penalty, covariance)
    return LinearHead(weight, level - float(centre @ weight))


def calibrate(scores: Floats, labels: Labels, weights: Floats) -> tuple[float, float]:
    """Return (slope, offset) of the log-likelihood ratio slope * score + offset.

    Weighted logistic regression by Newton's method; `weights` give both classes one half, so that the
    posterior's logit is the log-likelihood ratio itself.
    """
    design = np.stack([scores, np.ones_like(scores)], axis=1)
    solution = np.zeros(2)
    for _ in range(50):
        posterior = 1.0 / (1.0 + np.exp(-(design @ solution)))
        gradient = design.T @ (weights * (posterior - labels))
        curvature = (design * (weights * posterior * (1 - posterior))[:, None]).T @ design
        step = np.linalg.solve(curvature + 1e-9 * np.eye(2), gradient)
        solution -= step
        if np.abs(step).max() < 1e-9:
            break
    return float(solution[0]), float(solution[1])
