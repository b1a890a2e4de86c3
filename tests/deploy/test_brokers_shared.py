"""One suite for every broker: what the rest of the project relies on, checked on each of them."""

import asyncio
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError

from deploy.brokers import Broker, missing, open_broker

# The embedded broker answers a join after half the session timeout, in whole seconds: 2 s makes it one second.
GROUP = {"session_timeout_ms": 2000, "rebalance_timeout_ms": 2000, "heartbeat_interval_ms": 300}
PATIENCE_S = 60  # ends a test that hangs; nothing is asserted about time


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("embedded", marks=pytest.mark.embedded),
        pytest.param("apache", marks=pytest.mark.kafka),
    ],
)
def broker(request) -> Iterator[Broker]:
    if (reason := missing(request.param)) is not None:
        pytest.skip(reason)
    with open_broker(request.param) as running:
        yield running


@pytest.fixture
async def admin(broker) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await client.start()
    yield client
    await client.close()


async def create(admin: AIOKafkaAdminClient, partitions: dict[str, int]) -> dict[str, int]:
    """Create topics, and return how many partitions each has once the broker shows them all."""
    await admin.create_topics([NewTopic(name, count, replication_factor=1) for name, count in partitions.items()])
    async with asyncio.timeout(PATIENCE_S):
        while True:  # Apache Kafka answers before its own metadata cache has the topic
            found = {each["topic"]: each["partitions"] for each in await admin.describe_topics(list(partitions))}
            if all(found.values()):
                return {name: len(each) for name, each in found.items()}
            await asyncio.sleep(0.01)


@pytest.fixture
async def topic(admin) -> str:
    """A fresh topic of four partitions."""
    name = f"t-{uuid.uuid4().hex}"
    await create(admin, {name: 4})
    return name


async def publish(broker: Broker, topic: str, *values: bytes, partition: int = 0) -> None:
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, acks="all") as producer:
        for value in values:
            await producer.send_and_wait(topic, value, partition=partition)


def consumer(broker: Broker, *topics: str, group: str | None = None) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        *topics,
        bootstrap_servers=broker.bootstrap,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=20,
        **(GROUP if group else {}),
    )


async def read(reader: AIOKafkaConsumer, count: int) -> list[bytes | None]:
    async with asyncio.timeout(PATIENCE_S):
        return [(await reader.getone()).value for _ in range(count)]


async def test_topics_get_the_partitions_asked_for(broker, admin):
    wanted = {f"one-{uuid.uuid4().hex}": 1, f"six-{uuid.uuid4().hex}": 6}
    assert await create(admin, wanted) == wanted


async def test_a_record_comes_back_as_it_was_sent(broker, topic):
    headers = [("ce_id", b"\x00\xff\x80"), ("ce_empty", b""), ("ce_twice", b"1"), ("ce_twice", b"2")]
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
        await producer.send_and_wait(
            topic, b"\x01\x02", key="房间".encode(), headers=headers, partition=3, timestamp_ms=1_700_000_000_123
        )
        await producer.send_and_wait(topic, None, key=b"gone", partition=3)
    async with consumer(broker, topic) as reader, asyncio.timeout(PATIENCE_S):
        first, second = await reader.getone(), await reader.getone()
    assert (first.value, first.key, first.partition, first.offset) == (b"\x01\x02", "房间".encode(), 3, 0)
    assert list(first.headers) == headers
    assert first.timestamp == 1_700_000_000_123
    assert (second.value, second.key, second.offset) == (None, b"gone", 1)


async def test_a_record_of_900_kilobytes_passes(broker, topic):
    value = os.urandom(900_000)
    await publish(broker, topic, value)
    async with consumer(broker, topic) as reader:
        assert await read(reader, 1) == [value]


async def test_the_end_of_a_partition_is_exact_for_a_producer_that_takes_the_hint(broker, topic):
    """Lag, and the recovery of a Faust table, stand on this."""
    partition = TopicPartition(topic, 0)
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, max_batch_size=broker.hints.max_batch_bytes)
    async with producer, consumer(broker) as reader, asyncio.timeout(PATIENCE_S):
        pending = [await producer.send(topic, b"%d" % n, partition=0) for n in range(20)]
        await asyncio.gather(*pending)
        assert await reader.end_offsets([partition]) == {partition: 20}


