"""The owner of a model: one batch at a time, off the loop, filled while waiting, and its errors come out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from agents.batching import Batcher, Work

PATIENCE_S = 20.0


class Bench:
    """A batcher over strings; records what ran, where, and what was delivered."""

    def __init__(self, full: int = 4, wait_s: float = 0.0) -> None:
        self.full = full
        self.wait_s = wait_s
        self.batches: list[list[str]] = []
        self.delivered: list[str] = []
        self.threads: set[int] = set()
        self.running = 0
        self.most_running = 0
        self.gate = threading.Event()
        self.gate.set()
        self.deliverable = asyncio.Event()
        self.deliverable.set()
        self.fail_on: str | None = None
        self.refuse: str | None = None
        self.now = 0.0
        self.batcher: Batcher[str, str] = Batcher(self.choose, self.run, self.deliver, lambda: self.now)

    def choose(self, pending: Sequence[Work[str]], now_s: float) -> list[Work[str]]:
        due = pending and (len(pending) >= self.full or now_s - pending[0].added_at >= self.wait_s)
        return list(pending[: self.full]) if due else []

    def run(self, items: list[str]) -> list[str]:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.threads.add(threading.get_ident())
        self.batches.append(items)
        self.gate.wait(PATIENCE_S)
        self.running -= 1
        if self.fail_on in items:
            raise RuntimeError("the model broke")
        return [item.upper() for item in items]

    async def deliver(self, pairs: list[tuple[str, str]], seconds: float) -> None:
        del seconds
        await self.deliverable.wait()
        if self.refuse is not None and self.refuse in dict(pairs):
            raise ConnectionError("the broker is gone")
        self.delivered.extend(result for _, result in pairs)

    async def until(self, condition) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.001)


@pytest.fixture
async def bench():
    bench = Bench()
    bench.task = asyncio.create_task(bench.batcher.serve())
    yield bench
    bench.gate.set()
    bench.deliverable.set()
    bench.task.cancel()
    await asyncio.gather(bench.task, return_exceptions=True)


async def test_results_are_delivered_with_their_items_in_order(bench) -> None:
    for item in "abcdefghij":
        bench.batcher.add(item)
    await bench.until(lambda: len(bench.delivered) == 10)
    assert "".join(bench.delivered) == "ABCDEFGHIJ"
    assert [len(batch) for batch in bench.batches] == [4, 4, 2]


async def test_never_two_batches_at_once_and_never_on_the_loop(bench) -> None:
    bench.gate.clear()
    for item in "abcdefghijkl":
        bench.batcher.add(item)
    await bench.until(lambda: bench.running)
    for _ in range(50):  # the loop lives while the model works
        await asyncio.sleep(0)
    assert len(bench.batches) == 1
    bench.gate.set()
    await bench.until(lambda: len(bench.delivered) == 12)
    assert bench.most_running == 1
    assert len(bench.threads) == 1
    assert threading.get_ident() not in bench.threads


async def test_what_comes_while_the_model_works_fills_the_next_batch(bench) -> None:
    bench.gate.clear()
    bench.batcher.add("a")
    await bench.until(lambda: bench.running)
    for item in "bcd":
        bench.batcher.add(item)
    bench.gate.set()
    await bench.until(lambda: len(bench.delivered) == 4)
    assert bench.batches == [["a"], ["b", "c", "d"]]


async def test_waits_for_company_until_the_chooser_says_that_it_is_time(bench) -> None:
    bench.wait_s = 40.0
    bench.batcher.add("a")
    bench.batcher.add("b")
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert bench.batches == []
    bench.now = 41.0
    await bench.until(lambda: bench.delivered)
    assert bench.batches == [["a", "b"]]


async def test_a_full_batch_does_not_wait(bench) -> None:
    bench.wait_s = 1e9
    for item in "abcd":
        bench.batcher.add(item)
    await bench.until(lambda: len(bench.delivered) == 4)


async def test_publishing_overlaps_with_the_next_batch_but_stays_in_order(bench) -> None:
    bench.deliverable.clear()
    for item in "abcdefgh":
        bench.batcher.add(item)
    await bench.until(lambda: len(bench.batches) == 2)
    assert bench.delivered == []
    bench.deliverable.set()
    await bench.until(lambda: len(bench.delivered) == 8)
    assert "".join(bench.delivered) == "ABCDEFGH"


async def test_an_unconfirmed_batch_holds_back_the_one_after_the_next(bench) -> None:
    """Publishing that hangs must not pile up results."""
    bench.deliverable.clear()
    for item in "abcdefghijkl":
        bench.batcher.add(item)
    await bench.until(lambda: len(bench.batches) == 2)
    for _ in range(50):
        await asyncio.sleep(0.001)
    assert len(bench.batches) == 2


async def test_what_is_out_of_date_can_be_taken_out_while_it_waits(bench) -> None:
    bench.gate.clear()
    bench.batcher.add("a")
    await bench.until(lambda: bench.running)
    for item in "bc":
        bench.batcher.add(item)
    bench.batcher.pending[:] = [work for work in bench.batcher.pending if work.item != "b"]
    bench.gate.set()
    await bench.until(lambda: len(bench.delivered) == 2)
    assert bench.batches == [["a"], ["c"]]


async def test_emptying_the_queue_leaves_it_ready_for_more(bench) -> None:
    bench.wait_s = 1e9
    bench.batcher.add("a")
    await asyncio.sleep(0.002)
    bench.batcher.pending.clear()
    await asyncio.sleep(0.02)
    bench.wait_s = 0.0
    bench.batcher.add("b")
    await bench.until(lambda: bench.delivered == ["B"])


async def test_an_error_of_the_model_ends_serving(bench) -> None:
    bench.fail_on = "b"
    for item in "ab":
        bench.batcher.add(item)
    with pytest.raises(RuntimeError, match="the model broke"):
        await asyncio.wait_for(asyncio.shield(bench.task), PATIENCE_S)
    assert bench.delivered == []


@pytest.mark.parametrize("items", ["a", "abcdefgh"])
async def test_an_error_of_delivery_ends_serving_whether_or_not_more_waits(bench, items: str) -> None:
    bench.refuse = "a"
    for item in items:
        bench.batcher.add(item)
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(asyncio.shield(bench.task), PATIENCE_S)


@pytest.mark.parametrize("lanes", [1, 2])
async def test_an_error_of_delivery_comes_out_though_nothing_else_is_chosen(lanes: int) -> None:
    """What waited behind the batch was superseded, or another lane took it."""
    refused = asyncio.Event()

    async def deliver(pairs: list[tuple[str, str]], seconds: float) -> None:
        del pairs, seconds
        await refused.wait()
        raise ConnectionError("the broker is gone")

    gate = threading.Event()

    def run(items: list[str]) -> list[str]:
        gate.wait(PATIENCE_S)
        return items

    def choose(pending: Sequence[Work[str]], _: float) -> list[Work[str]]:
        return [work for work in pending if work.item == "a"]

    batcher: Batcher[str, str] = Batcher(choose, run, deliver, lanes=lanes)
    task = asyncio.create_task(batcher.serve())
    batcher.add("a")
    batcher.add("b")
    async with asyncio.timeout(PATIENCE_S):
        while len(batcher.pending) == 2:
            await asyncio.sleep(0.001)
    gate.set()
    await asyncio.sleep(0.02)  # the lane looks for more, finds "b" only, and does not choose it
    batcher.pending.clear()
    await asyncio.sleep(0.02)
    refused.set()
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(task, PATIENCE_S)


async def test_as_many_batches_at_once_as_there_are_lanes_and_no_more() -> None:
    bench = Bench(full=1)
    bench.batcher = Batcher(bench.choose, bench.run, bench.deliver, lambda: bench.now, lanes=2)
    task = asyncio.create_task(bench.batcher.serve())
    bench.gate.clear()
    for item in "abcdef":
        bench.batcher.add(item)
    await bench.until(lambda: bench.running == 2)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(bench.batches) == 2
    bench.gate.set()
    await bench.until(lambda: len(bench.delivered) == 6)
    assert sorted(bench.delivered) == list("ABCDEF")
    assert bench.most_running == 2
    assert len(bench.threads) == 2
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_error_in_one_lane_ends_them_all() -> None:
    bench = Bench(full=1)
    bench.fail_on = "b"
    bench.batcher = Batcher(bench.choose, bench.run, bench.deliver, lambda: bench.now, lanes=2)
    task = asyncio.create_task(bench.batcher.serve())
    for item in "abcd":
        bench.batcher.add(item)
    with pytest.raises(RuntimeError, match="the model broke"):
        await asyncio.wait_for(task, PATIENCE_S)


async def test_a_model_that_returns_too_few_results_ends_serving() -> None:
    batcher: Batcher[str, str] = Batcher(lambda pending, _: list(pending), lambda _: [], _ignore)
    task = asyncio.create_task(batcher.serve())
    batcher.add("a")
    with pytest.raises(ValueError, match="zip"):
        await asyncio.wait_for(task, PATIENCE_S)


async def test_loading_happens_on_the_thread_that_runs_the_model(bench) -> None:
    loaded: list[int] = []
    await bench.batcher.on_owner(lambda: loaded.append(threading.get_ident()))
    bench.batcher.add("a")
    await bench.until(lambda: bench.delivered)
    assert set(loaded) == bench.threads


async def _ignore(pairs: list[tuple[str, str]], seconds: float) -> None:
    del pairs, seconds
