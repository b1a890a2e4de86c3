"""``bench overload``: one tenant floods a worker of listen; what becomes of every second, and of the other tenant.

Kafka and `listen` are real, the recogniser is ``StatedCost``: two lanes that take the time a batch would. Utterances
come from a script, not from `segment`. So the figures are of queueing alone, and alike on every machine that keeps up.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from agents.listen import Listen
from agents.worker import Worker
from deploy.board import percentile
from deploy.service import WorkerProcess, client_settings, own_broker
from loadtest.overload import CARRIED, HANGOVER_S, Said, StatedCost, talk
from streams import records
from streams.codec import encode
from streams.connection import client_options, start
from streams.identifiers import coverage_id
from streams.ledger import Ledger
from streams.logs import configure
from streams.reading import Observed, Reader
from streams.settings import Settings
from streams.settings import load as load_settings
from streams.topics import COVERAGE, FINDINGS

STEADY, FLOODING = "steady", "flooding"
USUAL = {STEADY: 6, FLOODING: 4}
"""Tracks of each tenant while nobody floods: two thirds of what is carried."""
SETTLE_S = 3.0
"""After a change of load, before latencies count."""
PARTITIONS = 4
RATE = 16_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """``seconds`` of flood at ``times`` the tracks that are carried, and how long to wait until all is caught up."""

    seconds: float = 600.0
    times: float = 3.0
    patience_s: float = 1_800.0
    seed: int = 6

    @property
    def calm_s(self) -> float:
        """How long the usual load is measured first."""
        return min(self.seconds, 120.0)


@dataclass(slots=True)
class Tally:
    """What listen published: latencies (s) of live finals by tenant and phase, and the ledger of each tenant."""

    phase: str = "start"
    took_s: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    partials: dict[tuple[str, str], int] = field(default_factory=dict)
    ledgers: dict[str, Ledger] = field(default_factory=lambda: {STEADY: Ledger(), FLOODING: Ledger()})

    def note(self, observed: Observed) -> None:
        """Take in one record."""
        record = observed.record
        if isinstance(record, records.Coverage):
            self.ledgers[record.tenant].add(record)
        elif isinstance(record, records.Finding):
            key = (record.tenant, self.phase)
            if not record.final:
                self.partials[key] = self.partials.get(key, 0) + 1
            elif "deferred" not in record.degraded:
                self.took_s.setdefault(key, []).append((observed.arrived_ms - record.end_ms) / 1000.0)

    def p95_s(self, tenant: str, phase: str) -> float:
        """Of the live finals, from the end of speech to the finding's record."""
        return percentile(self.took_s.get((tenant, phase), []), 0.95)

    def seconds(self, tenant: str) -> dict[str, float]:
        """The ledger of a tenant so far, in s."""
        total = self.ledgers[tenant].total()
        kinds = ("received", "analysed", "degraded", "deferred", "under_way")
        return {kind: getattr(total, kind) / 1000.0 for kind in kinds} | {"lost": sum(total.lost.values()) / 1000.0}

    def waiting(self, kind: str) -> float:
        """Seconds of both tenants that are ``deferred`` or ``under_way``."""
        return sum(self.seconds(tenant)[kind] for tenant in self.ledgers)


def load(wanted: Wanted) -> list[Said]:
    """The usual tracks from the beginning until patience ends, and those of the flood in between."""
    usual = talk(USUAL, wanted.calm_s + wanted.seconds + wanted.patience_s, wanted.seed)
    more = {FLOODING: round(wanted.times * CARRIED) - sum(USUAL.values())}
    flood = talk(more, wanted.seconds, wanted.seed + 1, begin_s=wanted.calm_s, label="flood-")
    return sorted(usual + flood, key=lambda said: said.at_s)


