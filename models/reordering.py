"""Chunks of one track back into the order of their sequence numbers, within a window of capture time.

Decisions follow the order of arrival and the capture times, so that a replay decides alike; the processing clock is
consulted only so that a track which falls silent behind a gap is not held for ever.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Literal

from models.segments import Chunk, Position

Refusal = Literal["duplicate", "late", "sequence-back"]

_SKEW_MS = 100.0  # senders stamp chunks this unevenly; only a later capture time than that shows a new start


class Reorderer:
    """Push chunks as they arrive, pop them in order.

    A missing sequence is given up when the chunks waiting behind it begin `window_ms` of capture time apart, or have
    waited that long by the processing clock, or are more than `most`. A track that is not known begins at sequence 0 at
    once, and at any other after the same wait for earlier ones.
    """

    def __init__(self, window_ms: float, position: Position | None = None, *, most: int = 2_000) -> None:
        self._window_ms = window_ms
        self._most = most
        self._expected = None if position is None else position.sequence
        self._latest_ms = None if position is None else position.time_ms
        self._given_up: deque[range] = deque(maxlen=64)
        self._late: deque[int] = deque(maxlen=256)  # of those, the ones that came after all
        self._waiting: dict[int, tuple[Chunk, float]] = {}  # by sequence, with its arrival

    def push(self, chunk: Chunk, now_ms: float) -> Refusal | None:
        """Take a chunk in, or say why not."""
        sequence = chunk.sequence
        if self._expected is None and sequence == 0:
            self._expected = 0
        if self._expected is not None and sequence < self._expected:
            if self._latest_ms is not None and chunk.time_ms > self._latest_ms + _SKEW_MS:
                return "sequence-back"
            if sequence in self._late or not any(sequence in missing for missing in self._given_up):
                return "duplicate"
            self._late.append(sequence)
            return "late"
        if sequence in self._waiting:
            return "duplicate"
        self._waiting[sequence] = chunk, now_ms
        return None

    def pop(self, now_ms: float) -> Chunk | None:
        """The next chunk in order, if its turn has come."""
        if not self._waiting:
            return None
        if self._expected not in self._waiting:
            if not self._waited_enough(now_ms):
                return None
            first = min(self._waiting)
            self._given_up.append(range(self._expected or 0, first))
            self._expected = first
        chunk, _ = self._waiting.pop(self._expected)
        self._expected += 1
        self._latest_ms = chunk.time_ms
        return chunk

    @property
    def waiting(self) -> bool:
        """Whether chunks wait for an earlier one."""
        return bool(self._waiting)

    @property
    def deadline_ms(self) -> float:
        """When `pop` is worth another try by the processing clock alone."""
        if not self._waiting:
            return math.inf
        return min(arrival for _, arrival in self._waiting.values()) + self._window_ms

    def _waited_enough(self, now_ms: float) -> bool:
        if len(self._waiting) > self._most or now_ms >= self.deadline_ms:
            return True
        times = [chunk.time_ms for chunk, _ in self._waiting.values()]
        return max(times) - min(times) >= self._window_ms
