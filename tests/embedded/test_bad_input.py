"""Whatever a broken sender puts on the topic ends under its name, and the track beside it is heard to its takedown.

One worker, one broker, one partition: every bad record lies between the chunks of a good track that shares it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pytest

from deploy.brokers import Broker, Kind
from loadtest import codecs
from loadtest.scenario import Codec
from streams import records, topics
from streams.admin import apply_topics
from streams.codec import Message, encode
from streams.dead_letters import DeadLetter, read_dead_letters
from streams.reading import Reader
from streams.settings import Settings
from tests.support import speech
from tests.support.processes import WorkerProcess
from tests.support.wire import Platform, platform, replaced

pytestmark = pytest.mark.timeout(240)

MIB = 1024 * 1024
DAY_MS = 86_400_000.0
_number = itertools.count()


@dataclass(frozen=True)
class Bad:
    """What a broken sender sends, under what it must end, and where: in the dead letters, the ledger or both."""

    spoil: Callable[[records.Chunk], list[records.Record | Message]]
    reason: str
    dead: bool = True
    lost: bool = False


def headers(**changes: bytes | None) -> Callable[[records.Chunk], list[Any]]:
    """The chunk with other headers."""

    def spoil(chunk: records.Chunk) -> list[Any]:
        message = encode(chunk)
        return [Message(message.topic, message.key, message.value, replaced(message.headers, **changes))]

    return spoil


def fields(**changes: Any) -> Callable[[records.Chunk], list[Any]]:
    """The chunk with other fields."""
    return lambda chunk: [msgspec.structs.replace(chunk, **changes)]


def opus(framing: str) -> tuple[str, bytes]:
    """Content type and payload of one chunk of real Opus."""
    codec = Codec(name=framing, chunk_ms=100)
    first = next(iter(codecs.encode([speech.clip("tea-room-guest-1")], codec)))
    return codecs.content_type(codec), first.payload


def cut_opus(chunk: records.Chunk) -> list[Any]:
    """Real Opus packets, of which the last has lost its end."""
    content_type, payload = opus("opus-length16")
    return [msgspec.structs.replace(chunk, content_type=content_type, audio=payload[:-5])]


def sequence_back(chunk: records.Chunk) -> list[Any]:
    """A sender that starts counting again under the same session, while capture time goes on."""
    silence = speech.track(speech.pause(1.0), chunk.time_ms, last=False, room=chunk.room, session=chunk.session)
    restarted = msgspec.structs.replace(chunk, sequence=3, time_ms=silence[-1].time_ms + 1000.0)
    return [*silence, restarted]


CASES = {
    "no audio type": Bad(headers(content_type=b"text/plain"), "unknown-content-type"),
    "an audio type that nobody speaks": Bad(fields(content_type="audio/midi"), "unknown-codec", lost=True),
    "no content type": Bad(headers(content_type=None), "missing-attribute"),
    "truncated Opus": Bad(cut_opus, "truncated", lost=True),
    "an Opus packet of one byte": Bad(fields(content_type="audio/opus", audio=b"\xff"), "truncated", lost=True),
    "noise for Opus": Bad(fields(content_type="audio/opus;framing=length16", audio=b"\x00"), "truncated", lost=True),
    "noise for FLAC": Bad(fields(content_type="audio/flac", audio=bytes(range(256))), "undecodable", lost=True),
    "half a sample": Bad(fields(audio=b"\x00\x01\x02"), "truncated", lost=True),
    "an empty value": Bad(fields(audio=b""), "empty-value"),
    "1.5 MB": Bad(fields(audio=bytes(3 * MIB // 2)), "oversized"),
    "10 MB": Bad(fields(audio=bytes(10 * MIB)), "oversized"),
    "no tenant": Bad(headers(tenant=None), "missing-attribute"),
    "no room": Bad(headers(roomid=None), "missing-attribute"),
    "no session": Bad(headers(sessionid=b""), "missing-attribute"),
    "no sequence": Bad(headers(sequence=None), "missing-attribute"),
    "no time": Bad(headers(time=None), "missing-attribute"),
    "no id": Bad(headers(id=None), "missing-attribute"),
    "a sequence that is no number": Bad(headers(sequence=b"first"), "invalid-attribute"),
    "a version to come": Bad(headers(specversion=b"2.0"), "invalid-attribute"),
    "a header that is no UTF-8": Bad(headers(roomid=b"\xff"), "invalid-attribute"),
    "a sequence that goes back": Bad(sequence_back, "sequence-back", lost=True),
    "a capture time a day ahead": Bad(lambda c: fields(time_ms=c.time_ms + DAY_MS)(c), "clock-skew"),
    "a capture time a day behind": Bad(lambda c: fields(time_ms=c.time_ms - DAY_MS)(c), "clock-skew"),
    "an unknown type": Bad(headers(type=b"io.roomwarden.video.v1"), "unknown-type"),
    "somebody else's type": Bad(headers(type=b"com.example.audio"), "unknown-type"),
    "a chunk sent twice": Bad(lambda c: [c, c], "duplicate", dead=False),
}


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
    assert not any(c.room.startswith("good-") and c.kind not in ("silence", "speech", "analysed") for c in accounts)
