"""What two sequences begin and end with alike, and so where they differ."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def common_ends(left: Sequence[T], right: Sequence[T], same: Callable[[T, T], bool] = operator.eq) -> tuple[int, int]:
    """Return how many items both begin with and, of the rest, how many both end with."""
    shorter = min(len(left), len(right))
    head = 0
    while head < shorter and same(left[head], right[head]):
        head += 1
    tail = 0
    while tail < shorter - head and same(left[-1 - tail], right[-1 - tail]):
        tail += 1
    return head, tail
