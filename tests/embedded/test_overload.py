"""A worker that is killed in the middle of a flood: what was deferred, half heard or under way is heard in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.bench_overload import FLOODING, STEADY, Tally, play, watch
from deploy.brokers import Broker
from loadtest.overload import talk
from streams.admin import apply_topics
from streams.reading import Reader
from streams.settings import Settings
from streams.topics import COVERAGE, FINDINGS
from tests.support.processes import PATIENCE_S, WorkerProcess

pytestmark = pytest.mark.timeout(600)

IMPATIENT = {
    # So short that a few seconds of too much speech see everything; heads are not what this is about.
    "LIVE_WAIT_MS": "600",
    "REPLICAS": "2",
    "SOUNDS": "false",
    "SYNTHETIC": "false",
    "WORD_TIMES": "false",
}


async def until(condition: Callable[[], bool], tasks: list[asyncio.Task[None]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            for task in tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.05)


async def test_no_second_is_lost_or_counted_twice(broker: Broker, tmp_path: Path) -> None:
    said = talk({STEADY: 2, FLOODING: 40}, 8.0, 1)
    finals = [each for each in said if not each.partial]
    await apply_topics(Settings(kafka=broker.bootstrap, partitions=2))
    workers = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        module = "deploy.bench_overload"
        workers.append(WorkerProcess(broker.bootstrap, tmp_path / name, module=module, **IMPATIENT))
    tally = Tally()
    async with Reader(broker.bootstrap, (FINDINGS, COVERAGE), start="earliest") as reader:
        tasks = [asyncio.create_task(watch(reader, tally))]
        with workers[0], workers[1]:
            workers[1].kill()
            playing = asyncio.create_task(play(said, broker.bootstrap))
            tasks.append(playing)
            await until(lambda: tally.waiting("deferred") > 0 and tally.seconds(STEADY)["analysed"] > 0, tasks)
            workers[0].kill()
            workers[1].start()
            await until(playing.done, tasks)
            whole_s = sum(round(1000.0 * each.seconds) for each in finals) / 1000.0

            def done() -> bool:
                received = sum(tally.seconds(tenant)["received"] for tenant in tally.ledgers)
                return received >= whole_s and tally.waiting("deferred") == tally.waiting("under_way") == 0

            await until(done, tasks)
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for tenant in tally.ledgers:
        seconds = tally.seconds(tenant)
        assert seconds["received"] == seconds["analysed"] + seconds["degraded"]
        assert seconds["received"] == sum(round(1000.0 * f.seconds) for f in finals if f.tenant == tenant) / 1000.0
