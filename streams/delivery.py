"""Rules of delivery: acknowledge in offset order, bury what can never be read, stop when too much of it comes.

Faust 0.15.3 commits past a hole when acknowledgements come out of order, and acknowledges whatever an agent raised
on. So every stage reads with ``stream.noack()``, opens a slot here for each record, and finishes the slot when its
result is published; only the finished prefix of each partition is acknowledged.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from streams.envelope import BadRecord, Headers

Partition = tuple[str, int]


class Received(Protocol):
    """The part of a Faust event that delivery needs."""

    message: Any

    def ack(self) -> bool:
        """Mark the record as processed."""
        ...


@dataclass(slots=True, eq=False)
class Slot:
    """One received record that is not yet acknowledged."""

    event: Received
    partition: Partition
    offset: int
    opened_at: float
    finished: bool = False
    stale: bool = False
    """True once its partition was revoked, or for a record delivered twice: finishing it is without effect, and its
    state must not be written."""


class AckWindow:
    """Outstanding records per partition; acknowledges only finished prefixes, in offset order."""

    def __init__(self, limit: int = 4096, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._slots: dict[Partition, deque[Slot]] = {}
        self._latest: dict[Partition, int] = {}
        self._room = asyncio.Event()
        self._room.set()
        self.outstanding = 0
        self.acknowledged = 0
        self.finished = 0
        """Records finished so far, also those that still wait for one before them."""
        self.progressed_at = clock()

    def open(self, event: Received) -> Slot:
        """Slot for a record just received; stale, and to be left alone, where the record was delivered before.

        Faust 0.15.3 seeks to the committed offset once more when recovery ends; what was fetched meanwhile comes
        again, and its own check lets the last record through (``offset >= r_offset`` in Consumer._drain_messages).
        """
        message = event.message
        partition = (message.topic, message.partition)
        now = self._clock()
        slot = Slot(event, partition, message.offset, now)
        if slot.offset <= self._latest.get(partition, -1):
            slot.stale = True
            return slot
        self._latest[partition] = slot.offset
        if not self.outstanding:
            self.progressed_at = now
        self._slots.setdefault(partition, deque()).append(slot)
        self.outstanding += 1
        if self.outstanding > self._limit:
            self._room.clear()
        return slot

    def finish(self, slot: Slot) -> None:
        """The record's result is published: acknowledge every record up to the first unfinished one."""
        if slot.finished:
            return
        slot.finished = True
        if slot.stale:
            return
        self.progressed_at = self._clock()
        self.finished += 1
        queue = self._slots[slot.partition]
        while queue and queue[0].finished:
            queue.popleft().event.ack()
            self.outstanding -= 1
            self.acknowledged += 1
        if self.outstanding <= self._limit:
            self._room.set()

    def revoke(self, partitions: Iterable[Partition] | None = None) -> None:
        """Forget partitions (all, if none are named): their next owner reads them again from the committed offset."""
        for partition in list(self._slots if partitions is None else partitions):
            self._latest.pop(partition, None)
            queue = self._slots.pop(partition, deque())
            for slot in queue:
                slot.stale = True
            self.outstanding -= len(queue)
        if self.outstanding <= self._limit:
            self._room.set()

    async def room(self) -> None:
        """Wait until no more records are outstanding than the limit; open the slot first, so that it can go stale."""
        await self._room.wait()

    def oldest(self) -> list[Received]:
        """The first unacknowledged record of each partition."""
        return [queue[0].event for queue in self._slots.values() if queue]

    def stalled_for(self) -> float:
        """Seconds since the last progress while records are outstanding; 0 when nothing is."""
        return self._clock() - self.progressed_at if self.outstanding else 0.0


class TooManyDeadLetters(RuntimeError):
    """Most tracks are unreadable: more likely a bad deployment than bad input, so the worker stops."""


@dataclass(slots=True)
class DeadLetters:
    """Publishes what can never be processed, as received, with reason and origin; has a limit.

    The share counts *tracks* (record keys) among the last ``minimum`` records, so that one broken sender cannot stop
    a worker, and a deployment that can read nobody does not empty the stream into the dead letters.
    """

    stage: str
    publish: Callable[[bytes | None, bytes, Headers], Awaitable[None]]
    share: float = 0.5
    minimum: int = 200
    max_value_bytes: int = 900_000
    buried: int = 0
    _recent: deque[tuple[bytes | None, bool]] = field(default_factory=deque)

    def fine(self, key: bytes | None) -> None:
        """Count a readable record."""
        self._note(key, False)

    async def bury(self, event: Received, bad: BadRecord) -> None:
        """Publish one record as a dead letter.

        Raises:
            TooManyDeadLetters: when more than ``share`` of the recent tracks were unreadable.
        """
        await self.refuse(event, bad)
        self.buried += 1
        message = event.message
        self._note(message.key, True)
        bad_tracks = {key for key, was_bad in self._recent if was_bad}
        tracks = {key for key, _ in self._recent}
        if len(self._recent) >= self.minimum and len(bad_tracks) >= 3 and len(bad_tracks) > self.share * len(tracks):
            raise TooManyDeadLetters(
                f"{len(bad_tracks)} of the last {len(tracks)} tracks were unreadable ({bad.reason}): "
                "check the producers' release or this worker's, then restart"
            )

    async def refuse(self, event: Received, bad: BadRecord) -> None:
        """Publish a record that could be read but is not taken; it does not count towards the limit."""
        message = event.message
        headers = message.headers or []
        items = list(headers.items() if isinstance(headers, dict) else headers)
        value = message.value or b""
        origin: Headers = [
            ("rw_reason", bad.reason.encode()),
            ("rw_detail", bad.detail.encode()),
            ("rw_stage", self.stage.encode()),
            ("rw_topic", message.topic.encode()),
            ("rw_partition", str(message.partition).encode()),
            ("rw_offset", str(message.offset).encode()),
        ]
        if len(value) > self.max_value_bytes:
            # The original stays readable at its topic, partition and offset until its retention ends.
            origin.append(("rw_truncated_from", str(len(value)).encode()))
            value = value[: self.max_value_bytes]
        await self.publish(
            message.key,
            value,
            [(k, v if isinstance(v, bytes) else str(v).encode()) for k, v in items] + origin,
        )

    def _note(self, key: bytes | None, was_bad: bool) -> None:
        self._recent.append((key, was_bad))
        if len(self._recent) > self.minimum:
            self._recent.popleft()
