"""A worker as a child process, watched through its health port: what the demo and the benchmarks run against."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deploy.brokers import Broker, Kind, open_broker
from streams.admin import apply_topics
from streams.settings import Settings

START_TIMEOUT_S = 240.0
STOP_TIMEOUT_S = 25.0
TAIL_LINES = 12


class ServiceFailed(RuntimeError):
    """The worker ended or did not become ready; the text ends with the last lines of its log."""


def free_port() -> int:
    """A TCP port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def own_broker(settings: Settings, partitions: int, kind: Kind = "embedded") -> AsyncIterator[Broker]:
    """A broker for this run alone, with every topic; gone at the end.

    Raises:
        BrokerMissing, BrokerFailed, TopicError: when it cannot start; the text says why.
    """
    broker = await asyncio.to_thread(open_broker, kind)
    try:
        await asyncio.to_thread(broker.start)
        await asyncio.to_thread(broker.ready)
        await apply_topics(settings.model_copy(update={"kafka": broker.bootstrap, "partitions": partitions}))
        yield broker
    finally:
        await asyncio.to_thread(broker.close)


def client_settings(broker: Broker) -> dict[str, Any]:
    """The settings of a worker that this kind of broker asks for."""
    hints = broker.hints
    return {
        "session_timeout_ms": int(hints.session_timeout_s * 1000),
        "rebalance_timeout_ms": int(hints.session_timeout_s * 1000),
        "heartbeat_ms": int(hints.heartbeat_s * 1000),
        "fetch_max_wait_ms": hints.fetch_max_wait_ms,
        "producer_batch_bytes": hints.max_batch_bytes,
    }


class WorkerProcess:
    """``roomwarden worker`` with its settings in the environment, its log in a file."""

    def __init__(
        self,
        kafka: str,
        log: Path,
        stages: Sequence[str] = (),
        command: Sequence[str] = ("deploy.cli", "worker"),
        **settings: object,
    ) -> None:
        """``command``: the module that is run, and what it is told before the stages."""
        self._port = free_port()
        self._command = [*command, *stages]
        self._log = log
        self._environment = {
            **os.environ,
            "ROOMWARDEN_KAFKA": kafka,
            "ROOMWARDEN_HEALTH_PORT": str(self._port),
            **{f"ROOMWARDEN_{name.upper()}": str(value) for name, value in settings.items()},
        }
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Process id of the running worker."""
        if self._process is None:
            raise ServiceFailed("the worker is not running")
        return self._process.pid

    async def start(self, say: Callable[[str], None] = lambda _: None) -> None:
        """Start, and return when every stage is ready; ``say`` hears what it waits for.

        Raises:
            ServiceFailed: when the worker ends or is not ready in time.
        """
        await self.launch()
        await self.ready(say)

    async def launch(self) -> None:
        """Start without waiting."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as sink:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *self._command,
                env=self._environment,
                stdout=sink,
                stderr=sink,
                stdin=asyncio.subprocess.DEVNULL,
            )

    async def ready(self, say: Callable[[str], None] = lambda _: None) -> None:
        """Wait until every stage is ready."""
        said = ""
        deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
        while asyncio.get_running_loop().time() < deadline:
            if self._process is None or self._process.returncode is not None:
                raise ServiceFailed(f"the worker ended while starting; its log says:\n{self.tail()}")
            answer = await asyncio.to_thread(self._get, "/ready")
            stages = answer.get("stages", [])
            if answer.get("ok"):
                return
            text = ", ".join(f"{stage['stage']}: {stage['detail']}" for stage in stages) or "starting"
            if text != said:
                say(text)
                said = text
            await asyncio.sleep(0.2)
        raise ServiceFailed(f"the worker was not ready after {START_TIMEOUT_S:.0f} s; its log says:\n{self.tail()}")

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal the worker and wait for its end; its exit status."""
        process = self._process
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(number)
            try:
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        return process.returncode or 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def metrics(self) -> str:
        """The worker's /metrics text; empty when it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=2) as answer:  # loopback
                return str(answer.read().decode())
        except OSError:
            return ""

    def tail(self) -> str:
        """The last lines of the log."""
        if not self._log.exists():
            return "(empty)"
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-TAIL_LINES:]) or "(empty)"

    def _get(self, path: str) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=2) as answer:  # loopback
                return dict(json.load(answer))
        except urllib.error.HTTPError as refusal:
            return _object(refusal.read())
        except (OSError, ValueError):
            return {}


def _object(text: bytes) -> dict[str, Any]:
    """A JSON object, or nothing where the answer is none."""
    try:
        return dict(json.loads(text))
    except ValueError:
        return {}
