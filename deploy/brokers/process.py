"""One broker process: started, stopped, killed, and what it wrote.

The process is a session of its own (Ctrl-C in the terminal reaches us, not it) and dies with us: see tether.py.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# Linux sends the parent-death signal when the *thread* that forked ends, not only when the process does. All
# brokers are therefore forked by this one thread, which lives as long as the interpreter: starting one from a
# short-lived worker thread is safe.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="broker-spawner")


class BrokerFailed(RuntimeError):
    """A broker process ended, or did not become ready; the message carries the end of its log."""


class BrokerProcess:
    """A process named `name` whose output is appended to the file `log`; at most one runs at a time."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the running broker, None when there is none."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def asked_to_run(self) -> bool:
        """True between `start` and `stop` or `kill`, whether or not the process is still there."""
        return self._process is not None

    def start(self, command: Sequence[str]) -> None:
        """Start `command` (absolute path first); the caller has made sure that none is running."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._process = _spawner.submit(self._spawn, command).result()

    def _spawn(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        tether = str(Path(__file__).with_name("tether.py"))
        with self.log.open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", tether, str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise BrokerFailed if the process was started and has ended by itself."""
        if self._process is not None and (code := self._process.poll()) is not None:
            raise BrokerFailed(f"{self.name} ended with exit status {code}; the end of its log:\n{self.tail()}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and its children; no error if it is gone."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def wait(self, timeout_s: float) -> None:
        """Wait for the end after a signal; SIGKILL when `timeout_s` seconds were not enough."""
        if self._process is None:
            return
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self._process.wait()
        self._process = None

    def tail(self, lines: int = 15) -> str:
        """Return the last `lines` lines of the log, empty if there is none."""
        with contextlib.suppress(FileNotFoundError):
            return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])
        return ""
