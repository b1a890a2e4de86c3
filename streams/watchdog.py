"""Notices work that waits without anything moving, and says what every thread and task was doing then.

Kafka's clients, Faust and our own stages have all been seen to stop without an error: a partition that nobody reads on,
commits that cease, a rebalance that never ends. A process that is stuck so holds its partitions for ever; one that ends
hands them over.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Standing:
    """How far one thing has come. Any change of ``marks`` is progress; ``waits``: there is work that should move it."""

    what: str
    marks: tuple[int, ...]
    waits: bool
    slack: int = 1
    """How many times the patience it may wait: what shares a worker with others may be left aside for a while."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """Something that waits and does not move."""

    what: str
    seconds: float
    marks: tuple[int, ...]


class Watchdog:
    """Compares standings over time; ``patience_s`` is how long work may wait without progress."""

    def __init__(self, patience_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience_s = patience_s
        self._clock = clock
        self._since: dict[str, tuple[tuple[int, ...], float]] = {}

    def look(self, standings: Iterable[Standing]) -> list[Stopped]:
        """What has stopped. Things that are not mentioned, or have nothing to wait for, are forgotten."""
        now = self._clock()
        known, self._since = self._since, {}
        stopped = []
        for standing in standings:
            if not standing.waits:
                continue
            marks, since = known.get(standing.what, (None, now))
            if marks != standing.marks:
                since = now
            self._since[standing.what] = (standing.marks, since)
            if now - since >= self._patience_s * standing.slack:
                stopped.append(Stopped(standing.what, now - since, standing.marks))
        return stopped


def all_stacks(loop: asyncio.AbstractEventLoop | None = None) -> str:
    """The stack of every thread, and of every task of a loop. Code only: no values, so nobody's words."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts = [
        f"thread {names.get(ident, ident)}:\n" + "".join(traceback.format_stack(frame))
        for ident, frame in sys._current_frames().items()  # noqa: SLF001  # documented, in spite of its name
    ]
    for task in asyncio.all_tasks(loop) if loop is not None else ():
        lines = [
            line
            for frame in task.get_stack()
            for line in traceback.format_list(traceback.extract_stack(frame, limit=1))
        ]
        parts.append(f"task {task.get_name()}:\n" + "".join(lines))
    return "\n".join(parts)


class LoopGuard:
    """A thread that notices when the event loop itself no longer turns, and calls ``frozen`` once."""

    def __init__(self, patience_s: float, ticked_at: Callable[[], float], frozen: Callable[[float], None]) -> None:
        self._patience_s = patience_s
        self._ticked_at = ticked_at
        self._frozen = frozen
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="loop-guard", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(min(1.0, self._patience_s / 4)):
            late = time.monotonic() - self._ticked_at()
            if late >= self._patience_s:
                self._frozen(late)
                return