async def measure(wanted: Wanted, settings: Settings) -> dict[str, Any]:
    """Calm, flood, and until everything that was deferred is caught up.

    Raises:
        BrokerMissing, ServiceFailed: when a part cannot start.
    """
    directory = Path(tempfile.mkdtemp(prefix="roomwarden-overload-"))
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(own_broker(settings, PARTITIONS))
        given: dict[str, Any] = client_settings(broker) | {
            "partitions": PARTITIONS,
            "state_dir": directory,
            "replicas": 2,
            "live_wait_ms": settings.live_wait_ms,
            "sounds": False,
            "synthetic": False,
            "word_times": False,
        }
        worker = WorkerProcess(broker.bootstrap, directory / "worker.log", command=[__spec__.name], **given)
        await (await stack.enter_async_context(worker)).start()
        reader = await stack.enter_async_context(Reader(broker.bootstrap, (FINDINGS, COVERAGE), start="earliest"))
        tally = Tally()
        tasks = [
            asyncio.create_task(watch(reader, tally)),
            asyncio.create_task(play(load(wanted), broker.bootstrap)),
        ]
        stack.push_async_callback(_cancel, tasks)
        result = await _phases(wanted, tally, tasks)
    shutil.rmtree(directory, ignore_errors=True)
    return result | {"live_wait_s": settings.live_wait_ms / 1000.0}


async def _phases(wanted: Wanted, tally: Tally, tasks: list[asyncio.Task[None]]) -> dict[str, Any]:
    async def phase(name: str, seconds: float) -> None:
        tally.phase = "changing"
        await _wait(SETTLE_S, tasks)
        tally.phase = name
        await _wait(max(0.0, seconds - SETTLE_S), tasks)

    await phase("calm", wanted.calm_s)
    before = {tenant: tally.seconds(tenant) for tenant in tally.ledgers}
    await phase("flood", wanted.seconds)
    await _wait(SETTLE_S, tasks)  # what was said last is on its way
    after = {tenant: tally.seconds(tenant) for tenant in tally.ledgers}
    ended = time.monotonic()
    tally.phase = "after"
    while tally.waiting("deferred") > 0.0 and time.monotonic() - ended < wanted.patience_s:
        await _wait(0.5, tasks)
    caught_up_s = time.monotonic() - ended
    tasks[1].cancel()
    while tally.waiting("under_way") > 0.0 and time.monotonic() - ended < wanted.patience_s + 60.0:
        await asyncio.sleep(0.2)
    tenants = {}
    for tenant in tally.ledgers:
        during = {kind: after[tenant][kind] - before[tenant][kind] for kind in after[tenant]}
        calm, flood = tally.p95_s(tenant, "calm"), tally.p95_s(tenant, "flood")
        tenants[tenant] = {
            "calm_p95_s": calm,
            "flood_p95_s": flood,
            "moved": flood / calm - 1.0 if calm else 0.0,
            "finals": len(tally.took_s.get((tenant, "flood"), [])),
            "partials_a_s": {
                name: tally.partials.get((tenant, name), 0) / seconds
                for name, seconds in (("calm", wanted.calm_s), ("flood", wanted.seconds))
            },
            "flood_s": during,
            "end_s": tally.seconds(tenant),
        }
    return {
        "seconds": wanted.seconds,
        "times": wanted.times,
        "tracks": {"usual": sum(USUAL.values()), "carried": CARRIED, "flood": round(wanted.times * CARRIED)},
        "tenants": tenants,
        "backlog_s": sum(row["deferred"] for row in after.values()),
        "caught_up_after_s": caught_up_s,
        "left_s": tally.waiting("deferred"),
        "unaccounted_s": tally.waiting("under_way"),
    }


async def _wait(seconds: float, tasks: list[asyncio.Task[None]]) -> None:
    """Wait, unless a task ends: none of them should."""
    done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


async def watch(reader: Reader, tally: Tally) -> None:
    """Tally what comes, for ever."""
    async for observed in reader.follow():
        tally.note(observed)


