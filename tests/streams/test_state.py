"""Keyed state: written on behalf of an event, to that event's partition, from anywhere on the loop."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from faust.exceptions import PartitionsMismatch
from faust.streams import current_event
from faust.types import TP

from streams.app import StageApp, create_app
from streams.settings import Settings
from streams.state import StateTable
from tests.support.events import Partitioned
from tests.support.kafka import FakeProducer, without_kafka


@pytest.fixture
def app(tmp_path: Path) -> StageApp:
    return create_app("judge", Settings(state_dir=tmp_path, group_prefix="rw"))


@pytest.fixture
def producer(app: StageApp) -> FakeProducer:
    return without_kafka(app)


async def test_values_are_read_back_and_dropped(app: StageApp, producer: FakeProducer) -> None:
    table, source = StateTable(app, "speakers", 8), Partitioned()
    assert table.get("k") is None
    table.put(source.event(), "k", b"1")
    table.put(source.event(), "茶", b"2")
    assert table.get("k") == b"1"
    assert dict(table.items()) == {"k": b"1", "茶": b"2"}
    table.drop(source.event(), "k")
    assert table.get("k") is None
    assert dict(table.items()) == {"茶": b"2"}


async def test_a_write_goes_to_the_changelog_partition_of_its_event(app: StageApp, producer: FakeProducer) -> None:
    table, source = StateTable(app, "speakers", 8), Partitioned()
    table.put(source.event(partition=5), "k", b"1")
    table.put(source.event(partition=2), "j", b"2")
    table.drop(source.event(partition=5), "k")
    written = [(p.topic, p.partition, p.key, p.value) for p in producer.changelog]
    name = "rw-judge-speakers-changelog"
    assert written == [(name, 5, b"k", b"1"), (name, 2, b"j", b"2"), (name, 5, b"k", None)]


async def test_dropping_what_is_not_there_writes_nothing(app: StageApp, producer: FakeProducer) -> None:
    StateTable(app, "speakers", 8).drop(Partitioned().event(), "k")
    assert producer.changelog == []


async def test_a_write_from_a_task_of_its_own_leaves_faust_as_it_was(app: StageApp, producer: FakeProducer) -> None:
    table, source = StateTable(app, "speakers", 8), Partitioned()

    async def later() -> None:
        table.put(source.event(partition=3), "k", b"1")
        assert current_event() is None

    await asyncio.create_task(later())
    assert current_event() is None
    assert producer.changelog[0].partition == 3


async def test_items_may_be_dropped_while_they_are_listed(app: StageApp, producer: FakeProducer) -> None:
    table, source = StateTable(app, "speakers", 8), Partitioned()
    for n in range(5):
        table.put(source.event(), str(n), b"x")
    for key, value in table.items():
        assert value == b"x"
        table.drop(source.event(), key)
    assert dict(table.items()) == {}


async def test_rocksdb_keeps_the_same_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app("judge", Settings(state_dir=tmp_path, store="rocksdb", group_prefix="rw"))
    producer = without_kafka(app)
    table, source = StateTable(app, "speakers", 8), Partitioned()
    app.conf.datadir.mkdir(parents=True)
    app._create_directories()
    table.put(source.event(partition=1), "k", b"1")
    table.put(source.event(partition=4), "j", b"2")
    assert (table.get("k"), table.get("j"), table.get("none")) == (b"1", b"2", None)
    table.drop(source.event(partition=1), "k")
    assert table.get("k") is None
    held = {TP("rw-judge-speakers-changelog", partition) for partition in (1, 4)}
    monkeypatch.setattr(app.assignor, "assigned_actives", lambda: held)  # listing covers the assigned partitions
    assert dict(table.items()) == {"j": b"2"}
    assert [p.partition for p in producer.changelog] == [1, 4, 1]


async def test_a_changelog_that_the_client_has_not_heard_of_yet_is_no_mismatch(
    app: StageApp, producer: FakeProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made when the worker starts, and may be written before the client's next look at the topics."""
    table, source = StateTable(app, "speakers", 8), Partitioned()
    known = {"rw-judge-speakers-changelog": 0}
    monkeypatch.setattr(app.consumer, "topic_partitions", lambda topic: known.get(topic, 8))
    table.put(source.event(partition=5), "k", b"1")
    assert [p.partition for p in producer.changelog] == [5]
    known["rw-judge-speakers-changelog"] = 4
    with pytest.raises(PartitionsMismatch):
        table.put(source.event(partition=5), "k", b"2")
