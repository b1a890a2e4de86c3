"""Faust's consumer, with its own account of what was read and what may be committed.

Faust 0.15.3 loses records when partitions move; each of these was the cause of a chunk committed and never heard:

* At the end of a recovery it opens the partitions, then seeks to the committed offsets, then empties the agents'
  queues. What was fetched in between is emptied away, and its read offset says that it was delivered.
* ``seek_to_committed`` seeks nowhere where nothing is committed yet, so there the loss is for good.
* A fetch under way while every partition is paused returns the paused partitions' records (``if partitions and tp not
  in partitions`` in aiokafka, with Faust's empty set), and they are dropped.
* A record that a stream skips, because its assignment is gone, is acknowledged; with the next commit it is skipped for
  its new owner, too.
* With nothing committed, or with one record missing, a hole at the head does not stop a commit (``_new_offset``).
* A commit does not wait for table writes that take longer than 0.1 s (``ProducerBuffer.flush_atmost``).

So: every assigned partition is put to an explicit position; a cursor per partition lets records through in order, and
asks once more for those that are missing; only what the stage acknowledged under the present assignment is committed,
and only after the table writes before it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

from aiokafka.errors import IllegalStateError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP
from mode.threads import MethodQueue

from streams.watchdog import Standing

if TYPE_CHECKING:
    from streams.app import StageApp

THREAD_CALLS = 8
"""Calls that the consumer's thread carries on at once. Faust's two are a fetch and a commit, and when the commit waits
for a broker that is away, nothing else, such as a seek, can be asked for."""

OTHERS_FIRST = 5
"""A backlog in one partition may wait for those in others, but not for ever: see ``Standing.slack``."""


class Verdict(Enum):
    """What to do with a fetched record."""

    DELIVER = "deliver"
    DROP = "drop"
    ASK_AGAIN = "ask again"


class Cursor:
    """The next offset to deliver of each partition; knows no Kafka, so that it can be tested by itself."""

    def __init__(self) -> None:
        self._next: dict[TP, int] = {}
        self._asked: set[TP] = set()
        self.missing = 0
        """Offsets that were not there when asked for again: transaction markers, or records past their retention."""

    def begin(self, starts: Mapping[TP, int]) -> None:
        """Deliver these partitions from these offsets on, and no others."""
        self._next = dict(starts)
        self._asked.clear()

    def forget(self, partitions: Iterable[TP]) -> None:
        """Deliver nothing more of these, until ``begin``."""
        for partition in partitions:
            self._next.pop(partition, None)
            self._asked.discard(partition)

    def position(self, partition: TP) -> int | None:
        """Next offset of a partition; None where it is not being delivered."""
        return self._next.get(partition)

    def take(self, partition: TP, offset: int) -> Verdict:
        """Judge a record. After ASK_AGAIN, seek to ``position`` before fetching on; what is then missing is gone."""
        due = self._next.get(partition)
        if due is None or offset < due:
            return Verdict.DROP
        if offset > due and partition not in self._asked:
            self._asked.add(partition)
            return Verdict.ASK_AGAIN
        self.missing += offset - due
        self._asked.discard(partition)
        self._next[partition] = offset + 1
        return Verdict.DELIVER


class _Present:
    """A set that is never false, and is looked at as it is now: see the third point of the module."""

    def __init__(self, partitions: set[TP]) -> None:
        self._partitions = partitions

    def __contains__(self, partition: object) -> bool:
        return partition in self._partitions

    def __bool__(self) -> bool:
        return True


class _Unread(dict[TP, Any]):
    """Stands for Faust's read offsets, which would drop what is asked for again: forgets whatever it is told."""

    def __missing__(self, partition: TP) -> None:
        return None

    def __setitem__(self, partition: TP, offset: Any) -> None:
        del partition, offset


class StageConsumerThread(AIOKafkaConsumerThread):
    """Owns aiokafka's consumer."""

    @property
    def method_queue(self) -> Any:
        """Calls from the stage's own thread."""
        if self._method_queue is None:
            self._method_queue = MethodQueue(THREAD_CALLS, loop=self.thread_loop, beacon=self.beacon)
        return self._method_queue

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust fixes this at 1500: brokers that answer only when the wait is over cost that per hop.
        consumer._fetch_max_wait_ms = cast("StageApp", self.app).fetch_max_wait_ms  # noqa: SLF001  # aiokafka reads it at start
        return consumer

    async def _fetch_records(self, consumer: Any, active_partitions: Any, *arguments: Any, **options: Any) -> Any:
        present: Any = _Present(active_partitions)
        return await super()._fetch_records(consumer, present, *arguments, **options)

    async def begin(self, partitions: set[TP], reset: str) -> dict[TP, tuple[int | None, int]]:
        """Seek each partition to its committed offset, or to where a new group begins; both, by partition."""
        return cast("dict[TP, tuple[int | None, int]]", await self.call_thread(self._begin, partitions, reset))

    async def _begin(self, partitions: set[TP], reset: str) -> dict[TP, tuple[int | None, int]]:
        consumer = self._ensure_consumer()
        committed = {tp: await consumer.committed(tp) for tp in partitions}
        fresh = [tp for tp, offset in committed.items() if offset is None or offset < 0]
        find = consumer.end_offsets if reset == "latest" else consumer.beginning_offsets
        starts = await find(fresh) if fresh else {}
        found: dict[TP, tuple[int | None, int]] = {}
        for tp, offset in committed.items():
            found[tp] = (None, starts[tp]) if tp in starts else (offset, offset)
            consumer.seek(tp, found[tp][1])
        return found

    def reaches_kafka(self) -> bool:
        """Whether the group's coordinator answered when it was last asked."""
        coordinator = getattr(self._consumer, "_coordinator", None)  # no public way
        return coordinator is not None and coordinator.coordinator_id is not None

    def reading(self, partition: TP) -> tuple[int, int]:
        """Kafka's position in a partition, and its end as last heard; zeros while there is none."""
        subscription = self._ensure_consumer()._subscription.subscription  # noqa: SLF001  # no public way without waiting
        assignment = subscription.assignment if subscription is not None else None
        state = assignment.state_value(partition) if assignment is not None and partition in assignment.tps else None
        if state is None or not state.has_valid_position:
            return 0, 0
        return state.position, state.highwater or 0

    async def seek_now(self, partition: TP, offset: int) -> None:
        """Seek, and return when it is done: the next fetch begins there."""
        await self.call_thread(self._ensure_consumer().seek, partition, offset)


