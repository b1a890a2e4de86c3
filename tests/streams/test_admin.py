"""Topics on a broker: created once, kept, grown, never shrunk; read back as typed records."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.brokers import open_broker
from streams import records, topics
from streams.admin import TopicError, _create, apply_topics
from streams.codec import Message, encode
from streams.dead_letters import read_dead_letters, send_again
from streams.delivery import DeadLetters
from streams.envelope import BadRecord
from streams.reading import Reader
from streams.settings import Settings
from tests.support import samples
from tests.support.events import FakeEvent, FakeMessage
from tests.support.wire import platform

pytestmark = pytest.mark.embedded


@pytest.fixture
def empty() -> object:
    """A broker on which no topic was created."""
    with open_broker("embedded") as broker:
        yield broker


async def partitions(bootstrap: str) -> dict[str, int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        found = await admin.describe_topics([row.name for row in topics.TOPICS])
        return {entry["topic"]: len(entry["partitions"]) for entry in found if not entry["error_code"]}
    finally:
        await admin.close()


async def test_creates_the_table_once(empty) -> None:
    settings = Settings(kafka=empty.bootstrap, partitions=3)
    first = await apply_topics(settings)
    assert {(a.name, a.partitions, a.result) for a in first} == {
        (row.name, row.partitions(3), "created") for row in topics.TOPICS
    }
    assert await partitions(empty.bootstrap) == {row.name: row.partitions(3) for row in topics.TOPICS}
    again = await apply_topics(settings)
    assert {a.result for a in again} == {"unchanged"}
    fewer = await apply_topics(settings.model_copy(update={"partitions": 2}))
    assert {a.result for a in fewer} == {"has 3 partitions, more than asked for; kept", "unchanged"}
    assert (await partitions(empty.bootstrap))["voice.chunks"] == 3


async def test_creates_what_is_missing_beside_what_is_there(empty) -> None:
    settings = Settings(kafka=empty.bootstrap, partitions=2)
    await apply_topics(settings, (topics.CHUNKS,))
    results = {a.name: a.result for a in await apply_topics(settings)}
    assert results.pop("voice.chunks") == "unchanged"
    assert set(results.values()) == {"created"}


class _Refusing:
    """An admin client whose broker creates nothing; 36 means that another process was faster."""

    async def create_topics(self, wanted: list[NewTopic]) -> SimpleNamespace:
        codes = [36 if new.name == "voice.rooms" else 37 for new in wanted]
        return SimpleNamespace(topic_errors=[(n.name, code, "no room") for n, code in zip(wanted, codes, strict=True)])


async def test_a_refused_topic_is_named() -> None:
    with pytest.raises(TopicError, match=r"voice\.chunks \(error 37\): no room"):
        await _create(_Refusing(), [topics.ROOMS, topics.CHUNKS], Settings())
    await _create(_Refusing(), [topics.ROOMS], Settings())


async def test_every_record_type_crosses_the_broker(empty) -> None:
    await apply_topics(Settings(kafka=empty.bootstrap, partitions=2))
    async with platform(empty.bootstrap) as side:
        await side.send(*samples.ALL)
        await side.until(lambda: len(side.seen) == len(samples.ALL), "each record once")
    assert {type(o.record): o.record for o in side.seen} == {type(r): r for r in samples.ALL}


async def test_a_reader_starts_where_it_is_told_and_counts_what_it_cannot_read(empty) -> None:
    await apply_topics(Settings(kafka=empty.bootstrap, partitions=2))
    async with platform(empty.bootstrap) as side:
        await side.send(samples.finding(revision=0))
        async with Reader(empty.bootstrap, [topics.FINDINGS]) as late:
            good = encode(samples.finding(revision=1))
            await side.send(good, Message(good.topic, good.key, b"{", good.headers))
            assert [o.record.revision for o in await late.drain()] == [1]
            assert late.unreadable == 1
        async with Reader(empty.bootstrap, [topics.FINDINGS], start="earliest") as early:
            assert [o.record.revision for o in await early.drain()] == [0, 1]


async def test_keys_keep_a_room_on_one_partition(empty) -> None:
    await apply_topics(Settings(kafka=empty.bootstrap, partitions=4))
    async with platform(empty.bootstrap) as side:
        for room in ("a", "b", "c", "d", "e"):
            await side.send(*(samples.chunk(room=room, sequence=n) for n in range(3)), samples.finding(room=room))
        await side.until(lambda: len(side.seen) == 20, "20 records")
    for room in ("a", "b", "c", "d", "e"):
        chunks = [o for o in side.seen if isinstance(o.record, records.Chunk) and o.record.room == room]
        assert len({o.partition for o in chunks}) == 1
        assert [o.record.sequence for o in sorted(chunks, key=lambda o: o.offset)] == [0, 1, 2]


async def test_a_dead_letter_is_read_back_and_can_be_sent_again(empty) -> None:
    await apply_topics(Settings(kafka=empty.bootstrap, partitions=2))
    original = encode(samples.chunk(audio=b"not opus", content_type="audio/opus"))
    async with platform(empty.bootstrap) as side:

        async def publish(key: bytes | None, value: bytes, headers: list[tuple[str, bytes]]) -> None:
            await side.send(Message(topics.DEAD_LETTERS.name, key or b"", value, headers))

        received = FakeMessage(original.topic, 1, 42, original.key, original.value, original.headers)
        await DeadLetters("segment", publish).bury(FakeEvent(received), BadRecord("undecodable", "send Opus"))
        letters = await read_dead_letters(empty.bootstrap)
        assert [(x.reason, x.detail, x.stage, x.topic, x.origin) for x in letters] == [
            ("undecodable", "send Opus", "segment", "voice.chunks", "voice.chunks:1:42")
        ]
        assert letters[0].original_headers() == original.headers
        assert b"not opus" not in str(letters[0].summary()).encode()
        assert await send_again(empty.bootstrap, letters) == 1
        await side.until(lambda: side.of(records.Chunk), "the chunk on its topic again")
    assert side.of(records.Chunk) == [samples.chunk(audio=b"not opus", content_type="audio/opus")]