async def test_a_group_resumes_after_what_it_committed(broker, topic):
    await publish(broker, topic, *(b"%d" % n for n in range(6)))
    group = f"g-{uuid.uuid4().hex}"
    async with consumer(broker, topic, group=group) as reader:
        await read(reader, 3)
        await reader.commit({TopicPartition(topic, 0): 2})
    async with consumer(broker, topic, group=group) as reader:
        assert await reader.committed(TopicPartition(topic, 0)) == 2
        assert await read(reader, 4) == [b"2", b"3", b"4", b"5"]


VICTIM = """
import asyncio, sys
from aiokafka import AIOKafkaConsumer

async def main(bootstrap, topic, group):
    reader = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
        session_timeout_ms=2000, rebalance_timeout_ms=2000, heartbeat_interval_ms=300, fetch_max_wait_ms=20,
    )
    await reader.start()
    for count in range(1, 6):
        record = await reader.getone()
        if count == 3:
            await reader.commit()
        print(record.value.decode(), flush=True)
    await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_killed_consumer_leaves_what_it_had_not_committed(broker, topic):
    await publish(broker, topic, *(b"%d" % n for n in range(8)))
    group = f"g-{uuid.uuid4().hex}"
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-c", VICTIM, broker.bootstrap, topic, group, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            assert [int(await victim.stdout.readline()) for _ in range(5)] == [0, 1, 2, 3, 4]
    finally:
        victim.kill()
        assert await victim.wait() == -signal.SIGKILL
    async with consumer(broker, topic, group=group) as reader:
        assert await read(reader, 5) == [b"3", b"4", b"5", b"6", b"7"]


class Assignments(ConsumerRebalanceListener):
    """Wakes whoever waits for partitions to change hands."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()

    async def on_partitions_revoked(self, revoked) -> None:
        pass

    async def on_partitions_assigned(self, assigned) -> None:
        self.changed.set()


async def until_shared(listener: Assignments, readers: list[AIOKafkaConsumer], shares: list[int]) -> None:
    """Wait until the readers hold that many partitions each, no two the same."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            held = [reader.assignment() for reader in readers]
            if sorted(map(len, held)) == shares and len(set().union(*held)) == sum(shares):
                return
            listener.changed.clear()
            await listener.changed.wait()


async def test_two_consumers_share_and_the_last_one_takes_over(broker, topic):
    group, listener = f"g-{uuid.uuid4().hex}", Assignments()
    first, second = consumer(broker, group=group), consumer(broker, group=group)
    for reader in (first, second):
        reader.subscribe([topic], listener=listener)
    async with first:
        await until_shared(listener, [first], [4])
        async with second:
            await until_shared(listener, [first, second], [2, 2])
        await until_shared(listener, [first], [4])
        await publish(broker, topic, b"after", partition=2)
        assert await read(first, 1) == [b"after"]


async def test_a_restart_keeps_records_if_the_broker_is_durable(broker, topic):
    await publish(broker, topic, b"before")
    pids = broker.pids
    broker.kill()
    assert broker.pids == (None,) * broker.nodes
    broker.start()
    broker.ready()
    assert set(broker.pids).isdisjoint(pids)
    async with AIOKafkaConsumer(bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest") as reader:
        known = await reader.topics()
        assert (topic in known) == broker.durable
        if broker.durable:
            reader.assign([TopicPartition(topic, 0)])
            assert await read(reader, 1) == [b"before"]


async def test_the_log_outlives_a_stop(broker):
    before = [log.read_bytes() for log in broker.logs]
    broker.stop()
    broker.start()
    broker.ready()
    assert all(before)
    assert all(log.read_bytes().startswith(old) for log, old in zip(broker.logs, before, strict=True))


async def test_starting_twice_is_refused(broker):
    with pytest.raises(RuntimeError, match="running already"):
        broker.start()


async def test_deleting_an_unknown_topic_is_an_error_by_name(broker, admin):
    response = await admin.delete_topics([f"absent-{uuid.uuid4().hex}"])
    assert [code for _, code in response.topic_error_codes] == [UnknownTopicOrPartitionError.errno]
