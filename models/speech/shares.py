"""Fair shares of the recogniser between tenants, and rooms at risk first within a tenant's share.

Start-time fair queueing (Goyal, Vin, Cheng: "Start-time Fair Queuing", SIGCOMM 1996) by seconds of audio: what a tenant
is given moves its next turn back, and the earliest turn leads the next batch. A tenant that asks for less than its
share finds all turns of a flooding one behind its own, so it waits for no more than the batches that are in the model.
Capacity that nobody else wants goes to whoever does: an order of turns leaves no batch emptier.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from models.speech.batching import Batch, BatchLimits, Pending, urgency

PARTIAL_LATER = 0.75
"""By so much of a batch; in simulation (tests/support/queueing.py) from 0.25 to 1.5 nothing changes abruptly."""


class FairShares:
    """Gives turns to what waits and charges batches to their tenants. No clock: time is what was served."""

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._now = 0.0  # virtual time: the turn of the batch given out last, in seconds of audio
        self._next: dict[str, float] = {}  # the next turn of each tenant that waits, or whose turn is later than now
        self._waiting: set[str] = set()

    def turns(self, queue: Iterable[Pending]) -> list[Pending]:
        """What waits, with its `turn`: within a tenant, rooms at risk first, then by urgency.

        Partials give way to other tenants' finals by a part of a batch: enough that everybody's finals come first while
        all are served in time, and too little for a flood of finals to take the partials away from the others.
        """
        by_tenant: dict[str, list[Pending]] = {}
        for item in queue:
            by_tenant.setdefault(item.tenant, []).append(item)
        self._admit(set(by_tenant))
        given: list[Pending] = []
        for tenant, items in by_tenant.items():
            turn = self._next[tenant]
            for item in sorted(items, key=urgency):
                later = PARTIAL_LATER * self._limits.max_padded_seconds if item.partial else 0.0
                given.append(replace(item, turn=turn + later))
                turn += self._cost(item)
        return given

    def company(self, given: Sequence[Pending]) -> list[Pending]:
        """Of what waits, with its turns, what may be in the next batch: nothing of tenants who fill some of their own.

        A seat in another's batch gains them nothing and makes the other wait for a longer one; and in a batch of
        partials it is a partial that is heard while finals of theirs wait.
        """
        seconds: dict[str, float] = {}
        for item in given:
            seconds[item.tenant] = seconds.get(item.tenant, 0.0) + self._cost(item)
        leader = min(given, key=urgency).tenant if given else ""
        return [
            item for item in given if item.tenant == leader or seconds[item.tenant] <= self._limits.max_padded_seconds
        ]

    def charge(self, batch: Batch) -> None:
        """Note that a batch planned from the latest turns is given out: the first of it sets the time."""
        if batch.members:
            self._now = max(self._now, self._next[batch.members[0].tenant])
        for item in batch.members:
            self._next[item.tenant] += self._cost(item)

    def _admit(self, waiting: set[str]) -> None:
        """Whoever comes anew is next, unless it was given much a moment ago; a time of rest earns nothing."""
        for tenant in waiting - self._waiting:
            self._next[tenant] = max(self._now, self._next.get(tenant, 0.0))
        # Where nobody waits there is enough for all: nobody owes anybody anything.
        owing = self._next if waiting else {}
        self._next = {tenant: turn for tenant, turn in owing.items() if tenant in waiting or turn > self._now}
        self._waiting = waiting

    def _cost(self, item: Pending) -> float:
        return item.seconds + self._limits.pad_seconds
