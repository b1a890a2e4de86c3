"""The app of a stage: the settings that faust.md's experiments ask for, and nothing connected before it starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from mode.supervisors import CrashingSupervisor

from streams.app import MAX_MESSAGE_BYTES, Publisher, create_app, topic
from streams.codec import encode
from streams.settings import Settings
from streams.topics import CHUNKS, TOPICS
from tests.support import samples
from tests.support.kafka import FakeProducer, without_kafka


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        kafka="k1:9092, k2:9093",
        group_prefix="rw",
        state_dir=tmp_path / "state",
        commit_interval_ms=250,
        session_timeout_ms=9000,
        rebalance_timeout_ms=4000,
        fetch_max_wait_ms=15,
        buffer_records=64,
    )


def test_a_stage_is_a_consumer_group_on_every_bootstrap_server(settings: Settings) -> None:
    app = create_app("listen", settings)
    assert app.conf.id == "rw-listen"
    assert [f"{url.host}:{url.port}" for url in app.conf.broker] == ["k1:9092", "k2:9093"]


def test_timeouts_are_the_settings_in_seconds(settings: Settings) -> None:
    conf = create_app("judge", settings).conf
    assert conf.broker_session_timeout == 9.0
    assert conf.broker_rebalance_timeout == 4.0
    assert conf.broker_heartbeat_interval <= conf.broker_session_timeout / 3
    assert conf.broker_commit_interval == 0.25
    assert conf.stream_buffer_maxsize == 64


def test_what_faust_gets_wrong_by_default_is_set(settings: Settings) -> None:
    conf = create_app("judge", settings).conf
    assert conf.agent_supervisor is CrashingSupervisor  # the default restarts an agent and loses its record
    assert conf.stream_wait_empty is False  # open utterances would block every rebalance
    assert conf.topic_disable_leader is True
    assert conf.producer_acks == -1
    assert conf.consumer_max_fetch_size == conf.producer_max_request_size == MAX_MESSAGE_BYTES
    assert max(row.max_bytes for row in TOPICS) <= MAX_MESSAGE_BYTES
    assert conf.web_enabled is False


@pytest.mark.parametrize(("store", "scheme"), [("memory", "memory"), ("rocksdb", "rocksdb")])
def test_tables_live_where_the_settings_say(settings: Settings, store: str, scheme: str) -> None:
    conf = create_app("judge", settings.model_copy(update={"store": store})).conf
    assert conf.store.scheme == scheme
    assert conf.datadir == settings.state_dir / "judge"


def test_making_an_app_writes_nothing(settings: Settings) -> None:
    create_app("segment", settings)
    assert not settings.state_dir.exists()


def test_each_stage_has_its_own_wait_for_fetches(settings: Settings) -> None:
    app = create_app("segment", settings)
    assert app.fetch_max_wait_ms == 15
    thread = app._new_transport().Consumer._new_consumer_thread
    assert "streams.consuming" in thread.__module__


def test_topics_are_read_as_bytes(settings: Settings) -> None:
    source = topic(create_app("segment", settings), CHUNKS)
    assert list(source.topics) == ["voice.chunks"]
    assert source.key_type is source.value_type is bytes


async def test_the_publisher_hands_on_key_value_and_headers(settings: Settings) -> None:
    app = create_app("segment", settings)
    producer = without_kafka(app, FakeProducer())
    message = encode(samples.finding())
    await (await Publisher(app).send(message))
    sent = producer.sent[0]
    assert (sent.topic, sent.key, sent.value, sent.headers) == (
        message.topic,
        message.key,
        message.value,
        message.headers,
    )
    assert sent.record == samples.finding()


async def test_topics_of_the_table_are_never_declared_by_a_stage(settings: Settings) -> None:
    app = create_app("segment", settings)
    created: list[str] = []

    class Producer(FakeProducer):
        async def maybe_start(self) -> None:
            """It runs."""

        async def create_topic(self, topic: str, **_: object) -> None:
            created.append(topic)

    without_kafka(app, Producer())
    await topic(app, CHUNKS).maybe_declare()
    await app.topic("rw-segment-positions-changelog", internal=True).maybe_declare()
    assert created == ["rw-segment-positions-changelog"]
