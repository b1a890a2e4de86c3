"""The rules of delivery: only finished prefixes are acknowledged, each once; the dead letters have a limit."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streams.delivery import AckWindow, DeadLetters, Partition, Slot, TooManyDeadLetters
from streams.envelope import BadRecord, Headers
from tests.support.events import FakeEvent, FakeMessage, Partitioned

BAD = BadRecord("undecodable", "the packet is cut off")


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


# --- the ack window, by example -------------------------------------------------------------------------------------


def test_acknowledges_in_offset_order_whatever_the_order_of_finishing() -> None:
    source, window = Partitioned(), AckWindow()
    slots = [window.open(source.event()) for _ in range(4)]
    window.finish(slots[2])
    window.finish(slots[1])
    assert source.acked == []
    window.finish(slots[0])
    assert source.acked == [("t", 0, 0), ("t", 0, 1), ("t", 0, 2)]
    window.finish(slots[3])
    assert source.acked[-1] == ("t", 0, 3)
    assert (window.outstanding, window.acknowledged) == (0, 4)


def test_partitions_do_not_hold_each_other_up() -> None:
    source, window = Partitioned(), AckWindow()
    window.open(source.event(partition=0))
    window.finish(window.open(source.event(partition=1)))
    window.finish(window.open(source.event(topic="u", partition=0)))
    assert source.acked == [("t", 1, 0), ("u", 0, 0)]


def test_finishing_twice_is_harmless() -> None:
    source, window = Partitioned(), AckWindow()
    slot = window.open(source.event())
    window.finish(slot)
    window.finish(slot)
    assert source.acked == [("t", 0, 0)]
    assert window.outstanding == 0


def test_a_revoked_partition_is_forgotten_and_its_slots_are_stale() -> None:
    source, window = Partitioned(), AckWindow()
    gone, kept = window.open(source.event(partition=0)), window.open(source.event(partition=1))
    window.revoke([("t", 0), ("t", 7)])
    assert gone.stale
    assert not kept.stale
    assert window.outstanding == 1
    window.finish(gone)
    assert source.acked == []
    window.finish(kept)
    assert source.acked == [("t", 1, 0)]


def test_after_a_revocation_the_partition_may_be_read_again_from_an_earlier_offset() -> None:
    window = AckWindow()
    old = [window.open(event) for event in _events(range(5, 8))]
    window.revoke()
    again = _events(range(5, 8))
    slots = [window.open(event) for event in again]
    window.finish(old[0])  # what was under way when the partition went away ends now, without effect
    window.finish(slots[0])
    assert again[0].log == [("t", 0, 5)]
    assert old[0].event.log == []  # type: ignore[attr-defined]  # a FakeEvent


@pytest.mark.parametrize("finished", [False, True])
def test_a_record_delivered_twice_is_acknowledged_once(finished: bool) -> None:
    """Faust repeats the last record when it seeks at the end of recovery."""
    window = AckWindow()
    first, again, following = _events([4])[0], _events([4])[0], _events([5])[0]
    slot = window.open(first)
    if finished:
        window.finish(slot)
    repeated = window.open(again)
    assert repeated.stale
    assert not slot.stale
    window.finish(repeated)
    window.finish(window.open(following))
    window.finish(slot)
    assert (first.log, again.log, following.log) == ([("t", 0, 4)], [], [("t", 0, 5)])
    assert window.outstanding == 0


def test_offsets_may_jump_over_what_the_broker_compacted() -> None:
    window = AckWindow()
    events = _events([1, 5, 9])
    for slot in [window.open(event) for event in events]:
        window.finish(slot)
    assert window.acknowledged == 3


async def test_a_full_window_makes_the_reader_wait_until_one_is_acknowledged() -> None:
    source, window = Partitioned(), AckWindow(limit=2)
    slots = [window.open(source.event()) for _ in range(2)]
    await window.room()
    window.open(source.event())
    waiting = asyncio.ensure_future(window.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    window.finish(slots[1])  # finished, but behind an unfinished one: still outstanding
    await asyncio.sleep(0)
    assert not waiting.done()
    window.finish(slots[0])
    await waiting
    assert window.outstanding == 1


async def test_a_revocation_makes_room() -> None:
    source, window = Partitioned(), AckWindow(limit=1)
    for _ in range(2):
        window.open(source.event())
    waiting = asyncio.ensure_future(window.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    window.revoke([("t", 0)])
    await waiting


def test_stalled_counts_from_the_last_progress_and_only_while_there_is_work() -> None:
    clock = Clock()
    source, window = Partitioned(), AckWindow(clock=clock)
    clock.now += 1000
    assert window.stalled_for() == 0.0
    slots = [window.open(source.event()) for _ in range(3)]
    assert window.stalled_for() == 0.0
    clock.now += 5
    assert window.stalled_for() == 5.0
    window.finish(slots[1])
    assert window.stalled_for() == 0.0
    clock.now += 3
    window.finish(slots[0])
    clock.now += 3
    assert window.stalled_for() == 3.0
    window.finish(slots[2])
    clock.now += 1000
    assert window.stalled_for() == 0.0


def _events(offsets: range | list[int]) -> list[FakeEvent]:
    log: list[tuple[str, int, int]] = []
    return [FakeEvent(FakeMessage("t", 0, offset), log) for offset in offsets]


# --- the ack window, against a model --------------------------------------------------------------------------------


class WindowAgainstModel(RuleBasedStateMachine):
    """Any interleaving of receiving, finishing and rebalancing on three partitions.

    The model is Kafka itself: a log per partition, a committed offset (one past the last acknowledged record), and a
    reader that begins again there after a revocation.
    """

    def __init__(self) -> None:
        super().__init__()
        self.window = AckWindow(limit=10_000)
        self.acked: list[tuple[str, int, int]] = []
        self.position: dict[Partition, int] = defaultdict(int)
        self.committed: dict[Partition, int] = defaultdict(int)
        self.begin: dict[Partition, int] = defaultdict(int)  # where reading began after the last rebalance
        self.done: dict[Partition, set[int]] = defaultdict(set)  # offsets whose result is published
        self.open: list[Slot] = []
        self.stale: list[Slot] = []

    @rule(partition=st.integers(0, 2), count=st.integers(1, 5))
    def receive(self, partition: int, count: int) -> None:
        """The reader gets the next records of a partition."""
        place = ("t", partition)
        for _ in range(count):
            # A log of its own per generation: acknowledging one record again after a rebalance is legitimate.
            event = FakeEvent(FakeMessage("t", partition, self.position[place]))
            self.position[place] += 1
            self.open.append(self.window.open(event))

    @precondition(lambda self: any(self.position.values()))
    @rule(data=st.data())
    def receive_again(self, data: st.DataObject) -> None:
        """A record that was delivered since the last rebalance comes once more."""
        read = [(place, offset) for place, end in self.position.items() for offset in range(self.begin[place], end)]
        if not read:
            return
        place, offset = data.draw(st.sampled_from(read))
        repeated = self.window.open(FakeEvent(FakeMessage(*place, offset)))
        assert repeated.stale
        self.stale.append(repeated)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        """Any open record is finished."""
        slot = data.draw(st.sampled_from(self.open))
        self.open.remove(slot)
        self.done[slot.partition].add(slot.offset)
        self.window.finish(slot)
        self._commit(slot.partition)
        if data.draw(st.booleans()):
            self.window.finish(slot)

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def finish_stale(self, data: st.DataObject) -> None:
        """Work that was under way when its partition went away ends."""
        slot = data.draw(st.sampled_from(self.stale))
        self.stale.remove(slot)
        self.window.finish(slot)
        assert slot.event.log == []  # type: ignore[attr-defined]  # a FakeEvent

    @rule(partitions=st.none() | st.sets(st.integers(0, 2)))
    def rebalance(self, partitions: set[int] | None) -> None:
        """Partitions go away and come back: reading goes on from the committed offset."""
        chosen = None if partitions is None else [("t", p) for p in partitions]
        self.window.revoke(chosen)
        lost = [slot for slot in self.open if chosen is None or slot.partition in chosen]
        assert all(slot.stale for slot in lost)
        self.open = [slot for slot in self.open if slot not in lost]
        self.stale.extend(lost)
        for place in list(self.position) if chosen is None else chosen:
            self.position[place] = self.begin[place] = self.committed[place]
            self.done[place] = {offset for offset in self.done[place] if offset < self.committed[place]}

    def _commit(self, place: Partition) -> None:
        while self.committed[place] in self.done[place]:
            self.committed[place] += 1

    @invariant()
    def never_past_an_unfinished_record_and_never_behind_a_finished_prefix(self) -> None:
        """Outstanding is exactly what was read beyond the committed offset."""
        outstanding = sum(self.position[place] - self.committed[place] for place in self.position)
        assert self.window.outstanding == outstanding
        for slot in self.open:
            assert slot.event.log == []  # type: ignore[attr-defined]  # a FakeEvent
            assert not slot.stale

    @invariant()
    def acknowledged_counts_what_was_committed(self) -> None:
        """Each commit step is one acknowledgement: no more, no fewer."""
        assert self.window.acknowledged == sum(self.committed.values())


TestWindowAgainstModel = WindowAgainstModel.TestCase


@given(st.lists(st.integers(0, 2), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_every_record_is_acknowledged_once_and_in_order(partitions: list[int], dice: object) -> None:
    source, window = Partitioned(), AckWindow()
    slots = [window.open(source.event(partition=p)) for p in partitions]
    unfinished = set(range(len(slots)))
    order = list(range(len(slots)))
    dice.shuffle(order)  # type: ignore[attr-defined]  # a random.Random
    for index in order:
        unfinished.discard(index)
        window.finish(slots[index])
        for i in unfinished:
            blocked = (slots[i].partition[0], slots[i].partition[1], slots[i].offset)
            assert not any(a[:2] == blocked[:2] and a[2] >= blocked[2] for a in source.acked)
    by_partition: dict[int, list[int]] = defaultdict(list)
    for _, partition, offset in source.acked:
        by_partition[partition].append(offset)
    assert by_partition == {p: list(range(partitions.count(p))) for p in set(partitions)}


# --- dead letters ---------------------------------------------------------------------------------------------------


class Grave:
    """Collects what is buried."""

    def __init__(self) -> None:
        self.buried: list[tuple[bytes | None, bytes, Headers]] = []

    async def __call__(self, key: bytes | None, value: bytes, headers: Headers) -> None:
        self.buried.append((key, value, headers))


async def test_a_dead_letter_is_the_record_as_received_with_reason_and_origin() -> None:
    grave = Grave()
    letters = DeadLetters("segment", grave)
    message = FakeMessage("voice.chunks", 3, 42, b"tea-room", b"\xff\x00", [("ce_id", b"1"), ("x", "text")])
    await letters.bury(FakeEvent(message), BAD)
    key, value, headers = grave.buried[0]
    assert (key, value) == (b"tea-room", b"\xff\x00")
    assert headers == [
        ("ce_id", b"1"),
        ("x", b"text"),
        ("rw_reason", b"undecodable"),
        ("rw_detail", b"the packet is cut off"),
        ("rw_stage", b"segment"),
        ("rw_topic", b"voice.chunks"),
        ("rw_partition", b"3"),
        ("rw_offset", b"42"),
    ]
    assert letters.buried == 1


@pytest.mark.parametrize("headers", [None, [], {}, {"ce_id": b"1"}, (("ce_id", None),)])
async def test_any_shape_of_headers_and_an_absent_value_can_be_buried(headers: object) -> None:
    grave = Grave()
    await DeadLetters("segment", grave).bury(FakeEvent(FakeMessage("t", 0, 0, None, None, headers)), BAD)
    key, value, written = grave.buried[0]
    assert (key, value) == (None, b"")
    assert all(isinstance(v, bytes) for _, v in written)
    assert ("rw_reason", b"undecodable") in written


async def test_an_oversized_value_is_cut_and_says_so() -> None:
    grave = Grave()
    letters = DeadLetters("segment", grave, max_value_bytes=10)
    await letters.bury(FakeEvent(FakeMessage("t", 0, 0, b"k", bytes(range(30)))), BAD)
    _, value, headers = grave.buried[0]
    assert value == bytes(range(10))
    assert dict(headers)["rw_truncated_from"] == b"30"


async def test_a_deployment_that_can_read_nobody_stops() -> None:
    letters = DeadLetters("segment", Grave(), share=0.5, minimum=20)
    source = Partitioned()
    for n in range(19):  # not before the window is full
        await letters.bury(source.event(key=f"room-{n % 10}".encode()), BAD)
    with pytest.raises(TooManyDeadLetters, match="undecodable"):
        await letters.bury(source.event(key=b"room-9"), BAD)
    assert letters.buried == 20  # the last one too: nothing is dropped on the way down


async def test_one_broken_sender_among_many_does_not_stop_the_worker() -> None:
    letters = DeadLetters("segment", Grave(), share=0.5, minimum=20)
    source = Partitioned()
    for n in range(200):
        await letters.bury(source.event(key=b"broken"), BAD)  # far more records than everybody else sends
        if n % 4 == 0:
            letters.fine(f"room-{n % 3}".encode())


async def test_a_single_broken_sender_alone_does_not_stop_the_worker() -> None:
    letters = DeadLetters("segment", Grave(), share=0.5, minimum=20)
    source = Partitioned()
    for _ in range(200):
        await letters.bury(source.event(key=b"broken"), BAD)


async def test_the_share_is_of_recent_records_only() -> None:
    letters = DeadLetters("segment", Grave(), share=0.5, minimum=20)
    source = Partitioned()
    for n in range(19):
        await letters.bury(source.event(key=f"room-{n}".encode()), BAD)
    for n in range(40):
        letters.fine(f"room-{n % 19}".encode())
    await letters.bury(source.event(key=b"room-0"), BAD)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=80))
async def test_the_limit_against_its_definition(history: list[tuple[int, bool]]) -> None:
    """Stops exactly when, over the last ``minimum`` records, more than ``share`` of at least three tracks are bad."""
    letters = DeadLetters("segment", Grave(), share=0.5, minimum=10)
    source = Partitioned()
    for n, (track, is_bad) in enumerate(history, start=1):
        if not is_bad:
            letters.fine(str(track).encode())
            continue
        recent = history[max(0, n - 10) : n]
        bad = {t for t, was_bad in recent if was_bad}
        over = len(recent) == 10 and len(bad) >= 3 and len(bad) > 0.5 * len({t for t, _ in recent})
        if over:
            with pytest.raises(TooManyDeadLetters):
                await letters.bury(source.event(key=str(track).encode()), BAD)
            return
        await letters.bury(source.event(key=str(track).encode()), BAD)
