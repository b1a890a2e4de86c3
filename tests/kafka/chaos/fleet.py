"""The workers of a run: one process per place, each with its own directory, health port and, if asked for, proxy."""

from __future__ import annotations

import asyncio
import itertools
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from deploy.brokers.ports import free_ports
from tests.kafka.chaos.account import AUDIT_KEY
from tests.support.processes import PATIENT, WorkerProcess

POLICY = """
policy: chaos
carry_ms: 0
evidence: {1: final, 2: final, 3: final, 4: final}
rules:
  - {id: any, category: "*", action: warn, min_score: 0.0}
"""
"""One action for every offence: which of two utterances was recognised first must not decide what is compared."""


@dataclass
class Place:
    """A worker that is meant to run."""

    stage: str
    process: WorkerProcess
    port: int
    clock: Path
    stopping: bool = False
    """Whether it was asked to end."""


@dataclass
class Fleet:
    """Starts, kills, stops and watches workers."""

    bootstrap: str
    directory: Path
    rng: random.Random
    settings: dict[str, str] = field(default_factory=dict)
    real: bool = False
    """Whether the recogniser is the real one."""
    places: list[Place] = field(default_factory=list)
    fell: list[str] = field(default_factory=list)
    """Workers that ended by themselves, with their exit status; each was started again, as an orchestrator would."""

    def __post_init__(self) -> None:
        self._number = itertools.count()
        self._policy = self.directory / "policy.yaml"
        self._policy.write_text(POLICY)

    def add(self, stage: str) -> Place:
        """Start one more worker of a stage."""
        number = next(self._number)
        directory = self.directory / f"{stage}-{number}"
        directory.mkdir()
        (port,) = free_ports(1, "127.0.0.1")
        clock = directory / "clock"
        process = WorkerProcess(
            self.bootstrap,
            directory,
            stage,
            variables=PATIENT | {"RW_TEST_CLOCK": str(clock)} | ({"RW_TEST_REAL": "1"} if self.real else {}),
            **({
                "HEALTH_PORT": str(port), "POLICY": str(self._policy), "PRODUCER_BATCH_BYTES": "262144",
                "COMMIT_INTERVAL_MS": "500", "SESSION_TIMEOUT_MS": "6000", "REBALANCE_TIMEOUT_MS": "6000",
                "HEARTBEAT_MS": "1000", "PARTITIONS": "4", "MAX_CLOCK_SKEW_MS": "43200000", "REPLICAS": "1",
                "BATCH_WAIT_MS": "5", "SYNTHETIC": "false", "DEAD_LETTER_SHARE": "1",
                "AUDIT_KEY": AUDIT_KEY,
            } | self.settings),
        )  # fmt: skip
        place = Place(stage, process, port, clock)
        process.start()
        self.places.append(place)
        return place

    def pick(self, stage: str) -> Place:
        """One worker of a stage, drawn."""
        return self.rng.choice([place for place in self.places if place.stage == stage])

    def kill(self, stage: str) -> str:
        """SIGKILL one worker of a stage, and start it again."""
        place = self.pick(stage)
        place.process.kill()
        place.process.start()
        return place.process.log.parent.name

    async def stop(self, place: Place) -> int:
        """SIGTERM; its exit status. Whoever asked for it starts it again, if it is to go on."""
        place.stopping = True
        try:
            return await place.process.stop()
        finally:
            place.stopping = False

    def revive(self) -> None:
        """Start again whoever ended by itself."""
        for place in self.places:
            status = place.process.status()
            if status is not None and not place.stopping:
                self.fell.append(f"{place.process.log.parent.name} ({status})")
                place.process.start()

    async def ready(self) -> list[bool | None]:
        """/ready of each worker; None for one that does not answer."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as session:
            return [await self._ask(session, place) for place in self.places]

    async def all_ready(self, patience_s: float = 600.0) -> None:
        """Wait until every worker is ready."""
        async with asyncio.timeout(patience_s):
            while not all(await self.ready()):
                await asyncio.sleep(0.2)

    def end(self) -> None:
        """Kill all."""
        for place in self.places:
            place.process.kill()

    @staticmethod
    async def _ask(session: Any, place: Place) -> bool | None:
        try:
            async with session.get(f"http://127.0.0.1:{place.port}/ready") as answer:
                return bool(answer.status == 200)
        except (TimeoutError, aiohttp.ClientError):
            return None
