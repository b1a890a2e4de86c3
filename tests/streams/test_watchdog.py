"""Work that waits while nothing moves is noticed, and only then; the stacks show where."""

from __future__ import annotations

import asyncio
import threading
import time

from hypothesis import given
from hypothesis import strategies as st

from streams.watchdog import LoopGuard, Standing, Stopped, Watchdog, all_stacks


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def test_work_that_waits_without_progress_for_so_long_has_stopped() -> None:
    clock = Clock()
    dog = Watchdog(60.0, clock)
    lagging = Standing("voice.chunks 0", (5, 5, 5), waits=True)
    assert dog.look([lagging]) == []
    clock.now += 59.9
    assert dog.look([lagging]) == []
    clock.now += 0.1
    assert dog.look([lagging]) == [Stopped("voice.chunks 0", 60.0, (5, 5, 5))]


def test_any_change_is_progress() -> None:
    clock = Clock()
    dog = Watchdog(60.0, clock)
    for marks in ((5, 5, 5), (6, 5, 5), (6, 6, 5), (6, 6, 6), (0, 0, 0)):
        assert dog.look([Standing("p", marks, waits=True)]) == []
        clock.now += 59.0
    clock.now += 1.0
    assert [stopped.what for stopped in dog.look([Standing("p", (0, 0, 0), waits=True)])] == ["p"]


def test_who_has_nothing_to_do_has_not_stopped_and_begins_anew() -> None:
    clock = Clock()
    dog = Watchdog(60.0, clock)
    waiting, idle = Standing("p", (1,), waits=True), Standing("p", (1,), waits=False)
    dog.look([waiting])
    clock.now += 50.0
    dog.look([idle])
    clock.now += 3600.0
    assert dog.look([waiting]) == []
    clock.now += 59.0
    assert dog.look([waiting]) == []


def test_what_is_not_looked_at_for_a_while_begins_anew() -> None:
    """Partitions that went away, and everything while Kafka does not answer."""
    clock = Clock()
    dog = Watchdog(60.0, clock)
    dog.look([Standing("p", (1,), waits=True)])
    clock.now += 600.0
    assert dog.look([]) == []
    assert dog.look([Standing("p", (1,), waits=True)]) == []


def test_one_partition_stops_while_the_others_go_on() -> None:
    clock = Clock()
    dog = Watchdog(10.0, clock)
    found: list[Stopped] = []
    for second in range(12):
        found = dog.look([Standing("moves", (second,), waits=True), Standing("stuck", (7,), waits=True)])
        clock.now += 1.0
    assert [stopped.what for stopped in found] == ["stuck"]


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.floats(0.1, 30.0)), min_size=1, max_size=40))
def test_it_never_barks_unless_the_same_marks_waited_all_the_time(steps: list[tuple[int, bool, float]]) -> None:
    clock = Clock()
    dog = Watchdog(60.0, clock)
    waited = 0.0
    last: int | None = None
    for mark, waits, seconds in steps:
        waited = waited if waits and mark == last else 0.0
        last = mark if waits else None
        # The sum of the steps, less a rounding error, is what the clock shows.
        barked = bool(dog.look([Standing("p", (mark,), waits)]))
        assert barked == (waits and waited >= 60.0) or abs(waited - 60.0) < 1e-6
        clock.now += seconds
        waited += seconds


async def test_the_stacks_name_the_code_of_every_thread_and_task() -> None:
    async def waits_for_ever() -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(waits_for_ever(), name="the stuck one")
    await asyncio.sleep(0)
    stacks = all_stacks(asyncio.get_running_loop())
    task.cancel()
    assert "thread MainThread:" in stacks
    assert "task the stuck one:" in stacks
    assert "waits_for_ever" in stacks


def test_a_loop_that_does_not_turn_is_noticed_from_outside() -> None:
    noticed = threading.Event()
    late: list[float] = []

    def frozen(seconds: float) -> None:
        late.append(seconds)
        noticed.set()

    guard = LoopGuard(0.05, lambda: time.monotonic() - 1.0, frozen)
    guard.start()
    assert noticed.wait(30)
    assert late[0] >= 0.05


def test_a_guard_that_is_stopped_watches_no_more() -> None:
    guard = LoopGuard(30.0, time.monotonic, lambda _: None)
    guard.start()
    guard.stop()
    guard._thread.join(30)
    assert not guard._thread.is_alive()


def test_one_of_many_may_wait_for_the_others_but_not_for_ever() -> None:
    clock = Clock()
    dog = Watchdog(60.0, clock)
    patient = Standing("reading p", (1,), waits=True, slack=5)
    dog.look([patient])
    clock.now += 299.0
    assert dog.look([patient]) == []
    clock.now += 1.0
    assert [stopped.what for stopped in dog.look([patient])] == ["reading p"]
