"""Drive a scenario in real time: wait until each thing is due, hand it to ``send``, measure how late that was.

The replayer knows neither Kafka nor the wall clock. ``send`` should only enqueue (as a Kafka producer's ``send``
does): while it blocks, everything behind it is late, and the report says so. Records that are due within the same
tick go out together, so that thousands of tracks cost few wake-ups. Decoding and encoding run ahead in a thread.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from loadtest.events import Timed, TimedChunk
from loadtest.read_ahead import ReadAhead

TICK_MS = 5.0
"""What is due within this time from now is sent now; half of the tick is the usual error, far below 20 ms."""

_BIN_MS = 1.0
_BINS = 2000

Send = Callable[[Timed, float], Awaitable[None]]
"""``await send(timed, unix_ms)``: for a chunk ``unix_ms`` is the capture time of its first sample, for an event its own
time."""


class Clock(Protocol):
    """Time as the replayer needs it."""

    def wall_ms(self) -> float:
        """Unix time, ms; read once, at the start."""

    def now_ms(self) -> float:
        """Monotonic time, ms."""

    async def sleep_ms(self, duration: float) -> None:
        """Return after ``duration`` ms."""


class RealClock:
    """The machine's clock."""

    def wall_ms(self) -> float:
        """Unix time, ms."""
        return time.time() * 1000.0

    def now_ms(self) -> float:
        """Monotonic time, ms."""
        return time.perf_counter() * 1000.0

    async def sleep_ms(self, duration: float) -> None:
        """Return after ``duration`` ms."""
        await asyncio.sleep(duration / 1000.0)


@dataclass(slots=True)
class Drift:
    """How late records left, as a histogram of 1 ms bins (the last bin holds everything later)."""

    bins: list[int] = field(default_factory=lambda: [0] * _BINS)
    count: int = 0
    total_ms: float = 0.0
    max_ms: float = 0.0

    def add(self, late_ms: float) -> None:
        """Count one record; early (negative) counts as 0."""
        late_ms = max(0.0, late_ms)
        self.bins[min(_BINS - 1, int(late_ms / _BIN_MS))] += 1
        self.count += 1
        self.total_ms += late_ms
        self.max_ms = max(self.max_ms, late_ms)

    def percentile(self, share: float) -> float:
        """Upper edge of the bin under which ``share`` (0 to 1) of the records lie, ms; 0 without records."""
        wanted, seen = share * self.count, 0
        for index, count in enumerate(self.bins):
            seen += count
            if count and seen >= wanted:
                return min((index + 1) * _BIN_MS, self.max_ms)
        return 0.0


@dataclass(slots=True)
class ReplayReport:
    """What a replay did. ``start_unix_ms`` is the scenario's zero on the wall clock."""

    start_unix_ms: float
    speed: float
    chunks: int = 0
    events: int = 0
    audio_ms: float = 0.0
    payload_bytes: int = 0
    rooms: int = 0
    tracks: int = 0
    elapsed_ms: float = 0.0
    stopped: bool = False
    drift: Drift = field(default_factory=Drift)
    content_types: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, object]:
        """Plain values, for ``--json``."""
        return {
            "start_unix_ms": round(self.start_unix_ms, 3),
            "speed": self.speed,
            "rooms": self.rooms,
            "tracks": self.tracks,
            "chunks": self.chunks,
            "events": self.events,
            "audio_s": round(self.audio_ms / 1000.0, 3),
            "payload_bytes": self.payload_bytes,
            "elapsed_s": round(self.elapsed_ms / 1000.0, 3),
            "stopped": self.stopped,
            "drift_ms": {
                "mean": round(self.drift.total_ms / max(1, self.drift.count), 3),
                "p50": round(self.drift.percentile(0.50), 3),
                "p99": round(self.drift.percentile(0.99), 3),
                "max": round(self.drift.max_ms, 3),
            },
            "content_types": dict(self.content_types),
        }


async def replay(
    things: Iterable[Timed],
    send: Send,
    *,
    clock: Clock | None = None,
    speed: float = 1.0,
    stop: Callable[[], bool] = lambda: False,
    read_ahead: int = 4096,
) -> ReplayReport:
    """Send everything when it is due; ``speed`` 2.0 takes half the time, 0 does not wait at all.

    Capture times always follow the scenario at speed 1 from the start on, so that audio stays contiguous; at other
    speeds they run ahead of the wall clock. ``stop`` is asked before each wait. Up to ``read_ahead`` things are made
    in advance, a quarter of them before time begins (0: each is drawn when the one before it has been sent).

    Raises:
        ValueError: when the speed or the read-ahead is negative.
        Exception: whatever ``send`` or ``things`` raises, unchanged.
    """
    if speed < 0:
        raise ValueError("speed must be 0 (as fast as possible) or more")
    if read_ahead < 0:
        raise ValueError("read_ahead must be 0 (none) or more")
    clock = clock or RealClock()
    if not read_ahead:
        return await _drive(things, send, clock, speed, stop)
    with ReadAhead(things, read_ahead) as ahead:
        await asyncio.to_thread(ahead.wait, max(1, read_ahead // 4))
        return await _drive(ahead, send, clock, speed, stop)


async def _drive(
    things: Iterable[Timed], send: Send, clock: Clock, speed: float, stop: Callable[[], bool]
) -> ReplayReport:
    report = ReplayReport(start_unix_ms=clock.wall_ms(), speed=speed)
    tracks: set[str] = set()
    rooms: set[tuple[str, str]] = set()
    zero = clock.now_ms()
    for thing in things:
        due = thing.at_ms / speed if speed else 0.0
        ahead = due - (clock.now_ms() - zero)
        if speed and ahead > TICK_MS:
            if stop():
                report.stopped = True
                break
            await clock.sleep_ms(ahead)
        if speed:
            report.drift.add(clock.now_ms() - zero - due)
        if isinstance(thing, TimedChunk):
            await send(thing, report.start_unix_ms + thing.capture_offset_ms)
            report.chunks += 1
            report.audio_ms += thing.duration_ms
            report.payload_bytes += len(thing.payload)
            report.content_types[thing.content_type] += 1
            tracks.add(thing.session)
        else:
            await send(thing, report.start_unix_ms + thing.at_ms)
            report.events += 1
        rooms.add((thing.tenant, thing.room))
    report.elapsed_ms = clock.now_ms() - zero
    report.rooms, report.tracks = len(rooms), len(tracks)
    return report
