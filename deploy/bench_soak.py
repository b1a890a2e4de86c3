"""``bench soak``: all stages for an hour under a steady load, and whether anything grows, lags or stops."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from prometheus_client.parser import text_string_to_metric_families

from deploy.brokers import Kind
from deploy.service import WorkerProcess, client_settings, own_broker
from deploy.soak import Sample, climb, summary
from loadtest.endless import REST_S, Endless
from loadtest.publishing import Publisher
from loadtest.replayer import replay
from loadtest.scenario import SCENARIOS, load
from loadtest.verdict import judge
from streams import topics
from streams.connection import client_options, start
from streams.ledger import Ledger
from streams.reading import Observed, Reader
from streams.records import Coverage, Finding, Takedown
from streams.settings import Settings
from streams.watchdog import Standing, Watchdog

POLICIES = SCENARIOS.parent / "policies"
READ = {"segment": topics.CHUNKS, "listen": topics.UTTERANCES, "catchup": topics.DEFERRED, "judge": topics.FINDINGS}
"""What each group works off. catchup waits while anything live does, so it is not asked for progress."""
WATCHED = (topics.FINDINGS, topics.TAKEDOWNS, topics.COVERAGE)
PARTITIONS = 8
EVERY_S = 10.0
STALLED_S = 60.0
SETTLE_S = 90.0
"""After the last chunk, wait at most so long until every second is accounted for."""
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


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


class Groups:
    """How far the consumer groups are: records behind, and partitions on which nothing moves."""

    def __init__(self, settings: Settings) -> None:
        options = client_options(settings)
        self._settings = settings
        self._admin: Any = AIOKafkaAdminClient(**options)
        self._consumer: Any = AIOKafkaConsumer(**options)
        self._watchdog = Watchdog(STALLED_S)
        self.stalled: dict[str, float] = {}
        """Partitions with records waiting and nothing acknowledged for ``STALLED_S``, and the longest time (s)."""

    async def __aenter__(self) -> Self:
        await start(self._admin, self._settings)
        await start(self._consumer, self._settings)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()
        await self._admin.close()

    async def look(self) -> dict[str, int]:
        """Records not yet acknowledged, by stage."""
        behind, standings = {}, []
        for stage, row in READ.items():
            group = f"{self._settings.group_prefix}-{stage}"
            mine = [TopicPartition(row.name, number) for number in range(row.partitions(PARTITIONS))]
            found = await self._admin.list_consumer_group_offsets(group, partitions=mine)
            done = {tp: max(0, offset.offset) for tp, offset in found.items()}
            ends = await self._consumer.end_offsets(mine)
            behind[stage] = sum(end - done.get(tp, 0) for tp, end in ends.items())
            standings += [
                Standing(f"{stage}: {tp.topic} {tp.partition}", (done.get(tp, 0),), end > done.get(tp, 0))
                for tp, end in ends.items()
                if stage != "catchup"
            ]
        for each in self._watchdog.look(standings):
            self.stalled[each.what] = max(each.seconds, self.stalled.get(each.what, 0.0))
        return behind


def used(pids: Iterable[int | None]) -> tuple[float, float]:
    """CPU seconds so far and resident memory (MiB) of some processes together."""
    cpu_s = memory = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        cpu_s += (int(fields[11]) + int(fields[12])) / _TICKS
        memory += int(fields[21]) * _PAGE / (1 << 20)
    return cpu_s, memory


def counters(text: str) -> dict[tuple[str, str], float]:
    """Values of a /metrics text by name and, of labels, stage, bucket bound (le) and revision, joined by commas."""
    return {
        (sample.name, ",".join(sample.labels[key] for key in ("stage", "revision", "le") if key in sample.labels)): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


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
        groups = await stack.enter_async_context(Groups(here))
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


def _timely(shown: dict[tuple[str, str], float]) -> tuple[float, float]:
    late = shown.get(("roomwarden_deadline_slack_seconds_bucket", "final,0.0"), 0.0)
    every = shown.get(("roomwarden_deadline_slack_seconds_count", "final"), 0.0)
    return every - late, every


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
    """Every ``EVERY_S`` seconds, for ever."""
    while True:
        at_s = time.monotonic() - begun
        cpu_s, memory_mib = used([worker.pid])
        shown = counters(await asyncio.to_thread(worker.metrics))
        total = seen.ledger.total()
        samples.append(
            Sample(
                at_s,
                memory_mib,
                cpu_s,
                used(broker)[0],
                used([os.getpid()])[0],
                {stage: shown.get(("roomwarden_lag_seconds", stage), 0.0) for stage in READ},
                await groups.look(),
                (shown["roomwarden_loop_lag_seconds_bucket", "0.02"], shown["roomwarden_loop_lag_seconds_count", ""]),
                _timely(shown),
                total.deferred / 1000.0,
                sum(total.lost.values()) / 1000.0,
            )
        )
        await asyncio.sleep(max(0.0, begun + EVERY_S * len(samples) - time.monotonic()))
