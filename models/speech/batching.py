"""Which waiting utterances go into the next batch: the most urgent first, among like lengths.

A batch costs what its longest member costs times the number of members, so an utterance may join only if it does
not stretch the others (or itself) too much. The functions here see numbers only; time is a parameter, and whoever
owns the queue and the model lives elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Readiness = Literal["full", "due", "wait", "empty"]
"""Why a batch should start now ("full", "due"), or not ("wait", "empty")."""


@dataclass(frozen=True, slots=True)
class Pending:
    """An utterance that waits: its length in seconds, when its answer is due and when it came (both in ms).

    `tenant`, `at_risk` and `turn` are for `FairShares` (models/speech/shares.py): turns come before deadlines.
    """

    id: str
    seconds: float
    deadline_ms: int
    partial: bool = False
    queued_ms: int = 0
    tenant: str = ""
    at_risk: bool = False
    turn: float = 0.0


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What a batch may be.

    `max_batch`: utterances. `max_padded_seconds`: utterances times the longest, with padding, which bounds
    memory and the time that a late-comer waits. `pad_seconds`: silence that the recogniser adds to each.
    `stretch`: the longest of a batch may be this many times the shortest, padding included. `fill_ms`:
    how long the first may wait for company.
    """

    max_batch: int = 16
    max_padded_seconds: float = 160.0
    pad_seconds: float = 1.5
    stretch: float = 1.6
    fill_ms: int = 40

    def __post_init__(self) -> None:
        if self.max_batch < 1:
            raise ValueError("max_batch must be at least 1")
        if self.stretch < 1.0:
            raise ValueError("stretch must be at least 1.0: 1.0 batches equal lengths only")
        if self.pad_seconds < 0 or self.max_padded_seconds <= 0 or self.fill_ms < 0:
            raise ValueError("pad_seconds and fill_ms must not be negative, max_padded_seconds must be positive")


@dataclass(frozen=True, slots=True)
class Batch:
    """The utterances to recognise together, most urgent first, and the length that each is padded to."""

    members: tuple[Pending, ...]
    padded_seconds: float

    @property
    def ids(self) -> tuple[str, ...]:
        """The members' ids."""
        return tuple(member.id for member in self.members)


def urgency(item: Pending) -> tuple[float, bool, int, bool, int, str]:
    """Sort key: earlier turn first, at risk before others, then by deadline, finals before partials, first come, id."""
    return (item.turn, not item.at_risk, item.deadline_ms, item.partial, item.queued_ms, item.id)


def plan(queue: Iterable[Pending], limits: BatchLimits) -> Batch:
    """Return the next batch: the most urgent utterance, and the next most urgent of its kind and of like length.

    The most urgent utterance is always in it, however long, so that none starves. Partials and finals are decoded with
    different effort, so a batch holds one kind. An empty queue gives an empty batch.
    """
    ranked = sorted(queue, key=urgency)
    if not ranked:
        return Batch((), 0.0)
    chosen: list[Pending] = []
    shortest = longest = ranked[0].seconds + limits.pad_seconds
    for item in ranked:
        if len(chosen) == limits.max_batch:
            break
        padded = item.seconds + limits.pad_seconds
        low, high = min(shortest, padded), max(longest, padded)
        alike = item.partial == ranked[0].partial and high <= low * limits.stretch
        fits = alike and high * (len(chosen) + 1) <= limits.max_padded_seconds
        if chosen and not fits:
            continue
        chosen.append(item)
        shortest, longest = low, high
    return Batch(tuple(chosen), longest)


def readiness(queue: Sequence[Pending], now_ms: int, limits: BatchLimits) -> Readiness:
    """Say whether the next batch should start at `now_ms`.

    "full": it cannot grow. "due": the first has waited `fill_ms`, or a deadline has passed. "wait": company may
    still come.
    """
    if not queue:
        return "empty"
    batch = plan(queue, limits)
    grown = batch.padded_seconds * (len(batch.members) + 1) > limits.max_padded_seconds
    if len(batch.members) == limits.max_batch or grown:
        return "full"
    waited = now_ms - min(member.queued_ms for member in batch.members)
    late = any(member.deadline_ms <= now_ms for member in batch.members)
    return "due" if late or waited >= limits.fill_ms else "wait"


def group_by_length(seconds: Sequence[float], max_batch: int, stretch: float, pad_seconds: float) -> list[list[int]]:
    """Split utterances into groups of like length for one model call each; return their indices.

    Unlike `plan` it leaves none behind: it serves callers that have a fixed list, such as files.
    """
    groups: list[list[int]] = []
    for index in sorted(range(len(seconds)), key=seconds.__getitem__):
        padded = seconds[index] + pad_seconds
        if groups and len(groups[-1]) < max_batch and padded <= (seconds[groups[-1][0]] + pad_seconds) * stretch:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups
