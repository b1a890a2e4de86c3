"""From a curve of scores to stretches: above a limit, short gaps closed, short stretches dropped."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.sounds.types import Label, SoundEvent


def stretches(
    label: Label,
    scores: NDArray[np.floating],
    *,
    hop_ms: float,
    limit: float = 0.5,
    least_ms: float = 200.0,
    gap_ms: float = 200.0,
) -> list[SoundEvent]:
    """Return the stretches of `scores` (one a frame of `hop_ms`) that exceed `limit`.

    Gaps of up to `gap_ms` are closed before stretches under `least_ms` are dropped; a stretch's score is the mean.
    """
    edges = np.diff(np.concatenate([[0], (scores > limit).astype(np.int8), [0]]))
    merged: list[list[int]] = []
    for begin, end in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
        if merged and (begin - merged[-1][1]) * hop_ms <= gap_ms:
            merged[-1][1] = int(end)
        else:
            merged.append([int(begin), int(end)])
    return [
        SoundEvent(label, round(begin * hop_ms), round(end * hop_ms), round(float(scores[begin:end].mean()), 3))
        for begin, end in merged
        if (end - begin) * hop_ms >= least_ms
    ]
