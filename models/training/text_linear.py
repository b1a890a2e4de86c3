"""The trained part of the text model: logistic regression on n-grams weighed by their own log-count ratios.

Each feature counts as much as it alone speaks for the class (Wang and Manning 2012, "Baselines and bigrams": NB-SVM,
here with logistic loss). The product of ratio and coefficient is one weight per bucket, so nothing of it remains at
run time but a sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.classifier.features import BUCKETS, FEWEST, features
from models.training.metrics import Floats, Labels

# A bucket that fewer training sentences have says nothing dependable.
MIN_SENTENCES = 2
# Weights kept per head, the largest first: more cost megabytes and change no figure in its second digit.
KEPT = 200_000


@dataclass(frozen=True, slots=True)
class Weights:
    """Quantised weights of one head, int8 [buckets]; score = scale * sum / root of count + bias."""

    values: NDArray[np.int8]
    scale: float
    bias: float


@lru_cache(maxsize=1 << 18)
def _cached(text: str, language: str) -> NDArray[np.int32]:
    # Every head reads much the same sentences.
    return features(text, language).astype(np.int32)


def matrix(texts: Sequence[str], language: str) -> Any:
    """Sentences as a sparse matrix [n, buckets] of zeros and ones."""
    from scipy.sparse import csr_matrix

    rows = [_cached(text, language) for text in texts]
    ends = np.cumsum([0, *(len(row) for row in rows)])
    return csr_matrix((np.ones(ends[-1], np.float32), np.concatenate(rows), ends), shape=(len(rows), BUCKETS))


def normed(counts: Any) -> Any:
    """Rows divided by the root of their number of n-grams, so that long sentences do not speak louder."""
    from scipy.sparse import diags

    sizes = np.maximum(np.diff(counts.indptr), FEWEST).astype(np.float32)
    return (diags(1.0 / np.sqrt(sizes)) @ counts).astype(np.float32).tocsr()


def fit(counts: Any, labels: Labels, penalty: float, balanced: bool) -> Weights:
    """Fit one head on rows of ``matrix``; ``penalty`` is the inverse strength of the regularisation (C)."""
    from scipy.sparse import diags
    from sklearn.linear_model import LogisticRegression

    seen = np.bincount(counts.indices, minlength=BUCKETS)
    positive = np.asarray(counts[labels == 1].sum(axis=0)).ravel() + 1.0
    negative = np.asarray(counts[labels == 0].sum(axis=0)).ravel() + 1.0
    ratio = np.log((positive / positive.sum()) / (negative / negative.sum())) * (seen >= MIN_SENTENCES)
    weighed = (normed(counts) @ diags(ratio.astype(np.float32))).tocsr()
    regression = LogisticRegression(
        C=penalty, max_iter=200, tol=1e-3, class_weight="balanced" if balanced else None, solver="lbfgs"
    ).fit(weighed, labels)
    return quantised(regression.coef_[0] * ratio, float(regression.intercept_[0]))


def quantised(weights: Floats, bias: float) -> Weights:
    """The largest weights as int8; the one in two thousand that would stretch the scale is clipped."""
    size = np.abs(weights)
    if np.count_nonzero(size) > KEPT:
        weights = np.where(size >= np.partition(size, -KEPT)[-KEPT], weights, 0.0)
    kept = size[weights != 0.0]
    scale = float(np.quantile(kept, 0.9995)) / 127.0 if len(kept) else 1.0
    return Weights(np.clip(np.rint(weights / scale), -127, 127).astype(np.int8), scale, bias)


def scores(counts: Any, head: Weights) -> Floats:
    """Raw scores [n] of rows of ``matrix``, exactly as at run time."""
    sizes = np.maximum(np.diff(counts.indptr), FEWEST)
    total = counts @ head.values.astype(np.float32)
    return np.asarray(head.scale * total / np.sqrt(sizes) + head.bias, np.float64)
