"""What Faust's consumer loses when partitions move, and ours must not; each test holds one of the causes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.tables.recovery import RebalanceAgain, ServiceStopped
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from streams.app import StageApp, create_app
from streams.consuming import Cursor, StageConsumer, Verdict, _Present
from streams.recovery import StageRecovery
from streams.settings import Settings
from streams.state import StateTable
from tests.support.events import Partitioned
from tests.support.kafka import without_kafka

HERE = TP("voice.chunks", 0)
THERE = TP("voice.chunks", 1)


@pytest.fixture
def app(tmp_path: Path) -> StageApp:
    return create_app("segment", Settings(state_dir=tmp_path, group_prefix="rw"))


# --- the cursor ------------------------------------------------------------------------------------------------------


def test_records_are_delivered_once_and_in_order_from_where_the_group_left_off() -> None:
    cursor = Cursor()
    assert cursor.take(HERE, 0) is Verdict.DROP  # not begun: fetched for an assignment that is gone
    cursor.begin({HERE: 5})
    assert [cursor.take(HERE, offset) for offset in (4, 5, 6, 5, 7)] == [
        Verdict.DROP,
        Verdict.DELIVER,
        Verdict.DELIVER,
        Verdict.DROP,
        Verdict.DELIVER,
    ]
    assert cursor.take(THERE, 0) is Verdict.DROP
    assert cursor.position(HERE) == 8


def test_what_is_missing_is_asked_for_again_and_then_delivered() -> None:
    cursor = Cursor()
    cursor.begin({HERE: 5})
    assert cursor.take(HERE, 7) is Verdict.ASK_AGAIN
    assert cursor.position(HERE) == 5
    assert [cursor.take(HERE, offset) for offset in (5, 6, 7)] == [Verdict.DELIVER] * 3
    assert cursor.missing == 0
    assert cursor.take(HERE, 9) is Verdict.ASK_AGAIN  # each hole has its own question


def test_what_is_missing_twice_is_gone_from_the_log() -> None:
    """Transaction markers, and records past their retention, have offsets and never come."""
    cursor = Cursor()
    cursor.begin({HERE: 5})
    assert cursor.take(HERE, 7) is Verdict.ASK_AGAIN
    assert cursor.take(HERE, 7) is Verdict.DELIVER
    assert cursor.missing == 2
    assert cursor.position(HERE) == 8


def test_nothing_of_a_revoked_partition_is_delivered_until_it_begins_again() -> None:
    cursor = Cursor()
    cursor.begin({HERE: 0, THERE: 0})
    assert cursor.take(HERE, 3) is Verdict.ASK_AGAIN
    cursor.forget([HERE])
    assert cursor.take(HERE, 0) is Verdict.DROP
    assert cursor.take(THERE, 0) is Verdict.DELIVER
    cursor.begin({HERE: 0})
    assert cursor.take(HERE, 3) is Verdict.ASK_AGAIN
    assert cursor.take(THERE, 1) is Verdict.DROP


@given(
    gone=st.sets(st.integers(0, 40)),
    start=st.integers(0, 20),
    rounds=st.lists(
        st.tuples(st.sampled_from(["fetch", "drop", "stale"]), st.integers(1, 7), st.integers(0, 40)), max_size=30
    ),
)
def test_whatever_was_fetched_in_between_every_record_of_the_log_is_delivered_once(
    gone: set[int], start: int, rounds: list[tuple[str, int, int]]
) -> None:
    """Batches that were dropped on the way, or were fetched before the seek; never as the answer to a question."""
    log = [offset for offset in range(41) if offset not in gone]
    cursor, position, delivered, asked = Cursor(), start, [], False
    cursor.begin({HERE: start})
    for what, size, elsewhere in [*rounds, *[("fetch", 7, 0)] * 60]:
        stale = what == "stale" and not asked
        batch = [offset for offset in log if offset >= (elsewhere if stale else position)][:size]
        if batch and not stale:
            position = batch[-1] + 1
        if what == "drop" and not asked:
            continue
        for offset in batch:
            verdict = cursor.take(HERE, offset)
            asked = verdict is Verdict.ASK_AGAIN
            if asked:
                position = cursor.position(HERE) or 0
                break
            if verdict is Verdict.DELIVER:
                delivered.append(offset)
    seen = [offset for offset in log if offset >= start]
    # What was dropped at the very end of the log is noticed with the record after it.
    assert delivered == seen[: len(delivered)]
    assert cursor.take(HERE, 41) is not Verdict.DELIVER or delivered == seen


# --- the consumer ----------------------------------------------------------------------------------------------------


def test_no_active_partition_means_none_and_not_all() -> None:
    active: set[TP] = set()
    present = _Present(active)
    assert present  # aiokafka asks `if partitions and tp not in partitions`
    assert HERE not in present
    active.add(HERE)
    assert HERE in present


def consumer_of(app: StageApp) -> Any:
    """A consumer that is not connected, and delivers partition 0 from offset 10 in generation 3."""
    consumer = app._new_consumer()
    assert isinstance(consumer, StageConsumer)
    app.consumer_generation_id = 3
    consumer.resume_flow()
    consumer.cursor.begin({HERE: 10})
    return consumer


def message(offset: int, generation: int = 3, partition: TP = HERE) -> Any:
    return SimpleNamespace(tp=partition, offset=offset, generation_id=generation, acked=False)


class _Weak(SimpleNamespace):
    """A message that a weak set can hold."""

    __hash__ = object.__hash__


async def test_what_is_acknowledged_is_committed_up_to_the_next_offset(app: StageApp) -> None:
    consumer = consumer_of(app)
    for offset in (10, 11):
        assert consumer.ack(_Weak(**vars(message(offset))))
    assert list(consumer._filter_tps_with_pending_acks()) == [HERE]
    assert consumer._new_offset(HERE) == 12
    assert consumer._filter_committable_offsets([HERE]) == {HERE: 12}


async def test_a_record_skipped_because_its_assignment_is_gone_is_not_committed(app: StageApp) -> None:
    """A stream acknowledges what it skips; Faust then commits it, and its new owner never hears it."""
    consumer = consumer_of(app)
    assert not consumer.ack(_Weak(**vars(message(10, generation=2))))
    consumer.stop_flow()
    assert not consumer.ack(_Weak(**vars(message(10))))
    consumer.resume_flow()
    consumer.ack(_Weak(**vars(message(0, partition=THERE))))  # not being delivered
    assert list(consumer._filter_tps_with_pending_acks()) == []


async def test_a_revoked_partition_is_not_committed_any_more(app: StageApp) -> None:
    consumer = consumer_of(app)
    consumer.ack(_Weak(**vars(message(10))))
    app._on_partitions_revoked = consumer._on_partitions_revoked = _nothing  # type: ignore[method-assign]
    await consumer.on_partitions_revoked({HERE})
    assert consumer.cursor.position(HERE) is None
    assert consumer._new_offset(HERE) is None


async def _nothing(*_: Any) -> None:
    """Stands for the app's own reaction."""


