"""What every broker can do, whichever it is; the rest of the project sees only this."""

import asyncio
import shutil
import signal
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from deploy.brokers.ports import taken
from deploy.brokers.probe import wait_ready
from deploy.brokers.process import BrokerFailed, BrokerProcess


class BrokerMissing(RuntimeError):
    """This kind of broker cannot run here; the message says what to install."""


@dataclass(frozen=True, slots=True)
class ClientHints:
    """What a client should ask of this broker; the defaults suit Apache Kafka.

    `session_timeout_s` and `heartbeat_s`: group membership. `fetch_max_wait_ms`: how long a fetch may wait for
    data. `max_batch_bytes`: the producer's batch size; 1 puts every record into a batch of its own.
    """

    session_timeout_s: float = 10.0
    heartbeat_s: float = 3.0
    fetch_max_wait_ms: int = 500
    max_batch_bytes: int = 262_144


class Broker(ABC):
    """A Kafka broker, or a cluster of them, on this machine.

    As a context manager it is started, ready, and stopped at the end. Nodes count from 1 and keep their
    addresses for life; every method that takes a node takes None for all of them. State and logs live in
    `directory`; without one, in a temporary directory that is deleted on a clean end and left for the
    reader when the context ends by an exception. Methods block, and may be called from any thread, also
    from one that runs an event loop.
    """

    kind: ClassVar[str]
    durable: ClassVar[bool]  # do records survive a restart?
    hints: ClassVar[ClientHints] = ClientHints()
    stop_grace_s: ClassVar[float] = 10.0  # from SIGTERM to SIGKILL

    def __init__(self, *, nodes: int, directory: Path | None) -> None:
        self.nodes = nodes
        self._temporary = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix=f"roomwarden-{self.kind}-"))
        self._processes = {
            node: BrokerProcess(f"{self.kind} broker {node}", self.directory / f"broker-{node}.log")
            for node in range(1, nodes + 1)
        }

    @abstractmethod
    def address(self, node: int) -> str:
        """Return the "host:port" at which clients reach `node`."""

    @abstractmethod
    def _listens(self, node: int) -> list[str]:
        """Return every "host:port" that `node` will bind."""

    @abstractmethod
    def _command(self, node: int) -> list[str]:
        """Prepare `node` to be started and return its command, absolute path first."""

    def _prepare(self) -> None:  # noqa: B027 - optional: not every broker has something to set up
        """Set up what all nodes share, before the first of them starts; called on every start."""

    @property
    def bootstrap(self) -> str:
        """Addresses for Kafka clients, "host:port" joined by commas."""
        return ",".join(self.address(node) for node in self._processes)

    @property
    def logs(self) -> tuple[Path, ...]:
        """Log file of each node in order; starts append, stops keep."""
        return tuple(process.log for process in self._processes.values())

    @property
    def pids(self) -> tuple[int | None, ...]:
        """Process id of each node in order, None where it does not run."""
        return tuple(process.pid for process in self._processes.values())

    def start(self, node: int | None = None) -> None:
        """Start the processes and return at once. Raises BrokerFailed if one runs already, or a port is taken."""
        self._prepare()
        for number in self._chosen(node):
            process = self._processes[number]
            if process.pid is not None:
                raise BrokerFailed(f"{process.name} is running already (process {process.pid})")
            # Asked here, because `ready` would find whoever has the port, and that may well be another Kafka.
            for address in self._listens(number):
                if taken(address):
                    raise BrokerFailed(f"{process.name} cannot start: {address} is in use by another process")
            process.start(self._command(number))

    def ready(self, timeout_s: float = 60.0) -> None:
        """Wait until every started node serves clients. Raises BrokerFailed (it ended), TimeoutError."""
        started = {node: process for node, process in self._processes.items() if process.asked_to_run}

        def check() -> None:
            for process in started.values():
                process.check()

        async def all_ready() -> None:
            for node in started:
                await wait_ready(self.address(node), timeout_s, brokers=len(started), check=check)

        _off_loop(lambda: asyncio.run(all_ready()))

    def stop(self, node: int | None = None) -> None:
        """SIGTERM, then SIGKILL for what is left after `stop_grace_s` seconds; no error if nothing runs."""
        chosen = [self._processes[number] for number in self._chosen(node)]
        for process in chosen:
            process.signal(signal.SIGTERM)
        for process in chosen:
            process.wait(self.stop_grace_s)

    def kill(self, node: int | None = None) -> None:
        """SIGKILL, as a power cut would; no error if nothing runs."""
        chosen = [self._processes[number] for number in self._chosen(node)]
        for process in chosen:
            process.signal(signal.SIGKILL)
        for process in chosen:
            process.wait(self.stop_grace_s)

    def close(self) -> None:
        """Stop for good: with a temporary directory there is nothing to save, so kill and delete it."""
        if self._temporary:
            self.kill()
            shutil.rmtree(self.directory, ignore_errors=True)
        else:
            self.stop()

    def __enter__(self) -> Self:
        try:
            self.start()
            self.ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.stop()

    def _chosen(self, node: int | None) -> list[int]:
        if node is None:
            return list(self._processes)
        if node not in self._processes:
            raise ValueError(f"node: {node} is not one of 1 to {self.nodes}")
        return [node]


def _off_loop(call: Callable[[], None]) -> None:
    """Run `call` in a thread of its own, so that the caller may itself be running an event loop."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(call).result()
