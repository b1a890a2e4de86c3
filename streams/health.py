"""Health is progress, not an open port: /live, /ready and /metrics of one worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from aiohttp import web
from prometheus_client import generate_latest

from streams.metrics import Metrics

LOOP_TICK_S = 0.1


@dataclass(frozen=True, slots=True)
class StageHealth:
    """State of one stage at one moment."""

    stage: str
    ready: bool
    """Tables recovered, partitions assigned, no rebalance under way, model loaded."""
    detail: str
    outstanding: int
    stalled_s: float
    """Seconds without progress while records are outstanding."""
    lag_s: float = 0.0
    """See ``roomwarden_lag_seconds``."""


class Health:
    """Serves the health of the stages; also measures how late the event loop wakes."""

    def __init__(
        self, stages: Callable[[], list[StageHealth]], metrics: Metrics, stall_s: float, host: str, port: int
    ) -> None:
        self._stages = stages
        self._metrics = metrics
        self._stall_s = stall_s
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None
        self._ticker: asyncio.Task[None] | None = None
        self.ticked_at = time.monotonic()

    async def start(self) -> None:
        """Start measuring the loop, and serving where a port was given."""
        self._ticker = asyncio.create_task(self._tick())
        if not self._port:
            return
        app = web.Application()
        app.router.add_get("/live", self.live)
        app.router.add_get("/ready", self.ready)
        app.router.add_get("/metrics", self.metrics)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()

    async def stop(self) -> None:
        """Stop serving and measuring."""
        if self._ticker:
            self._ticker.cancel()
        if self._runner:
            await self._runner.cleanup()

    async def live(self, _: web.Request) -> web.Response:
        """200 while every stage that has work makes progress."""
        stages = self._stages()
        fine = all(stage.stalled_s < self._stall_s for stage in stages)
        return self._answer(fine, stages)

    async def ready(self, _: web.Request) -> web.Response:
        """200 when every stage has its partitions, its tables and its models."""
        stages = self._stages()
        return self._answer(all(stage.ready for stage in stages), stages)

    async def metrics(self, _: web.Request) -> web.Response:
        """Prometheus text format."""
        for stage in self._stages():
            self._metrics.level("roomwarden_outstanding_records", stage.outstanding, stage=stage.stage)
            self._metrics.level("roomwarden_lag_seconds", stage.lag_s, stage=stage.stage)
        return web.Response(
            body=generate_latest(self._metrics.registry),
            headers={"content-type": "text/plain; version=0.0.4"},
        )

    def _answer(self, fine: bool, stages: list[StageHealth]) -> web.Response:
        return web.json_response({"ok": fine, "stages": [asdict(s) for s in stages]}, status=200 if fine else 503)

    async def _tick(self) -> None:
        while True:
            due = time.monotonic() + LOOP_TICK_S
            await asyncio.sleep(LOOP_TICK_S)
            self.ticked_at = time.monotonic()
            self._metrics.observe("roomwarden_loop_lag_seconds", max(0.0, self.ticked_at - due))
