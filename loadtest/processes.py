"""A replay from several processes: each plays every n-th room; their reports add up to one."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from loadtest.publishing import Publisher
from loadtest.replayer import ReplayReport, replay
from loadtest.schema import Scenario
from loadtest.traffic import traffic
from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class Plan:
    """What one process plays: ``shard`` of ``traffic``."""

    scenario: Scenario
    run: str
    seed: int | None
    speed: float
    settings: Settings
    shard: tuple[int, int]


def replay_from(processes: int, plan: Plan) -> ReplayReport:
    """Play a scenario from several processes; blocks until all are done.

    Raises:
        KafkaRefused: when a process is not let in; whatever else ended one of them.
    """
    if processes == 1:
        return _play(plan)
    plans = [
        Plan(plan.scenario, plan.run, plan.seed, plan.speed, plan.settings, (index, processes))
        for index in range(processes)
    ]
    # Spawned, not forked: event loops and their threads do not survive a fork.
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        return merged(list(pool.map(_play, plans)))


def merged(reports: Sequence[ReplayReport]) -> ReplayReport:
    """Reports of disjoint shards as one; it began with the first and took as long as the longest."""
    total = ReplayReport(min(report.start_unix_ms for report in reports), reports[0].speed)
    for report in reports:
        for name in ("chunks", "events", "audio_ms", "payload_bytes", "rooms", "tracks"):
            setattr(total, name, getattr(total, name) + getattr(report, name))
        total.elapsed_ms = max(total.elapsed_ms, report.elapsed_ms)
        total.stopped = total.stopped or report.stopped
        total.content_types += report.content_types
        total.drift.bins = [a + b for a, b in zip(total.drift.bins, report.drift.bins, strict=True)]
        total.drift.count += report.drift.count
        total.drift.total_ms += report.drift.total_ms
        total.drift.max_ms = max(total.drift.max_ms, report.drift.max_ms)
    return total


def _play(plan: Plan) -> ReplayReport:
    return asyncio.run(_publish(plan))


async def _publish(plan: Plan) -> ReplayReport:
    async with Publisher(plan.settings) as publisher:
        items = traffic(plan.scenario, run=plan.run, seed=plan.seed, shard=plan.shard)
        return await replay(items, publisher.send, speed=plan.speed)