async def play(said: list[Said], bootstrap: str) -> None:
    """Publish each revision when its time has come, as `segment` would."""
    producer: Any = AIOKafkaProducer(**client_options(bootstrap), linger_ms=2, max_request_size=4 << 20, acks="all")
    await start(producer, bootstrap)
    begun = time.monotonic()
    try:
        for each in said:
            await asyncio.sleep(max(0.0, begun + each.at_s - time.monotonic()))
            for record in published(each, time.time() * 1000.0):
                message = encode(record)
                await producer.send(message.topic, message.value, message.key, headers=message.headers)
    finally:
        await producer.stop()


def published(said: Said, now_ms: float) -> list[records.Record]:
    """A revision as records, and for a final its seconds in the ledger."""
    end_ms = now_ms - (0.0 if said.partial else 1000.0 * HANGOVER_S)
    milliseconds = round(said.seconds * 1000.0)
    utterance = records.Utterance(
        utterance_id=f"ut_{said.utterance}",
        revision=said.revision,
        final=not said.partial,
        tenant=said.tenant,
        room=said.track,
        speaker="somebody",
        session=said.track,
        start_ms=end_ms - milliseconds,
        end_ms=end_ms,
        overlap_ms=0.0,
        accounted_ms=0.0 if said.partial else float(milliseconds),
        speech_ms=float(milliseconds),
        first_sequence=0,
        last_sequence=0,
        cause="partial" if said.partial else "endpoint",
        declared_synthetic=False,
        segmented_ms=now_ms,
        audio=bytes(2 * milliseconds * RATE // 1000),
    )
    if said.partial:
        return [utterance]
    spoken = records.Coverage(
        coverage_id=coverage_id(said.tenant, utterance.utterance_id, "segment"),
        stage="segment",
        kind="speech",
        tenant=said.tenant,
        room=utterance.room,
        speaker=utterance.speaker,
        session=utterance.session,
        start_ms=utterance.start_ms,
        end_ms=end_ms,
        milliseconds=utterance.accounted_ms,
        utterance_id=utterance.utterance_id,
    )
    return [utterance, spoken]


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks, return_exceptions=True)


def table(result: dict[str, Any]) -> str:
    """For a terminal."""
    tracks = result["tracks"]
    lines = [
        f"{result['seconds']:g} s at {tracks['flood']} tracks, where {tracks['carried']} can be carried",
        f"recogniser of stated cost on two lanes; a final waits {result['live_wait_s']:g} s at most",
        "",
        "| tenant | p95 s | flood | moved | partials/s | flood | said s | heard | with less | open | deferred | lost |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in result["tenants"].items():
        said = row["flood_s"]["received"] or 1.0
        shares = " | ".join(
            f"{row['flood_s'][kind] / said:.1%}" for kind in ("analysed", "degraded", "under_way", "deferred", "lost")
        )
        partials = row["partials_a_s"]
        lines.append(
            f"| {name} | {row['calm_p95_s']:.2f} | {row['flood_p95_s']:.2f} | {row['moved']:+.0%} | "
            f"{partials['calm']:.1f} | {partials['flood']:.1f} | {said:.0f} | {shares} |"
        )
    backlog, left, took = result["backlog_s"], result["left_s"], result["caught_up_after_s"]
    lines.append("")
    lines.append(f"deferred when the flood ended: {backlog:.0f} s; {left:.0f} s left after {took:.0f} s of usual load")
    lines.append(f"not accounted for: {result['unaccounted_s']:.3f} s")
    return "\n".join(lines)


async def _serve() -> None:
    """The worker: listen with a recogniser of stated cost, until SIGTERM."""
    settings = load_settings()
    configure(settings)
    worker = Worker(settings, ["listen"])
    for stage in worker.stages:
        if isinstance(stage, Listen):
            stage.recogniser = StatedCost()
    await worker.run()


if __name__ == "__main__":
    asyncio.run(_serve())
