"""Worker processes under test: started, killed, stopped, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).parents[2]
PATIENCE_S = 180.0

QUICK = {
    # Groups that notice a killed member soon: its partitions go to the next one after this.
    "SESSION_TIMEOUT_MS": "2000",
    "REBALANCE_TIMEOUT_MS": "2000",
    "HEARTBEAT_MS": "500",
    "COMMIT_INTERVAL_MS": "100",
    "PRODUCER_BATCH_BYTES": "1",  # the embedded broker misreports the end of longer batches
    "PARTITIONS": "2",
    "THREADS": "1",
    "SYNTHETIC": "false",  # one takedown an utterance: whoever has read one has read all that are due
    "LIVE_WAIT_MS": "600000",  # nor is an utterance deferred because the machine is slow
    "STALL_MS": "600000",  # a test may leave an utterance open for as long as the machine is slow
    "LOG_LEVEL": "warning",
}

PATIENT = {"RW_TEST_PATIENCE_MS": "1e9"}
"""However slow the machine, no speaker falls silent by the clock: utterances end where the audio says so."""


class WorkerProcess:
    """One worker process; its output goes to a log file."""

    def __init__(self, bootstrap: str, directory: Path, *stages: str, module: str = "tests.support.worker_process",
                 variables: dict[str, str] | None = None, **settings: str) -> None:  # fmt: skip
        self.log = directory / f"worker-{'-'.join(stages) or 'all'}.log"
        names = QUICK | {"KAFKA": bootstrap, "STATE_DIR": str(directory / "state")} | settings
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("ROOMWARDEN_")}
        self._environment = inherited | {f"ROOMWARDEN_{name}": value for name, value in names.items()}
        # One thread each: several of these run at once, on few cores.
        self._environment |= {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        self._environment |= variables or {}
        self._command = [sys.executable, "-m", module, *stages]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, without waiting."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment, stdout=log, stderr=subprocess.STDOUT
            )

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def stop(self) -> int:
        """SIGTERM; its exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def ended(self) -> int:
        """Its exit status, once it has ended by itself."""
        async with asyncio.timeout(PATIENCE_S):
            while (status := self.status()) is None:
                await asyncio.sleep(0.05)
        return status

    def status(self) -> int | None:
        """Exit status; None while it runs."""
        return self._process.poll() if self._process is not None else None

    async def until(self, path: str) -> dict[str, Any]:
        """What its health server says once it says yes on ``path``; needs HEALTH_PORT."""
        url = f"http://127.0.0.1:{self._environment['ROOMWARDEN_HEALTH_PORT']}{path}"
        async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession() as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(url) as answer:
                        if answer.status == 200:
                            return dict(await answer.json())
                assert self.status() is None, self.output()
                await asyncio.sleep(0.05)

    def output(self) -> str:
        """What it wrote."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def __enter__(self) -> Any:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def command(bootstrap: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command line itself."""
    line = [sys.executable, "-m", "deploy.cli", *arguments, "--kafka", bootstrap]
    return subprocess.run(line, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True)
