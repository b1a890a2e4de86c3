"""The trained part of the detector: a ridge head on the statistics, and its calibration.

A linear head, because more flexible ones learned the sources: with some hundred sources and thousands of
statistics what decides is how hard the head is held back, and that no source outweighs the others.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.training.metrics import Floats, Labels

Features = NDArray[np.float32]
Indices = NDArray[np.int64]

COMPONENTS = 512  # principal components kept: nine tenths of the variance of 4,608 statistics
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


def principal_components(features: Features, count: int = COMPONENTS, seed: int = 0) -> Features:
    """Return [d, count] orthonormal directions of most variance of standardised `features`.

    Randomised range finder with two power iterations: Halko, Martinsson, Tropp, SIAM Review 53 (2011).
    """
    rng = np.random.default_rng(seed)
    count = min(count, *features.shape)
    basis = rng.standard_normal((features.shape[1], count + count // 10)).astype(np.float32)
    for _ in range(2):
        basis, _ = np.linalg.qr(features.T @ (features @ basis))
    _, _, rotation = np.linalg.svd(features @ basis, full_matrices=False)
    return np.asarray(basis @ rotation[:count].T, np.float32)


def fit(features: Features, labels: Labels, weights: Floats, ridge: float = RIDGE) -> LinearHead:
    """Return the ridge regression of +1 (synthetic) and -1 on the principal components of `features`."""
    mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-6
    standard = (features - mean) / deviation
    components = principal_components(standard)
    reduced = (standard @ components).astype(np.float64)
    target = 2.0 * labels - 1.0
    centre, level = weights @ reduced, float(weights @ target)
    moments = (reduced * weights[:, None]).T @ reduced
    penalty = ridge * np.trace(moments) / len(moments) * np.eye(len(moments))
    covariance = (reduced * weights[:, None]).T @ target - centre * level
    direction = np.linalg.solve(moments - np.outer(centre, centre) + penalty, covariance)
    weight = (components @ direction) / deviation
    return LinearHead(weight, level - float(centre @ direction) - float(mean @ weight))


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
