"""The Faust app of one stage, with the settings that faust.md's experiments ask for.

A stage is one consumer group, and Faust ties a group to an app, so each stage is an app of its own; one process can
run several of them on one event loop.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import faust
from mode.supervisors import CrashingSupervisor

from streams.codec import Message
from streams.connection import credentials
from streams.consuming import StageConsumer, StageTransport
from streams.recovery import StageTable, StageTableManager
from streams.settings import Settings
from streams.topics import BY_NAME, MIB, Topic

MAX_MESSAGE_BYTES = 2 * MIB
PRODUCER_PATIENCE_S = 120.0
"""A record that Kafka has not confirmed by then ends the worker, and is made again from what was not acknowledged."""


class _Topic(faust.Topic):
    """Faust declares each topic that it reads, which takes a right to create that a stage should not have."""

    async def declare(self) -> None:
        """Create changelogs of tables only: `apply_topics` made the rest, with the right partitions and retention."""
        if not BY_NAME.keys() & set(self.topics):
            await super().declare()


class StageApp(faust.App):
    """A Faust app whose fetches wait at most ``fetch_max_wait_ms`` milliseconds, and that mends Faust's delivery."""

    fetch_max_wait_ms = 20

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._table_writes: set[asyncio.Future[Any]] = set()

    def note_table_write(self, written: asyncio.Future[Any]) -> None:
        """Remember a changelog record until the broker has it."""
        self._table_writes.add(written)
        written.add_done_callback(self._forget_table_write)

    async def tables_written(self) -> None:
        """Wait until the broker has every changelog record queued so far; raises what kept it from one."""
        await asyncio.gather(*self._table_writes)

    def reaches_kafka(self) -> bool:
        """Whether Kafka answered when it was last asked."""
        return cast("StageConsumer", self.consumer).reaches_kafka()

    def _forget_table_write(self, written: asyncio.Future[Any]) -> None:
        if not written.cancelled() and written.exception() is None:  # a failure is kept for ``tables_written``
            self._table_writes.discard(written)

    def _new_transport(self) -> Any:
        return StageTransport(self.conf.broker_consumer, self)


def create_app(stage: str, settings: Settings) -> StageApp:
    """App of one stage; nothing connects and no file is written before it starts."""
    brokers = [f"kafka://{address.strip()}" for address in settings.kafka.split(",")]
    app = StageApp(
        f"{settings.group_prefix}-{stage}",
        broker=";".join(brokers),
        broker_credentials=credentials(settings),
        Topic=_Topic,
        store="memory://" if settings.store == "memory" else "rocksdb://",
        datadir=str(settings.state_dir / stage),
        web_enabled=False,
        autodiscover=False,
        key_serializer="raw",
        value_serializer="raw",
        agent_supervisor=CrashingSupervisor,
        # Open utterances keep records unacknowledged on purpose; waiting for them would block every rebalance.
        stream_wait_empty=False,
        stream_buffer_maxsize=settings.buffer_records,
        stream_recovery_delay=0.0,
        broker_max_poll_records=500,
        broker_session_timeout=settings.session_timeout_ms / 1000.0,
        broker_rebalance_timeout=settings.rebalance_timeout_ms / 1000.0,
        broker_heartbeat_interval=min(settings.heartbeat_ms, settings.session_timeout_ms / 3.0) / 1000.0,
        broker_commit_interval=settings.commit_interval_ms / 1000.0,
        consumer_auto_offset_reset=settings.offset_reset,
        consumer_max_fetch_size=MAX_MESSAGE_BYTES,
        producer_max_request_size=MAX_MESSAGE_BYTES,
        producer_linger=0.002,
        producer_max_batch_size=settings.producer_batch_bytes,
        producer_acks=-1,
        # Faust waits 20 minutes: a connection that is dead without saying so must be given up, a short absence not.
        producer_request_timeout=PRODUCER_PATIENCE_S,
        topic_partitions=settings.partitions,
        topic_replication_factor=settings.replication_factor,
        topic_disable_leader=True,
        table_standby_replicas=0,
        Table=StageTable,
        TableManager=StageTableManager,
    )
    app.fetch_max_wait_ms = settings.fetch_max_wait_ms
    return app


def topic(app: StageApp, row: Topic) -> Any:
    """Faust topic of a row: bytes in, bytes out; we decode ourselves, so that bad bytes never crash an agent."""
    return app.topic(
        row.name,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        allow_empty=True,
        internal=True,
    )


class Publisher:
    """Sends encoded records and waits for the broker's confirmation."""

    def __init__(self, app: StageApp) -> None:
        self._app = app
        self._topics: dict[str, Any] = {}

    async def send(self, message: Message) -> Any:
        """Hand one record to the producer; await the returned future for the broker's confirmation."""
        return await self.raw(message.topic, message.key, message.value, message.headers)

    async def raw(self, topic_name: str, key: bytes | None, value: bytes, headers: list[tuple[str, bytes]]) -> Any:
        """Like ``send``, for records that are passed on as they are."""
        return await self._app.producer.send(
            topic_name, key, value, None, None, cast("Any", headers), transactional_id=None
        )
