"""What only Apache Kafka can do here: several nodes, kept state, secured listeners."""

import asyncio
import ssl
import subprocess
import uuid

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.helpers import create_ssl_context

from deploy.brokers import Listener, missing, open_broker
from deploy.brokers.jars import java

pytestmark = pytest.mark.kafka
PATIENCE_S = 60  # ends a test that hangs; nothing is asserted about time


@pytest.fixture(autouse=True)
def _java():
    if (reason := missing("apache")) is not None:
        pytest.skip(reason)


async def create(bootstrap: str, copies: int, partitions: int) -> tuple[str, dict[int, int]]:
    """A fresh topic: its name, and the leader of each partition (a broker id, which is the node's number)."""
    topic = f"t-{uuid.uuid4().hex}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, partitions, copies)])
    leaders: dict[int, int] = {}
    async with asyncio.timeout(PATIENCE_S):
        while len(leaders) < partitions:  # the answer comes before the metadata cache has the topic
            (described,) = await admin.describe_topics([topic])
            leaders = {part["partition"]: part["leader"] for part in described["partitions"]}
            await asyncio.sleep(0.01)
    await admin.close()
    return topic, leaders


async def values(bootstrap: str, topic: str, count: int) -> list[bytes]:
    reader = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    async with asyncio.timeout(PATIENCE_S), reader:
        return sorted([(await reader.getone()).value for _ in range(count)])


@pytest.mark.timeout(300)  # nine JVM starts, on a machine that may be busy
async def test_three_nodes_outlive_the_loss_of_any_leader():
    with open_broker("apache", nodes=3) as cluster:
        topic, leaders = await create(cluster.bootstrap, copies=3, partitions=3)
        assert set(leaders.values()) <= {1, 2, 3}
        sent = [b"%02d" % n for n in range(30)]
        pending = iter(sent)
        producer = AIOKafkaProducer(
            bootstrap_servers=cluster.bootstrap,
            acks="all",
            metadata_max_age_ms=500,
            request_timeout_ms=PATIENCE_S * 1000,
        )
        async with producer:
            for node in (1, 2, 3):
                for partition in leaders:
                    await producer.send_and_wait(topic, next(pending), partition=partition)
                cluster.kill(node)
                for partition in leaders:  # one of them was led by the dead node, unless it was moved before
                    await producer.send_and_wait(topic, next(pending), partition=partition)
                await asyncio.to_thread(cluster.start, node)
                await asyncio.to_thread(cluster.ready)
            for value in pending:
                await producer.send_and_wait(topic, value, partition=0)
        assert await values(cluster.bootstrap, topic, len(sent)) == sent


async def test_a_directory_is_opened_again_by_another_process(tmp_path):
    with open_broker("apache", directory=tmp_path) as first:
        topic, _ = await create(first.bootstrap, copies=1, partitions=2)
        async with AIOKafkaProducer(bootstrap_servers=first.bootstrap, acks="all") as producer:
            await producer.send_and_wait(topic, b"kept", partition=1)
    with open_broker("apache", directory=tmp_path) as second:
        assert second.bootstrap != first.bootstrap
        assert await values(second.bootstrap, topic, 1) == [b"kept"]


def keytool(*words: str) -> str:
    tool = java().resolve().with_name("keytool")
    return subprocess.run([tool, *words], capture_output=True, text=True, check=True).stdout


async def test_a_secured_listener_stands_beside_the_plain_one(tmp_path):
    """SASL_SSL with a password, as on a managed Kafka: properties of a Listener are all it takes."""
    store, secret = tmp_path / "keys.p12", uuid.uuid4().hex
    common = ("-keystore", str(store), "-storepass", secret, "-alias", "broker")
    keytool(
        "-genkeypair", "-keyalg", "EC", "-dname", "CN=localhost", "-ext", "san=ip:127.0.0.1", "-storetype", "PKCS12",
        *common,
    )  # fmt: skip
    authority = tmp_path / "broker.pem"
    authority.write_text(keytool("-exportcert", "-rfc", *common))
    secure = Listener(
        "SECURE",
        "SASL_SSL",
        properties={
            "ssl.keystore.location": str(store),
            "ssl.keystore.password": secret,
            "sasl.enabled.mechanisms": "PLAIN",
            "plain.sasl.jaas.config": "org.apache.kafka.common.security.plain.PlainLoginModule required "
            f'user_warden="{secret}";',
        },
    )
    with open_broker("apache", listeners=[secure]) as broker:
        topic, _ = await create(broker.bootstrap, copies=1, partitions=1)
        producer = AIOKafkaProducer(
            bootstrap_servers=broker.address(1, "SECURE"),
            security_protocol="SASL_SSL",
            sasl_plain_username="warden",
            sasl_plain_password=secret,
            ssl_context=create_ssl_context(cafile=str(authority)),
        )
        assert producer.client._ssl_context.verify_mode == ssl.CERT_REQUIRED
        async with asyncio.timeout(PATIENCE_S), producer:
            await producer.send_and_wait(topic, b"sealed")
        assert await values(broker.bootstrap, topic, 1) == [b"sealed"]