class _Thread:
    """Answers as the consumer's thread would: partition 0 is committed at 7, partition 1 nowhere."""

    def __init__(self) -> None:
        self.sought: list[tuple[TP, int]] = []
        self.at: dict[TP, tuple[int, int]] = {}

    async def begin(self, partitions: set[TP], reset: str) -> dict[TP, tuple[int | None, int]]:
        assert reset == "earliest"
        return {tp: (7, 7) if tp == HERE else (None, 2) for tp in partitions}

    def assignment(self) -> set[TP]:
        return {HERE, THERE, TP("rw-segment-positions-changelog", 0)}

    async def seek_now(self, partition: TP, offset: int) -> None:
        self.sought.append((partition, offset))

    def reading(self, partition: TP) -> tuple[int, int]:
        return self.at[partition]


async def test_a_partition_with_nothing_committed_begins_at_an_explicit_offset_too(app: StageApp) -> None:
    StateTable(app, "positions", 2)
    consumer = consumer_of(app)
    consumer._thread = _Thread()
    await consumer.perform_seek()
    assert (consumer.cursor.position(HERE), consumer.cursor.position(THERE)) == (7, 2)
    assert consumer.cursor.position(TP("rw-segment-positions-changelog", 0)) is None
    assert (consumer._committed_offset[HERE], consumer._committed_offset[THERE]) == (7, None)


async def test_a_batch_with_a_hole_is_fetched_again_from_the_hole(app: StageApp) -> None:
    consumer = consumer_of(app)
    thread = consumer._thread = _Thread()
    batches = [[12, 13], [10, 11, 12, 13]]

    async def fetched(_: float) -> Any:
        return {HERE: [SimpleNamespace(offset=offset) for offset in batches.pop(0)]}, {HERE}

    consumer._wait_next_records = fetched
    consumer.scheduler.iterate = lambda records: ((tp, r) for tp, batch in records.items() for r in batch)
    consumer.highwater = lambda _: 20
    consumer._to_message = lambda _, record: record.offset
    app.monitor.track_tp_end_offset = lambda *_: None
    assert [offset async for _, offset in consumer.getmany(1.0)] == []
    assert thread.sought == [(HERE, 10)]
    assert [offset async for _, offset in consumer.getmany(1.0)] == [10, 11, 12, 13]


