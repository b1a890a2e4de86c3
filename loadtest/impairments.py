"""What happens to chunks on their way: jitter, loss, duplicates, reordering, DTX. Seeded, lazy, in sending order."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count

from loadtest.events import TimedChunk
from loadtest.schema import Impairments

_OVERTAKEN_MAX = 2
"""A reordered chunk is overtaken by at most this many of its followers."""


def impair(chunks: Iterable[TimedChunk], how: Impairments, seed: str) -> Iterator[TimedChunk]:
    """The chunks of one track as they reach the broker, ordered by ``at_ms``.

    Jitter alone never changes the order (a sender's queue is first in, first out); ``reorder`` does. Memory holds
    the chunks that are later than a follower, no more.
    """
    if how.jitter_ms == how.loss == how.duplicate == how.reorder == 0:
        yield from chunks
        return
    dice = random.Random(seed)
    ties = count()
    waiting: list[tuple[float, int, TimedChunk]] = []
    queue_ms = 0.0
    for chunk in chunks:
        # Four draws for every chunk, used or not: one option's setting never changes another's outcome.
        late, lost, twice, back = dice.random(), dice.random(), dice.random(), dice.random()
        while waiting and waiting[0][0] < chunk.at_ms:
            yield heapq.heappop(waiting)[2]
        queue_ms = max(queue_ms, chunk.at_ms + late * how.jitter_ms)
        if lost < how.loss:
            continue
        at_ms = queue_ms
        if back < how.reorder:
            at_ms += chunk.duration_ms * (_OVERTAKEN_MAX if back < how.reorder / 2 else 1) + 1.0
        heapq.heappush(waiting, (at_ms, next(ties), replace(chunk, at_ms=at_ms)))
        if twice < how.duplicate:
            again = at_ms + chunk.duration_ms / 2
            heapq.heappush(waiting, (again, next(ties), replace(chunk, at_ms=again)))
    while waiting:
        yield heapq.heappop(waiting)[2]
