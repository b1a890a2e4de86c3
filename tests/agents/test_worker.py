"""A worker that has not started yet can be stopped, and one that cannot start says so and ends."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agents.worker import Worker, WorkerFailed
from streams.settings import Settings

PATIENCE_S = 20.0


class _HangingApp:
    """An app that Kafka keeps waiting for ever."""

    def __init__(self) -> None:
        self.starting = asyncio.Event()
        self.stopped = False

    async def start(self) -> None:
        self.starting.set()
        await asyncio.Event().wait()

    async def stop(self) -> None:
        self.stopped = True


class _Stage:
    name = "judge"

    def __init__(self) -> None:
        self.app = _HangingApp()

    async def load(self) -> None:
        pass

    async def rest(self) -> None:
        pass

    def versions(self) -> dict[str, str]:
        return {}

    def health(self) -> Any:
        raise AssertionError("nobody asks")


def worker(directory: Path) -> tuple[Worker, _Stage]:
    made, stage = Worker(Settings(state_dir=directory, stall_ms=1000, health_port=0), ["judge"]), _Stage()
    made.stages = [stage]  # type: ignore[list-item]  # only what `run` touches
    return made, stage


async def test_a_worker_stops_when_told_to_while_it_starts(tmp_path: Path) -> None:
    made, stage = worker(tmp_path)
    async with asyncio.timeout(PATIENCE_S):
        running = asyncio.create_task(made.run())
        await stage.app.starting.wait()
        made.stop()
        await running
    assert stage.app.stopped


async def test_a_worker_that_cannot_start_ends_and_says_so(tmp_path: Path) -> None:
    made, stage = worker(tmp_path)
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(WorkerFailed, match="not started within 1 s"):
            await made.run()
    assert stage.app.stopped
