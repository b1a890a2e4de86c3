"""A recogniser with a queue, in virtual time: who waits how long under a load, without a second of waiting."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from loadtest.overload import Said, cost_s
from models.deferral import Waiting, reasons
from models.speech.batching import Batch, BatchLimits, Pending, plan, readiness
from models.speech.shares import FairShares

LANES = 2
POLL_MS = 5
LIMITS = BatchLimits(max_batch=16, max_padded_seconds=12.0, fill_ms=40)


@dataclass
class Served:
    """What came of a load: s from coming to the result, by tenant and kind (True: partial), and the batches."""

    took_s: dict[tuple[str, bool], list[float]] = field(default_factory=dict)
    batches: list[Batch] = field(default_factory=list)
    deferred: list[tuple[str, str]] = field(default_factory=list)
    """Tenant and reason of each final that was left for later."""
    busy_s: float = 0.0
    ended_s: float = 0.0

    def of(self, *tenants: str, partial: bool = False) -> list[float]:
        """What results of some tenants took, in ascending order."""
        return sorted(took for tenant in tenants for took in self.took_s.get((tenant, partial), []))


def p95(values: list[float]) -> float:
    """Of values in ascending order."""
    return values[int(0.95 * (len(values) - 1))]


def serve(
    said: list[Said],
    *,
    fair: bool = True,
    limits: BatchLimits = LIMITS,
    bound_s: float = math.inf,
    lenient: Mapping[str, str] = MappingProxyType({}),
) -> Served:
    """Work a load off on two lanes, as `listen` does: partials go when out of date, batches wait for company.

    `bound_s`: finals that waited longer are deferred; `lenient`: why speakers (as `tenant-track`) may be made to wait.
    """
    shares, served = FairShares(limits), Served()
    free_at, now_ms, come = [0] * LANES, 0, 0
    waiting: list[Pending] = []
    while come < len(said) or waiting:
        while come < len(said) and 1000 * said[come].at_s <= now_ms:
            each, come = said[come], come + 1
            waiting = [item for item in waiting if not (item.partial and item.id.startswith(f"{each.utterance}."))]
            waiting.append(_pending(each, now_ms))
        waiting = [item for item in waiting if not (item.partial and now_ms - item.queued_ms > 500)]
        finals = [item for item in waiting if not item.partial]
        ages = [(now_ms - item.queued_ms) / 1000.0 for item in finals]
        who = [lenient.get(item.id.rpartition("-")[0], "") for item in finals]
        queued = [Waiting(f.tenant, age, False, why) for f, age, why in zip(finals, ages, who, strict=True)]
        for item, why in zip(finals, reasons(queued, 0.6, bound_s), strict=True):
            if why:
                served.deferred.append((item.tenant, why))
                waiting.remove(item)
        lane = min(range(LANES), key=free_at.__getitem__)
        if waiting and free_at[lane] <= now_ms:
            turns = shares.turns(waiting) if fair else waiting
            queue = shares.company(turns) if fair else turns
            if len(queue) < len(turns) or readiness(queue, now_ms, limits) in ("full", "due"):
                batch = plan(queue, limits)
                if fair:
                    shares.charge(batch)
                done_ms = now_ms + round(1000 * _cost_s(batch))
                free_at[lane] = done_ms
                served.batches.append(batch)
                served.busy_s += _cost_s(batch)
                for item in batch.members:
                    took = (done_ms - item.queued_ms) / 1000.0
                    served.took_s.setdefault((item.tenant, item.partial), []).append(took)
                waiting = [item for item in waiting if item.id not in batch.ids]
                continue
        served.ended_s = max(free_at) / 1000.0
        following = [round(1000 * said[come].at_s) + 1] if come < len(said) else []
        if waiting:
            following.append(now_ms + POLL_MS if free_at[lane] <= now_ms else free_at[lane])
        now_ms = max(now_ms + 1, min(following, default=now_ms))
    return served


def _cost_s(batch: Batch) -> float:
    return cost_s(len(batch.members), batch.padded_seconds, partial=batch.members[0].partial)


def _pending(said: Said, now_ms: int) -> Pending:
    return Pending(
        id=f"{said.utterance}.{'final' if not said.partial else said.seconds}",
        seconds=said.seconds,
        deadline_ms=now_ms + (1100 if said.partial else 600),
        partial=said.partial,
        queued_ms=now_ms,
        tenant=said.tenant,
    )
