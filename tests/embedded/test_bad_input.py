"""Whatever a broken sender puts on the topic ends under its name, and the track beside it is heard to its takedown.

One worker, one broker, one partition: every bad record lies between the chunks of a good track that shares it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest

from deploy.brokers import Broker, Kind
from streams import records, topics
from streams.admin import apply_topics
from streams.codec import Message, encode
from streams.dead_letters import DeadLetter, read_dead_letters
from streams.reading import Reader
from streams.settings import Settings
from tests.support import speech
from tests.support.bad_input import CASES
from tests.support.processes import WorkerProcess
from tests.support.wire import Platform, platform

pytestmark = pytest.mark.timeout(240)

_number = itertools.count()


@pytest.fixture(scope="module")
def worker(module_broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerProcess]:
    """One worker with all stages for the whole module, on topics of one partition."""
    asyncio.run(apply_topics(Settings(kafka=module_broker.bootstrap, partitions=1)))
    with WorkerProcess(module_broker.bootstrap, tmp_path_factory.mktemp("worker"), PARTITIONS="1") as process:
        yield process


@pytest.fixture
async def side(module_broker: Broker, worker: WorkerProcess) -> AsyncIterator[Platform]:
    async with platform(module_broker.bootstrap, "latest") as connected:
        yield connected


@pytest.mark.parametrize("name", CASES)
async def test_it_ends_under_its_name_and_the_good_track_beside_it_is_taken_down(
    kind: Kind, side: Platform, worker: WorkerProcess, name: str
) -> None:
    bad, number = CASES[name], next(_number)
    if name == "10 MB" and kind == "apache":
        pytest.skip("Kafka refuses it: max.message.bytes of the topic is less")
    good_room, bad_room = f"good-{number}", f"bad-{number}"
    pcm = np.concatenate(speech.sentences(["tea-room-seller-1"]))
    begin_ms = speech.begun_ms(len(pcm) / speech.RATE)
    good = speech.track(pcm, begin_ms, room=good_room, session=f"s-{number}", speaker=f"seller-{number}")
    like = speech.track(speech.pause(0.1), begin_ms, last=False, room=bad_room, session=f"b-{number}")[0]
    spoilt = bad.spoil(like)

    await side.send(*good[:10])
    await side.send(*spoilt)
    await side.send(*good[10:])

    takedowns = await side.until(
        lambda: [t for t in side.of(records.Takedown) if t.target.room == good_room], "the good track's takedown"
    )
    assert takedowns[0].target.speaker == f"seller-{number}"
    assert worker.status() is None

    if bad.dead:
        letter = await dead_letter(side, spoilt[-1], bad.reason)
        assert letter.stage == "segment"
        assert letter.detail
        assert not any(secret in letter.detail for secret in (bad_room, f"b-{number}", like.speaker))
    if bad.lost or not bad.dead:
        accounts = await side.until(
            lambda: [c for c in side.of(records.Coverage) if c.room == bad_room and c.reason == bad.reason],
            f"{bad.reason} in the ledger",
        )
        assert {c.kind for c in accounts} == {"lost" if bad.lost else "duplicate"}
        assert sum(c.milliseconds for c in accounts) == (pytest.approx(like.duration_ms) if bad.lost else 0.0)
    if not bad.lost:
        assert not any(c.kind == "lost" and c.room == bad_room for c in side.of(records.Coverage))


async def dead_letter(side: Platform, sent: records.Record | Message, reason: str) -> DeadLetter:
    """The one dead letter of a record, which is found by its headers as sent."""
    message = sent if isinstance(sent, Message) else encode(sent)
    wanted = sorted(message.headers)
    await side.until(lambda: [x for x in side.dead if sorted(x.original_headers()) == wanted], f"{reason} buried")
    (letter,) = side.dead  # and nothing else
    assert letter.reason == reason
    assert letter.key == message.key
    assert letter.value == message.value[: len(letter.value)]
    assert letter.truncated is (len(message.value) > 900_000)
    return letter


async def test_no_good_chunk_was_buried_or_lost(module_broker: Broker, worker: WorkerProcess) -> None:
    """Runs last, over everything that this module sent."""
    letters = await read_dead_letters(module_broker.bootstrap)
    assert {x.reason for x in letters} <= {bad.reason for bad in CASES.values()}
    assert not any(x.readable_headers().get("ce_roomid", "").startswith("good-") for x in letters)
    async with Reader(module_broker.bootstrap, [topics.COVERAGE], start="earliest") as reader:
        accounts: list[Any] = [observed.record for observed in await reader.drain()]
    assert any(c.room.startswith("good-") for c in accounts)
    assert not any(
        c.room.startswith("good-") and c.kind not in ("silence", "speech", "analysed", "degraded") for c in accounts
    )
