"""``bench soak``: all stages for an hour under a steady load, and whether anything grows, lags or stops."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from deploy.brokers import Kind
from deploy.gauges import READ, Groups, counters, prompt_wakes, timely_finals, used
from deploy.service import ServiceFailed, WorkerProcess, client_settings, own_broker
from deploy.soak import Sample, climb, summary
from loadtest.endless import REST_S, Endless
from loadtest.publishing import Publisher
from loadtest.replayer import replay
from loadtest.scenario import SCENARIOS, load
from loadtest.verdict import judge
from streams import topics
from streams.ledger import Ledger
from streams.reading import Observed, Reader
from streams.records import Coverage, Finding, Takedown
from streams.settings import Settings

POLICIES = SCENARIOS.parent / "policies"
WATCHED = (topics.FINDINGS, topics.TAKEDOWNS, topics.COVERAGE)
PARTITIONS = 8
EVERY_S = 10.0
SETTLE_S = 90.0
"""After the last chunk, wait at most so long until every second is accounted for."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """``rooms`` of a scenario at once for so many minutes; what comes before ``warm_up_s`` is not counted."""

    minutes: float = 60.0
    rooms: int = 6
    scenario: str = "platform"
    kind: Kind = "apache"
    ramp: bool = False
    """Whether the rooms begin one after another over the whole time: to find how many can be carried."""

    @property
    def warm_up_s(self) -> float:
        """Models are loaded before; caches, buffers and the allocator's arenas fill in the first minutes."""
        return min(600.0, 30.0 * self.minutes)


@dataclass(slots=True)
class Seen:
    """What the stages published."""

    begun_ms: float
    ledger: Ledger = field(default_factory=Ledger)
    takedowns: list[Takedown] = field(default_factory=list)
    finals: list[tuple[float, float]] = field(default_factory=list)
    """When a final finding came (s from the beginning), and how long after the end of speech (s)."""
    partials: int = 0

    def note(self, observed: Observed) -> None:
        """Take in one record."""
        record = observed.record
        if isinstance(record, Coverage):
            self.ledger.add(record)
        elif isinstance(record, Takedown):
            self.takedowns.append(record)
        elif isinstance(record, Finding) and record.final:
            self.finals.append(
                ((observed.arrived_ms - self.begun_ms) / 1000.0, (observed.arrived_ms - record.end_ms) / 1000.0)
            )
        elif isinstance(record, Finding):
            self.partials += 1


async def measure(wanted: Wanted, settings: Settings) -> dict[str, Any]:
    """The whole run.

    Raises:
        ScenarioError, BrokerMissing, BrokerFailed, ServiceFailed: when a part cannot start, or ends.
    """
    scenario = load(wanted.scenario)
    rounds = max(1, round(60.0 * wanted.minutes / (scenario.duration_s + REST_S)))
    endless = Endless(scenario, wanted.rooms, rounds, 60.0 * wanted.minutes if wanted.ramp else 0.0)
    policy = settings.policy or POLICIES / f"{scenario.name}.yaml"
    directory = Path(tempfile.mkdtemp(prefix="roomwarden-soak-"))
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(own_broker(settings, PARTITIONS, wanted.kind))
        here = settings.model_copy(update={"kafka": broker.bootstrap})
        given: dict[str, Any] = (
            client_settings(broker)
            | {
                "partitions": PARTITIONS,
                "state_dir": directory / "state",
                "cache": settings.cache,
            }
            | ({"policy": policy} if policy.is_file() else {})
        )
        worker = await stack.enter_async_context(WorkerProcess(broker.bootstrap, directory / "worker.log", **given))
        await worker.start()
        reader = await stack.enter_async_context(Reader(broker.bootstrap, WATCHED, start="earliest"))
        publisher = await stack.enter_async_context(Publisher(broker.bootstrap))
        groups = await stack.enter_async_context(Groups(here, PARTITIONS))
        recorded = await asyncio.to_thread(endless.recorded)
        begun, seen, samples = time.monotonic(), Seen(time.time() * 1000.0), list[Sample]()

        def over() -> bool:
            return wanted.ramp and time.monotonic() - begun > 60.0 * wanted.minutes

        watching = asyncio.create_task(_watch(reader, seen))
        sampling = asyncio.create_task(_sample(begun, worker, broker.pids, groups, seen, samples))
        playing = asyncio.create_task(replay(endless.traffic(recorded), publisher.send, stop=over))
        tasks = {watching, sampling, playing}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {playing}:
                task.result()
            report = playing.result()
            ended = time.monotonic()
            while seen.ledger.total().under_way > 0.0 and time.monotonic() - ended < SETTLE_S:
                await asyncio.sleep(1.0)
            await asyncio.sleep(2.0)  # what was decided last is on its way
            settled_s = time.monotonic() - ended
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    shutil.rmtree(directory, ignore_errors=True)
    takedowns = [msgspec.to_builtins(each) for each in seen.takedowns]
    verdicts = [judge(endless.round(number), takedowns) for number in range(rounds)]
    total = seen.ledger.total()
    return {
        "scenario": scenario.name,
        "broker": wanted.kind,
        "cores": len(os.sched_getaffinity(0)),
        "rooms": wanted.rooms,
        "tracks": endless.tracks,
        "speech": endless.speech,
        "steady_s": endless.steady_s,
        "replay": report.as_dict(),
        **summary(samples, seen.finals, max(wanted.warm_up_s, endless.round_s * (rounds > 1)), endless.steady_s),
        "ramp": climb(samples, seen.finals, endless) if wanted.ramp else [],
        "partials": seen.partials,
        "stalled": groups.stalled,
        "ledger_s": {
            name: getattr(total, name) / 1000.0
            for name in ("received", "silence", "analysed", "degraded", "deferred", "under_way", "gap")
        }
        | {"lost": {reason: ms / 1000.0 for reason, ms in total.lost.items()}},
        "settled_s": settled_s,
        "takedowns": {
            "due": sum(len(each.due) for each in verdicts),
            "found": sum(len(each.found) for each in verdicts),
            "wrong": sum(len(each.wrong) for each in verdicts),
            "missed": Counter(
                f"{each.speaker.rpartition('-r')[0]}: {each.category}" for v in verdicts for each in v.missed
            ),
        },
    }


async def _watch(reader: Reader, seen: Seen) -> None:
    async for observed in reader.follow():
        seen.note(observed)


async def _sample(
    begun: float,
    worker: WorkerProcess,
    broker: tuple[int | None, ...],
    groups: Groups,
    seen: Seen,
    samples: list[Sample],
) -> None:
    """Every ``EVERY_S`` seconds, for ever; a look that the worker does not answer is left out."""
    for number in itertools.count(1):
        at_s = time.monotonic() - begun
        try:
            cpu_s, memory_mib = used([worker.pid])
        except FileNotFoundError:
            raise ServiceFailed(f"the worker ended; its log says:\n{worker.tail()}") from None
        shown = counters(await asyncio.to_thread(worker.metrics))
        total = seen.ledger.total()
        if shown:
            samples.append(
                Sample(
                    at_s,
                    memory_mib,
                    cpu_s,
                    used(broker)[0],
                    used([os.getpid()])[0],
                    {stage: shown.get(("roomwarden_lag_seconds", stage), 0.0) for stage in READ},
                    await groups.look(),
                    prompt_wakes(shown),
                    timely_finals(shown),
                    total.deferred / 1000.0,
                    sum(total.lost.values()) / 1000.0,
                )
            )
        await asyncio.sleep(max(0.0, begun + EVERY_S * number - time.monotonic()))
