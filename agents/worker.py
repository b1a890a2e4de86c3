"""One process: any subset of the stages on one event loop, with health, until told to stop or something breaks."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

from agents.judge import Judging
from agents.listen import Listen
from agents.segment import Segment
from agents.stage import Stage
from streams.health import Health, StageHealth
from streams.logs import get_logger
from streams.metrics import Metrics
from streams.settings import Settings

StageName = Literal["segment", "listen", "judge"]
STAGES: dict[StageName, Callable[[Settings, Metrics], Stage]] = {
    "segment": Segment,
    "listen": Listen,
    "judge": Judging,
}
STOP_BUDGET_S = 20.0
"""Shared by everything that happens on the way down; keep the pod's grace period above it."""

log = get_logger("roomwarden.worker")


class WorkerFailed(RuntimeError):
    """A stage could not go on; the process must end so that its partitions go to another."""


class Worker:
    """Runs stages; ``run`` returns after a stop, and raises when a stage crashed."""

    def __init__(self, settings: Settings, names: Sequence[StageName] = (), metrics: Metrics | None = None) -> None:
        self.metrics = metrics or Metrics()
        self.stages: list[Stage] = [STAGES[name](settings, self.metrics) for name in (names or tuple(STAGES))]
        self._settings = settings
        self._stop = asyncio.Event()
        self._health = Health(
            self.health, self.metrics, settings.stall_ms / 1000.0, settings.health_host, settings.health_port
        )

    def health(self) -> list[StageHealth]:
        """Health of each stage."""
        return [stage.health() for stage in self.stages]

    def stop(self) -> None:
        """Ask for a graceful stop; safe from a signal handler."""
        self._stop.set()

    async def run(self, on_ready: Callable[[], Awaitable[None]] | None = None) -> None:
        """Load models, join the groups, work until stopped.

        Raises:
            WorkerFailed: when a stage crashed; the cause is chained.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        await self._health.start()
        started: list[Stage] = []
        try:
            await asyncio.gather(*(stage.load() for stage in self.stages))
            for stage in self.stages:
                for model, version in stage.versions().items():
                    self.metrics.level(
                        "roomwarden_model_info", 1.0, stage=stage.name, model=model, version=version[:12]
                    )
            self._settings.state_dir.mkdir(parents=True, exist_ok=True)
            started = self.stages
            await asyncio.gather(*(stage.app.start() for stage in self.stages))
            log.info("worker ready", stages=[stage.name for stage in self.stages])
            if on_ready is not None:
                await on_ready()
            await self._wait()
        finally:
            await self._health.stop()
            try:
                async with asyncio.timeout(STOP_BUDGET_S):
                    await asyncio.gather(*(stage.app.stop() for stage in started), return_exceptions=True)
            except TimeoutError:
                log.error("stop took too long; unacknowledged records will be read again", budget_s=STOP_BUDGET_S)

    async def _wait(self) -> None:
        stopped = asyncio.create_task(self._stop.wait())
        ends: dict[asyncio.Task[Any], Stage] = {
            asyncio.create_task(stage.app.wait_until_stopped()): stage for stage in self.stages
        }
        everything: set[asyncio.Task[Any]] = {stopped, *ends}
        done, pending = await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        for task in done - {stopped}:
            stage = ends[task]
            raise WorkerFailed(f"stage {stage.name} stopped; see its last error") from stage.app.crash_reason
