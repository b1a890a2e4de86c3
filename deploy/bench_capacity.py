"""``bench capacity``: more and more speaking tracks, until takedowns are late; per stage, against peers, and alone."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deploy.bench_latency import latencies
from deploy.board import percentile
from deploy.capacity import Assumptions, extrapolate
from deploy.demo import WATCHED, DemoResult, until
from deploy.gauges import used
from deploy.service import WorkerProcess, client_settings, own_broker
from deploy.view import View
from loadtest import timeline
from loadtest.events import TimedChunk
from loadtest.peers import Kind, Stream, play, whisper
from loadtest.publishing import Publisher
from loadtest.replayer import ReplayReport, replay
from loadtest.scenario import Scenario, Speaker, load, spoken_end
from loadtest.traffic import traffic
from loadtest.verdict import judge as judge_run
from models.segmenting import SegmentEngine
from models.segments import Chunk
from streams.reading import Reader
from streams.settings import Settings

STAGES = ("segment", "listen", "judge")
SPEECH = "ten_tracks"
"""Two people in a room who never pause: every track is a speaking track."""
TRACKS_PER_ROOM = 2
STEPS = (1, 2, 3, 5, 8, 12, 16, 20, 25, 32, 40, 50, 64, 80, 100)
"""Rooms, one step after another."""
STAGGER_MS = 173
PEER_STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24)
PEERS: tuple[tuple[Kind, str], ...] = (("stream", "one stream a model (WhisperLive)"), ("slices", "slices of 10 s"))
PATIENCE_S = 20.0
STEP_MS = 30.0
PARTITIONS = 8


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to measure."""

    seconds: float = 30.0
    bound_ms: float = 2_000.0
    most_rooms: int = 100
    processes: tuple[int, ...] = (1, 2)
    peers: bool = True


def speech(rooms: int, seconds: float) -> Scenario:
    """``rooms`` rooms of two tracks that speak until the end; due is what is said in full by then."""

    def cut(speaker: Speaker) -> Speaker:
        begun = [line for line in speaker.utterances if line.at_s < seconds]
        said = tuple(
            line if line.at_s + spoken_end(line) / 1000.0 <= seconds else line.model_copy(update={"due": None})
            for line in begun
        )
        return speaker.model_copy(update={"utterances": said, "clean": not any(line.due for line in said)})

    whole = load(SPEECH)
    pairs = tuple(room.model_copy(update={"speakers": tuple(map(cut, room.speakers))}) for room in whole.rooms)
    short = whole.model_copy(update={"rooms": pairs, "duration_s": min(seconds, whole.duration_s)})
    return short.scaled(rooms, stagger_ms=STAGGER_MS)


async def measure(wanted: Wanted, settings: Settings) -> dict[str, Any]:
    """Everything, one after another, so that the figures are of one machine in one mood.

    Raises:
        ScenarioError, ServiceFailed, WeightsError: when a part cannot start.
    """
    curves: list[dict[str, Any]] = []
    stages: dict[str, Any] = {}
    for count in wanted.processes:
        steps, usage = await climb(wanted, settings, count)
        name = f"roomwarden, {count} process{'es' if count > 1 else ''} a stage"
        curves.append({"name": name, "steps": steps, "carried": carried(steps)})
        stages = stages or usage
    if wanted.peers:
        for kind, name in PEERS:
            steps = await asyncio.to_thread(peer, kind, wanted, settings)
            curves.append({"name": name, "steps": steps, "carried": carried(steps)})
    alone = await asyncio.to_thread(segment_alone, wanted.seconds)
    per_core = {name: row["tracks_per_core"] for name, row in stages.items()}
    assumed = Assumptions()
    return {
        "cores": len(os.sched_getaffinity(0)),
        "seconds": wanted.seconds,
        "bound_ms": wanted.bound_ms,
        "curves": curves,
        "stages": stages,
        "segment_alone": alone,
        "extrapolation": extrapolate(per_core, sum(row["bytes_track_s"] for row in stages.values()), assumed),
        "assumed": assumed.sentences(),
    }


def carried(steps: Sequence[dict[str, Any]]) -> int:
    """Most tracks of a step that held its bound, before the first that did not."""
    most = 0
    for step in steps:
        if not step["held"]:
            break
        most = step["tracks"]
    return most


