"""One process: any subset of the stages on one event loop, with health, until told to stop or something breaks."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

from agents.judge import Judging
from agents.listen import Listen
from agents.segment import Segment
from agents.stage import Stage
from streams.allocator import share_arenas
from streams.health import Health, StageHealth
from streams.logs import get_logger
from streams.metrics import Metrics
from streams.settings import Settings
from streams.tracing import open_tracer
from streams.watchdog import LoopGuard, Watchdog, all_stacks

StageName = Literal["segment", "listen", "judge"]
STAGES: dict[StageName, Callable[[Settings, Metrics], Stage]] = {
    "segment": Segment,
    "listen": Listen,
    "judge": Judging,
}
STOP_BUDGET_S = 20.0
"""Shared by everything that happens on the way down; keep the pod's grace period above it."""

EXIT_FROZEN = 70
"""Exit status when the event loop itself no longer turns (EX_SOFTWARE)."""

log = get_logger("roomwarden.worker")


class WorkerFailed(RuntimeError):
    """A stage could not go on; the process must end so that its partitions go to another."""


class Worker:
    """Runs stages; ``run`` returns after a stop, and raises when a stage crashed.

    Raises:
        TracingMissing: when traces are asked for, and OpenTelemetry is not installed.
    """

    def __init__(self, settings: Settings, names: Sequence[StageName] = (), metrics: Metrics | None = None) -> None:
        self.metrics = metrics or Metrics()
        made = [STAGES[name](settings, self.metrics) for name in (names or tuple(STAGES))]
        self.stages: list[Stage] = [part for stage in made for part in stage.parts()]
        self._tracer = open_tracer(settings.tracing)
        for stage in self.stages:
            stage.tracer = self._tracer
        self._settings = settings
        self._stop = asyncio.Event()
        self._reloading: asyncio.Future[None] | None = None
        self._health = Health(
            self.health, self.metrics, settings.stall_ms / 1000.0, settings.health_host, settings.health_port
        )

    def health(self) -> list[StageHealth]:
        """Health of each stage."""
        return [stage.health() for stage in self.stages]

    def stop(self) -> None:
        """Ask for a graceful stop; safe from a signal handler."""
        self._stop.set()

    def reload(self) -> None:
        """Ask every stage to take up changed models; safe from a signal handler."""
        self._reloading = asyncio.ensure_future(self._reload())

    async def _reload(self) -> None:
        self._show_models(0.0)
        try:
            await asyncio.gather(*(stage.reload() for stage in self.stages))
        finally:
            self._show_models(1.0)

    def _show_models(self, level: float) -> None:
        for stage in self.stages:
            for model, version in stage.versions().items():
                self.metrics.level("roomwarden_model_info", level, stage=stage.name, model=model, version=version[:12])

    async def run(self, on_ready: Callable[[], Awaitable[None]] | None = None) -> None:
        """Load models, join the groups, work until stopped.

        Raises:
            WorkerFailed: when a stage crashed; the cause is chained.
        """
        share_arenas()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self.reload)
        await self._health.start()
        guard = LoopGuard(self._settings.stall_ms / 1000.0, lambda: self._health.ticked_at, _loop_frozen)
        guard.start()
        started: list[Stage] = []
        try:
            await asyncio.gather(*(stage.load() for stage in self.stages))
            # Lexicons are a hundred thousand objects that stay; each full collection that walks them stops the loop for
            # 60 ms.
            gc.collect()
            gc.freeze()
            self._show_models(1.0)
            self._settings.state_dir.mkdir(parents=True, exist_ok=True)
            started = self.stages
            if not await self._started():
                return
            log.info("worker ready", stages=[stage.name for stage in self.stages])
            if on_ready is not None:
                await on_ready()
            await self._wait()
        finally:
            guard.stop()
            await self._health.stop()
            try:
                async with asyncio.timeout(STOP_BUDGET_S):
                    await asyncio.gather(*(stage.rest() for stage in started))
                    await asyncio.gather(*(stage.app.stop() for stage in started), return_exceptions=True)
            except TimeoutError:
                log.error("stop took too long; unacknowledged records will be read again", budget_s=STOP_BUDGET_S)
            self._tracer.close()

    async def _started(self) -> bool:
        """Start the apps; False when told to stop before they are. Raises WorkerFailed when they hang."""
        patience_s = self._settings.stall_ms / 1000.0
        starting = asyncio.gather(*(stage.app.start() for stage in self.stages))
        stopped = asyncio.create_task(self._stop.wait())
        waited: list[asyncio.Future[Any]] = [starting, stopped]
        done, _ = await asyncio.wait(waited, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        if starting in done:
            stopped.cancel()
            starting.result()
            return True
        if not done:
            log.critical("start hangs", stacks=all_stacks(asyncio.get_running_loop()))
        for task in waited:
            task.cancel()
        await asyncio.gather(*waited, return_exceptions=True)
        if not done:
            raise WorkerFailed(f"the stages have not started within {patience_s:.0f} s; the stacks are in the log")
        return False

    async def _wait(self) -> None:
        stopped = asyncio.create_task(self._stop.wait())
        ends: dict[asyncio.Task[Any], Stage] = {
            asyncio.create_task(stage.app.wait_until_stopped()): stage for stage in self.stages
        }
        everything: set[asyncio.Task[Any]] = {stopped, *ends}
        watching = asyncio.create_task(self._watch())
        everything.add(watching)
        done, pending = await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        if watching in done:
            watching.result()
        for task in done - {stopped, watching}:
            stage = ends[task]
            raise WorkerFailed(f"stage {stage.name} stopped; see its last error") from stage.app.crash_reason

    async def _watch(self) -> None:
        """Raises WorkerFailed when work waits and nothing has moved for ``stall_ms``."""
        patience_s = self._settings.stall_ms / 1000.0
        watchdog = Watchdog(patience_s)
        while True:
            await asyncio.sleep(min(1.0, patience_s / 4))
            stopped = watchdog.look(standing for stage in self.stages for standing in stage.standings())
            if stopped:
                text = "; ".join(f"{x.what} (at {x.marks}) for {x.seconds:.0f} s" for x in stopped)
                log.critical("nothing moves", stopped=text, stacks=all_stacks(asyncio.get_running_loop()))
                raise WorkerFailed(f"work waits and nothing moves: {text}; the stacks are in the log")


def _loop_frozen(late_s: float) -> None:
    """The loop cannot end itself any more."""
    log.critical("the event loop does not turn", seconds=round(late_s, 1), stacks=all_stacks())
    os._exit(EXIT_FROZEN)
