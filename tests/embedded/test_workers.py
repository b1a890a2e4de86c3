"""Worker processes: they share work, hand it over, stop when told to, and die rather than lose a record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from deploy.brokers import Broker
from deploy.brokers.ports import free_ports
from streams import records
from streams.admin import apply_topics
from streams.codec import Message, encode
from streams.settings import Settings
from tests.support import speech
from tests.support.processes import PATIENT, WorkerProcess
from tests.support.wire import Platform, platform, replaced

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
async def side(broker: Broker) -> AsyncIterator[Platform]:
    await apply_topics(Settings(kafka=broker.bootstrap, partitions=2))
    async with platform(broker.bootstrap) as connected:
        yield connected


@pytest.fixture
def port() -> str:
    return str(free_ports(1, "127.0.0.1")[0])


def rooms(prefix: str, count: int) -> dict[str, list[records.Chunk]]:
    """One seller with one sentence in each room, all at once."""
    pcm = np.concatenate(speech.sentences(["tea-room-seller-1"]))
    begin_ms = speech.begun_ms(len(pcm) / speech.RATE)
    return {
        f"{prefix}-{n}": speech.track(
            pcm, begin_ms, room=f"{prefix}-{n}", speaker=f"{prefix}-{n}", session=f"{prefix}-{n}"
        )
        for n in range(count)
    }


async def all_taken_down(side: Platform, wanted: set[str]) -> None:
    """Each room's seller is warned, once."""

    def done() -> bool:
        return wanted <= {t.target.room for t in side.of(records.Takedown)}

    await side.until(done, f"takedowns in {len(wanted)} rooms", 240)
    ids = {t.takedown_id for t in side.of(records.Takedown) if t.target.room in wanted}
    assert len(ids) == len(wanted)
    assert {t.action for t in side.of(records.Takedown) if t.target.room in wanted} == {"warn"}


async def test_a_second_worker_takes_its_share_and_then_everything(
    broker: Broker, side: Platform, tmp_path: Path
) -> None:
    first, second = (
        WorkerProcess(broker.bootstrap, tmp_path / str(n), variables=PATIENT, HEALTH_PORT=str(number))
        for n, number in enumerate(free_ports(2, "127.0.0.1"))
    )
    (tmp_path / "0").mkdir()
    (tmp_path / "1").mkdir()
    tracks = rooms("scale", 6)
    parts = [slice(0, 12), slice(12, 24), slice(24, None)]
    with first, second:
        second.kill()
        health = await first.until("/ready")
        assert [stage["stage"] for stage in health["stages"]] == ["segment", "listen", "catchup", "judge"]
        for track in tracks.values():
            await side.send(*track[parts[0]])
        second.start()  # in mid-utterance: a rebalance moves open tracks
        await second.until("/ready")
        for track in tracks.values():
            await side.send(*track[parts[1]])
        assert await first.stop() == 0
        for track in tracks.values():
            await side.send(*track[parts[2]])
        await all_taken_down(side, set(tracks))
        assert (await second.until("/live"))["ok"] is True
        assert await second.stop() == 0


async def test_a_model_that_breaks_stops_the_worker_and_the_next_one_hears_what_it_left(
    broker: Broker, side: Platform, port: str, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.touch()
    worker = WorkerProcess(broker.bootstrap, tmp_path, HEALTH_PORT=port)
    worker._environment["RW_TEST_BREAK"] = str(broken)
    tracks = rooms("crash", 2)
    with worker:
        await worker.until("/ready")
        for track in tracks.values():
            await side.send(*track)
        assert await worker.ended() != 0
        assert "stage listen stopped" in worker.output()
        assert "the model broke" in worker.output()
        assert not any(f.room in tracks for f in side.of(records.Finding))
        assert side.dead == []  # the records are not at fault
        broken.unlink()
        worker.start()
        await all_taken_down(side, set(tracks))


async def test_a_worker_that_can_read_nobody_stops_instead_of_burying_everything(
    broker: Broker, side: Platform, port: str, tmp_path: Path
) -> None:
    with WorkerProcess(broker.bootstrap, tmp_path, "segment", HEALTH_PORT=port, DEAD_LETTER_MINIMUM="20") as worker:
        await worker.until("/ready")
        flood = []
        for n in range(60):
            good = encode(samples_of(n))
            flood.append(
                Message(good.topic, good.key, good.value, replaced(good.headers, type=b"com.example.chunk.v2"))
            )
        await side.send(*flood)
        assert await worker.ended() != 0
        assert "TooManyDeadLetters" in worker.output()
        assert "unknown-type" in worker.output()
        await side.poll()
    assert 0 < len(side.dead) < 60


def samples_of(number: int) -> records.Chunk:
    """Any chunk, of one of ten rooms."""
    room = f"flood-{number % 10}"
    return speech.track(speech.pause(0.1), speech.begun_ms(0.1), first=number, room=room, session=room)[0]