class StageConsumer(Consumer):
    """Delivers each record of an assignment once and in order; commits what the stage acknowledged."""

    _thread: StageConsumerThread

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.cursor = Cursor()
        self._read_offset = _Unread()
        self._done: dict[TP, int] = {}

    def _new_consumer_thread(self) -> Any:
        return StageConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Nothing more of these is delivered, or committed."""
        self.cursor.forget(revoked)
        for tp in revoked:
            self._done.pop(tp, None)
        await super().on_partitions_revoked(revoked)

    async def perform_seek(self) -> None:
        """Put every source partition to where its group left off. Call it while they are paused."""
        sources = {tp for tp in self.assignment() if not self._is_changelog_tp(tp)}
        found = await self._thread.begin(sources, self.app.conf.consumer_auto_offset_reset)
        self._done.clear()
        self._committed_offset.update({tp: committed for tp, (committed, _) in found.items()})
        self.cursor.begin({tp: start for tp, (_, start) in found.items()})

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109  # Faust's
        """Records to hand to the agents and tables, in order."""
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        asked: set[TP] = set()
        for tp, record in self.scheduler.iterate(records or {}):
            if not self.flow_active or self.should_stop or self.app.consumer_generation_id != generation:
                return
            if active is None or (tp not in active and tp not in self._buffered_partitions) or tp in asked:
                continue
            verdict = Verdict.DELIVER if self._is_changelog_tp(tp) else self.cursor.take(tp, record.offset)
            if verdict is Verdict.ASK_AGAIN:
                asked.add(tp)
                await self._ask_again(tp, record.offset)
            elif verdict is Verdict.DELIVER:
                self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
                yield tp, self._to_message(tp, record)

    def reaches_kafka(self) -> bool:
        """Whether Kafka answered when it was last asked."""
        return self._thread.reaches_kafka()

    def standings(self) -> list[Standing]:
        """Of each partition, how far it is read and committed, and whether there is more to read or to commit."""
        found = []
        for tp in self.assignment():
            read, done, committed = self.cursor.position(tp), self._done.get(tp, 0), self._committed_offset[tp] or 0
            if read is None:
                continue
            # Kafka's own position also passes what is never delivered, such as transaction markers.
            at, end = self._thread.reading(tp)
            where = f"{tp.topic} {tp.partition}"
            found.append(Standing(f"reading {where}", (read, at), end > at, OTHERS_FIRST))
            found.append(Standing(f"committing {where}", (committed,), done > committed))
        return found

    async def _ask_again(self, tp: TP, came: int) -> None:
        due = self.cursor.position(tp)
        assert due is not None  # noqa: S101  # the cursor has just asked for it
        self.log.warning("%s: offset %d came, but %d is due; asking for it again", tp, came, due)
        try:
            await self._thread.seek_now(tp, due)
        except IllegalStateError:  # no longer ours: whoever has it begins at the committed offset
            self.cursor.forget([tp])

    def ack(self, message: Any) -> bool:
        """Note how far a partition is done, if it still is ours: streams also acknowledge what they skip."""
        if message.acked:
            return False
        message.acked = True
        self._unacked_messages.discard(message)
        mine = self.flow_active and message.generation_id == self.app.consumer_generation_id
        if mine and self.cursor.position(message.tp) is not None:
            self._done[message.tp] = max(self._done.get(message.tp, 0), message.offset + 1)
        return mine

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Any:
        return [tp for tp in self._done if topics is None or tp in topics or tp.topic in topics]

    def _new_offset(self, tp: TP) -> int | None:
        return self._done.get(tp)

    async def _commit_offsets(self, offsets: Any, start_new_transaction: bool = True) -> bool:
        await cast("StageApp", self.app).tables_written()
        return await super()._commit_offsets(offsets, start_new_transaction)


class StageTransport(Transport):
    """Kafka, read by ``StageConsumer``."""

    Consumer = StageConsumer