async def test_the_watchdog_learns_what_is_not_read_and_what_is_not_committed(app: StageApp) -> None:
    consumer = consumer_of(app)
    thread = consumer._thread = _Thread()
    thread.at[HERE] = (12, 12)
    assert [standing.waits for standing in consumer.standings()] == [False, False]
    thread.at[HERE] = (12, 20)  # more is there
    consumer.ack(_Weak(**vars(message(10))))  # and one is done
    reading, committing = consumer.standings()
    assert (reading.what, reading.marks, reading.waits) == ("reading voice.chunks 0", (10, 12), True)
    assert (committing.what, committing.marks, committing.waits) == ("committing voice.chunks 0", (0,), True)
    consumer._committed_offset[HERE] = 11
    assert [standing.waits for standing in consumer.standings()] == [True, False]


async def test_a_commit_waits_for_the_table_writes_before_it(app: StageApp) -> None:
    producer = without_kafka(app)
    queued: list[Any] = []
    producer.send_soon = queued.append  # type: ignore[method-assign]
    StateTable(app, "positions", 2).put(Partitioned().event(), "k", b"1")
    waiting = asyncio.ensure_future(app.tables_written())
    await asyncio.sleep(0)
    assert not waiting.done()
    queued[0].set_result(None)
    await waiting
    await app.tables_written()


async def test_a_table_write_that_failed_keeps_every_later_commit_from_happening(app: StageApp) -> None:
    written: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    app.note_table_write(written)
    written.set_exception(RuntimeError("no leader"))
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no leader"):
            await app.tables_written()


# --- recovery --------------------------------------------------------------------------------------------------------


class _Recorder:
    """A consumer and a flow control that say in which order they were asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def assignment(self) -> set[TP]:
        return {HERE}

    async def perform_seek(self) -> None:
        await asyncio.sleep(0)
        self.asked.append("seek")

    def resume_flow(self) -> None:
        self.asked.append("resume flow")

    def resume_partitions(self, _: Any) -> None:
        self.asked.append("open partitions")

    def resume(self) -> None:
        self.asked.append("empty queues")

    async def maybe_start(self) -> None:
        self.asked.append("fetch")


@pytest.mark.parametrize("tables", [True, False])
async def test_partitions_are_opened_after_the_seek_and_after_the_queues_are_emptied(
    app: StageApp, tables: bool
) -> None:
    recorder: Any = _Recorder()
    app.consumer = app.flow_control = app._fetcher = recorder
    app.consumer_generation_id = 3
    recovery = app.tables.recovery
    assert isinstance(recovery, StageRecovery)
    await (recovery.on_recovery_completed(3) if tables else recovery._resume_streams(3))
    assert recorder.asked == ["seek", "empty queues", "resume flow", "open partitions", "fetch"]
    assert recovery.completed.is_set()


async def test_an_assignment_that_is_already_gone_is_not_opened(app: StageApp) -> None:
    recorder: Any = _Recorder()
    app.consumer = app.flow_control = app._fetcher = recorder
    app.consumer_generation_id = 4
    await app.tables.recovery.on_recovery_completed(3)
    assert recorder.asked == []


async def test_a_step_that_waits_for_kafka_in_vain_begins_again_instead_of_ending_recovery(app: StageApp) -> None:
    recovery: Any = app.tables.recovery
    with pytest.raises(RebalanceAgain):
        await recovery._wait(asyncio.Event().wait(), timeout=0.001)
    assert recovery.signal_recovery_start.is_set()
    recovery.signal_recovery_start.clear()
    recovery._stopped.set()
    with pytest.raises(ServiceStopped):
        await recovery._wait(asyncio.Event().wait(), timeout=0.001)


async def test_the_end_of_a_recovery_is_noticed_even_if_it_comes_before_anybody_waits(app: StageApp) -> None:
    recovery: Any = app.tables.recovery
    recovery._set_recovery_started()
    recovery.signal_recovery_end.set()
    recovery.signal_recovery_end.clear()  # what Faust does next, before the waiting task runs
    await asyncio.wait_for(recovery.signal_recovery_end.wait(), 1)
    recovery._set_recovery_started()
    assert not recovery.signal_recovery_end.is_set()