async def climb(wanted: Wanted, settings: Settings, count: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Steps until one does not hold, and the use of each stage in the last that did (in the first, if none)."""
    steps: list[dict[str, Any]] = []
    usage: dict[str, Any] = {}
    for rooms in (rooms for rooms in STEPS if rooms <= wanted.most_rooms):
        step, used = await run_step(speech(rooms, wanted.seconds), settings, count, wanted.bound_ms)
        steps.append(step)
        if not usage or step["held"]:
            usage = used
        if not step["held"]:
            break
    return steps, usage


async def run_step(
    scenario: Scenario, settings: Settings, count: int, bound_ms: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """One load on a broker and workers of its own: a row of the curve, and what each stage used."""
    directory = Path(tempfile.mkdtemp(prefix="roomwarden-capacity-"))
    tracks = sum(len(room.speakers) for room in scenario.rooms)
    view = View("silent", "capacity")
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(own_broker(settings, PARTITIONS))
        workers: dict[str, list[WorkerProcess]] = {stage: [] for stage in STAGES}
        for stage in STAGES:
            for number in range(count):
                given: dict[str, Any] = client_settings(broker) | {
                    "partitions": PARTITIONS,
                    "state_dir": directory / f"{stage}-{number}",
                    "cache": settings.cache,
                    "device": settings.device,
                    "threads": max(1, settings.threads // count),
                    "replicas": max(1, settings.replicas // count),
                }
                worker = WorkerProcess(broker.bootstrap, directory / f"{stage}-{number}.log", [stage], **given)
                workers[stage].append(await stack.enter_async_context(worker))
        everyone = [worker for group in workers.values() for worker in group]
        await asyncio.gather(*(worker.start() for worker in everyone))
        reader = await stack.enter_async_context(Reader(broker.bootstrap, WATCHED, start="earliest"))
        publisher = await stack.enter_async_context(Publisher(broker.bootstrap))
        watch = asyncio.create_task(_watch(reader, view))
        before = {stage: _used(group) for stage, group in workers.items()}
        begun = time.monotonic()
        report = await replay(traffic(scenario), publisher.send)
        elapsed = time.monotonic() - begun
        after = {stage: _used(group) for stage, group in workers.items()}
        lag_s = max(_lag(worker.metrics()) for worker in everyone)
        await _settled(view, watch)
        usage = {stage: _row(before[stage], after[stage], elapsed, tracks) for stage in STAGES}
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
    shutil.rmtree(directory, ignore_errors=True)
    usage["segment"] |= _bytes(report, elapsed, tracks)
    return _step(scenario, view, report, tracks, lag_s, bound_ms), usage


def _step(
    scenario: Scenario, view: View, report: ReplayReport, tracks: int, lag_s: float, bound_ms: float
) -> dict[str, Any]:
    takedowns: list[dict[str, Any]] = []
    result = DemoResult(judge_run(scenario, takedowns), report, 0.0, 0.0)
    found = [ms for ms, _ in latencies(scenario.dues(), result, view.board)]
    due = len(scenario.dues())
    p95 = percentile(found, 0.95)
    # Whatever did not come within the patience of `latencies` is later than the bound, and counts as such.
    held = bool(found) and p95 <= bound_ms and len(found) >= 0.9 * due and lag_s * 1000.0 <= 2 * bound_ms
    return {
        "tracks": tracks,
        "p50": percentile(found, 0.5),
        "p95": p95,
        "due": due,
        "found": len(found),
        "lag_s": lag_s,
        "drift_p99_ms": report.drift.percentile(0.99),
        "held": held,
    }


async def _watch(reader: Reader, view: View) -> None:
    async for observed in reader.follow():
        view.note(observed)


async def _settled(view: View, watch: asyncio.Task[None]) -> None:
    """Until everything that was said is analysed, or patience is over."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and not watch.done():
        await asyncio.sleep(0.5)
        if view.board.settled():
            await asyncio.sleep(1.0)
            return


@dataclass(frozen=True, slots=True)
class _Used:
    cpu_s: float
    memory_bytes: int
    records: float


def _used(workers: Sequence[WorkerProcess]) -> _Used:
    cpu_s, memory_mib = used(worker.pid for worker in workers)
    records = 0.0
    for worker in workers:
        records += sum(map(float, re.findall(r"^roomwarden_records_total\S* (\S+)$", worker.metrics(), re.MULTILINE)))
    return _Used(cpu_s, int(memory_mib * (1 << 20)), records)


def _lag(text: str) -> float:
    return max(map(float, re.findall(r"^roomwarden_lag_seconds\S* (\S+)$", text, re.MULTILINE)), default=0.0)


def _row(before: _Used, after: _Used, elapsed: float, tracks: int) -> dict[str, float]:
    cpu = (after.cpu_s - before.cpu_s) / elapsed
    return {
        "records_s": (after.records - before.records) / elapsed,
        "cpu": cpu,
        "tracks_per_core": tracks / cpu if cpu else 0.0,
        "memory_mb": after.memory_bytes / 1e6,
        "bytes_s": 0.0,
        "bytes_track_s": 0.0,
    }


def _bytes(report: ReplayReport, elapsed: float, tracks: int) -> dict[str, float]:
    """Audio that came in, and the utterances that segment makes of it: see docs/operate.md for their 110 kB/s."""
    come_in = report.payload_bytes / elapsed
    return {"bytes_s": come_in, "bytes_track_s": come_in / tracks + 110_000.0}


def peer(kind: Kind, wanted: Wanted, settings: Settings) -> list[dict[str, Any]]:
    """Steps of a peer, with the same weights and all cores, until its p95 breaks the bound."""
    from faster_whisper import WhisperModel

    from models.weights import find

    directory = Path(settings.whisper)
    weights = find(settings.whisper, path=directory if directory.is_dir() else None, cache=settings.cache)
    cores = len(os.sched_getaffinity(0))
    model = WhisperModel(str(weights.directory), device=settings.device, compute_type="int8", cpu_threads=cores)
    hear = whisper(model)
    hear(np.zeros(16_000, np.float32))  # the first call warms up
    steps: list[dict[str, Any]] = []
    for count in PEER_STEPS:
        streams = _streams(count, wanted.seconds)
        play(kind, streams, hear)
        found = [1000.0 * late for stream in streams for late in stream.latencies_s]
        due = sum(len(stream.phrases) for stream in streams)
        p95 = percentile(found, 0.95)
        step = {"tracks": count, "p50": percentile(found, 0.5), "p95": p95, "due": due, "found": len(found)}
        steps.append(step | {"lag_s": 0.0, "held": bool(found) and p95 <= wanted.bound_ms})
        if not steps[-1]["held"] and p95 > 15_000:
            break
        if not steps[-1]["held"] and kind == "stream":
            break
    return steps


def _streams(count: int, seconds: float) -> list[Stream]:
    scenario = speech(max(1, -(-count // TRACKS_PER_ROOM)), seconds)
    speakers = [speaker for room in scenario.rooms for speaker in room.speakers][:count]
    found = []
    for speaker in speakers:
        pcm = np.concatenate(list(timeline.blocks(speaker, scenario.duration_s * 1000.0)))
        ends = [line.at_s + spoken_end(line) / 1000.0 for line in speaker.utterances if line.due]
        found.append(Stream((pcm / 32768.0).astype(np.float32), ends))
    return found


def segment_alone(seconds: float, rooms: int = 50) -> dict[str, float]:
    """Tracks per core of the segment engine by itself, in CPU time: people who never pause, and rooms as they are."""
    result = {}
    for name, scenario in (
        ("speaking all the time", speech(rooms, min(seconds, 15.0))),
        (
            "as in the scenario platform",
            until(load("platform"), min(seconds, 30.0)).scaled(rooms, stagger_ms=STAGGER_MS),
        ),
    ):
        chunks = [item for item in traffic(scenario) if isinstance(item, TimedChunk)]
        engine = SegmentEngine()
        begun, beat = time.process_time(), STEP_MS
        for number, item in enumerate(chunks):
            if item.at_ms > beat:
                engine.step(beat)
                beat = STEP_MS * (1 + item.at_ms // STEP_MS)
            captured = 1_790_000_000_000.0 + item.capture_offset_ms
            engine.push(
                Chunk(
                    *(item.session, item.sequence, captured, item.duration_ms, item.content_type, item.payload),
                    item.last,
                    number,
                )
            )
        engine.step(beat)
        spent = time.process_time() - begun
        result[name] = sum(item.duration_ms for item in chunks) / 1000.0 / spent
    return result
