"""The demo: a broker, all stages, a scenario in real time, a live view, and a verdict at the end."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from deploy.service import WorkerProcess, client_settings, own_broker
from deploy.view import View
from loadtest.publishing import Publisher
from loadtest.replayer import ReplayReport, replay
from loadtest.scenario import Scenario, Speaker
from loadtest.traffic import traffic
from loadtest.verdict import Verdict
from loadtest.verdict import judge as judge_run
from streams import topics
from streams.reading import Reader
from streams.settings import Settings

SETTLE_S = 30.0
"""After the last chunk, wait at most this long until everything said has been analysed."""
WATCHED = (topics.ROOMS, topics.FINDINGS, topics.RISKS, topics.TAKEDOWNS, topics.COVERAGE)
PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What came of a demo run."""

    verdict: Verdict
    replay: ReplayReport
    start_s: float
    """From the command to the first chunk: broker, topics, models, groups."""
    run_s: float


def until(scenario: Scenario, seconds: float) -> Scenario:
    """The first seconds of a scenario; lines that would not be over by then, and what is due of them, are left out."""

    def shortened(speaker: Speaker) -> Speaker:
        said = tuple(line for line in speaker.utterances if line.at_s + line.duration_ms / 1000.0 <= seconds)
        due = any(line.due for line in said)
        return speaker.model_copy(update={"utterances": said, "clean": not due})

    rooms = tuple(
        room.model_copy(update={"speakers": tuple(shortened(speaker) for speaker in room.speakers)})
        for room in scenario.rooms
    )
    return scenario.model_copy(update={"rooms": rooms, "duration_s": min(seconds, scenario.duration_s)})


async def run_demo(scenario: Scenario, settings: Settings, view: View) -> DemoResult:
    """Run a scenario end to end on a broker of its own.

    Raises:
        BrokerMissing, ServiceFailed: when a part cannot start; the text says why.
    """
    began = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="roomwarden-demo-"))
    async with AsyncExitStack() as stack:
        view.say("starting the embedded broker")
        broker = await stack.enter_async_context(own_broker(settings, PARTITIONS))
        view.say("starting the worker: loading models, joining consumer groups")
        chosen: dict[str, Any] = {"policy": settings.policy} if settings.policy else {}
        worker = await stack.enter_async_context(
            WorkerProcess(
                broker.bootstrap,
                directory / "worker.log",
                partitions=PARTITIONS,
                **client_settings(broker),
                state_dir=directory / "state",
                cache=settings.cache,
                **chosen,
            )
        )
        await worker.start(lambda text: view.say(f"worker: {text}"))
        reader = await stack.enter_async_context(Reader(broker.bootstrap, WATCHED, start="earliest"))
        publisher = await stack.enter_async_context(Publisher(broker.bootstrap))
        start_s = time.monotonic() - began
        view.say(f"ready after {start_s:.0f} s; {len(scenario.rooms)} rooms go live")
        watch = asyncio.create_task(_watch(reader, view))
        stack.push_async_callback(_cancel, watch)
        report = await _guarded(replay(traffic(scenario), publisher.send), watch)
        view.say("rooms are closed; waiting for the last words")
        await _settled(view, watch)
        result = DemoResult(judge_run(scenario, *_observed(view)), report, start_s, time.monotonic() - began - start_s)
    shutil.rmtree(directory, ignore_errors=True)
    return result


async def _watch(reader: Reader, view: View) -> None:
    async for observed in reader.follow():
        view.note(observed)


async def _guarded(work: Awaitable[ReplayReport], watch: asyncio.Task[None]) -> ReplayReport:
    """Fail at once, instead of at the end, when the watcher fails."""
    task = asyncio.ensure_future(work)
    await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
    if watch.done() and not task.done():
        task.cancel()
        watch.result()
    return await task


async def _settled(view: View, watch: asyncio.Task[None]) -> None:
    """Until all speech is analysed and nothing new came for a second, or SETTLE_S is over."""
    deadline = time.monotonic() + SETTLE_S
    quiet_since, known = time.monotonic(), -1
    while time.monotonic() < deadline and not watch.done():
        await asyncio.sleep(0.1)
        if len(view.board.seen) != known:
            quiet_since, known = time.monotonic(), len(view.board.seen)
        if view.board.settled() and time.monotonic() - quiet_since > 1.5:
            return


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _observed(view: View) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Takedowns and risk events as plain mappings."""
    board = view.board
    return [msgspec.to_builtins(item) for item in board.takedowns], [msgspec.to_builtins(item) for item in board.risks]
