"""The head that ships: a ridge regression on the distances to a few hundred clips of the training set.

A radial basis function lets the head judge a voice by what resembles it, where a linear one has one direction for
all synthesisers. Landmarks stand for the whole set (the subset of regressors): the cost is that of m distances.

C. E. Rasmussen, C. K. I. Williams: Gaussian Processes for Machine Learning, MIT Press (2006), section 8.3.1.
"""

from dataclasses import dataclass

import numpy as np

from models.training.head import Features, Indices
from models.training.metrics import Floats, Labels

_ROWS = 4096  # at once, so that memory stays flat


@dataclass(frozen=True, slots=True)
class KernelHead:
    """A score = sum of weight_j exp(-sharpness |x - landmark_j|^2) + bias; higher is more likely synthetic."""

    landmarks: Features
    sharpness: float
    weight: Floats
    bias: float

    def score(self, features: Features) -> Floats:
        """Return [n] scores of [n, d] reduced statistics."""
        near = kernel(features, self.landmarks, self.sharpness)
        return np.asarray(near @ self.weight + self.bias, np.float64)


def kernel(features: Features, landmarks: Features, sharpness: float) -> Features:
    """Return [n, m] similarities, 1 for equal rows."""
    squares = (features**2).sum(axis=1)[:, None] + (landmarks**2).sum(axis=1) - 2.0 * features @ landmarks.T
    return np.asarray(np.exp(-sharpness * np.maximum(squares, 0.0)), np.float32)


def draw(weights: Floats, count: int, seed: int = 0) -> Indices:
    """Return the clips that serve as landmarks, drawn by weight, so that every source has its share."""
    chosen = np.random.default_rng(seed).choice(len(weights), min(count, len(weights)), replace=False, p=weights)
    return np.asarray(np.sort(chosen), np.int64)


def fit_kernel(
    reduced: Features, labels: Labels, weights: Floats, landmarks: Features, sharpness: float, ridge: float
) -> KernelHead:
    """Return the weighted regression of +1 (synthetic) and -1; `weights` [n] sum to one."""
    count = len(landmarks) + 1
    moments, target = np.zeros((count, count)), np.zeros(count)
    for start in range(0, len(reduced), _ROWS):
        part = slice(start, start + _ROWS)
        near = np.pad(kernel(reduced[part], landmarks, sharpness), ((0, 0), (0, 1)), constant_values=1.0)
        weighted = near * weights[part, None].astype(np.float32)
        moments += near.T @ weighted
        target += (2.0 * labels[part] - 1.0) @ weighted
    penalty = np.zeros((count, count))
    penalty[:-1, :-1] = ridge * kernel(landmarks, landmarks, sharpness)
    solution = np.linalg.solve(moments + penalty + 1e-7 * np.eye(count), target)
    return KernelHead(landmarks, sharpness, np.asarray(solution[:-1], np.float64), float(solution[-1]))
