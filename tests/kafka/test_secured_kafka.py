"""Apache Kafka as grown-ups run it: TLS, SCRAM logins, client certificates, and access lists that allow no more."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest

from deploy.brokers import Broker, Listener, missing, open_broker
from deploy.brokers.ports import free_ports
from streams import records, topics
from streams.access import ACCESS, Role, acls
from streams.admin import apply_topics
from streams.codec import encode
from streams.connection import KafkaRefused, check_access, client_options, start
from streams.reading import Reader
from streams.settings import Settings
from tests.support import speech
from tests.support.processes import ROOT, WorkerProcess
from tests.support.tls import Authority, Pair

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

PREFIX = "rw-secured"
PASSWORD = "correct horse"
# Numbers of the Kafka protocol: resource types, pattern types, operations; 3 allows.
TYPES = {"topic": 2, "group": 3}
OPERATIONS = {"Read": 3, "Write": 4, "Create": 5, "Alter": 7, "Describe": 8}


@dataclass
class Secured:
    """A broker with three ways in, and what its clients need."""

    broker: Any
    authority: Authority
    client: Pair

    def settings(self, user: str, password: str = PASSWORD) -> Settings:
        """A SCRAM login over TLS."""
        return Settings(
            kafka=self.broker.address(1, "LOGIN"),
            kafka_security_protocol="SASL_SSL",
            kafka_username=user,
            kafka_password=password,
            kafka_ca=self.authority.certificate,
            group_prefix=PREFIX,
            partitions=2,
        )

    def mutual(self, **changes: Any) -> Settings:
        """A client certificate instead of a login."""
        given = {
            "kafka_security_protocol": "SSL",
            "kafka_ca": self.authority.certificate,
            "kafka_certificate": self.client.certificate,
            "kafka_key": self.client.key,
            "kafka_key_password": "sesame",
            "partitions": 2,
        }
        return Settings(kafka=self.broker.address(1, "MUTUAL"), **(given | changes))


def environment(settings: Settings) -> dict[str, str]:
    """The Kafka settings as a worker's variables, without their prefix."""
    found = {}
    for name in settings.model_fields_set:
        value = getattr(settings, name)
        found[name.upper()] = value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
    return found


def stores(authority: Authority, server: Pair) -> dict[str, str]:
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(server.both),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.certificate),
    }


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    if (reason := missing("apache")) is not None:
        pytest.skip(reason)
    directory = tmp_path_factory.mktemp("secured")
    authority = Authority(directory / "tls")
    tls = stores(authority, authority.sign("broker"))
    login = tls | {
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "scram-sha-512.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
    }
    mutual = tls | {"ssl.client.auth": "required", "ssl.principal.mapping.rules": "RULE:^CN=(.*)$/$1/"}
    with open_broker(
        "apache",
        directory=directory / "broker",
        listeners=[Listener("LOGIN", "SASL_SSL", properties=login), Listener("MUTUAL", "SSL", properties=mutual)],
        users=dict.fromkeys(ACCESS, PASSWORD),
        properties={
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",  # whoever comes by the plain listener: the broker itself, and this test
        },
    ) as broker:
        yield Secured(broker, authority, authority.sign("dashboard", password="sesame"))  # of a test


@pytest.fixture
async def allowed(secured: Secured) -> Secured:
    """Every role has the rules of its row, and the topics are there."""
    await allow(secured.broker, {role: role for role in get_args(Role)})
    await apply_topics(secured.settings("operator"))
    return secured


async def allow(broker: Broker, users: dict[Role, str]) -> None:
    """Write the access lists."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        for role, user in users.items():
            for rule in acls(role, PREFIX):
                pattern = 4 if rule.prefixed else 3
                for operation in rule.operations:
                    answer: Any = await admin._send_to_controller(  # there is no public call for it yet
                        CreateAclsRequest(
                            TYPES[rule.resource], rule.name, pattern, f"User:{user}", "*", OPERATIONS[operation], 3
                        )
                    )
                    assert [code for code, _ in answer.creation_responses] == [0]
    finally:
        await admin.close()


async def test_a_takedown_passes_with_one_login_per_stage_and_nothing_but_its_rules(
    allowed: Secured, tmp_path: Path
) -> None:
    stages: tuple[Role, ...] = ("segment", "listen", "judge")
    ports = free_ports(len(stages), "127.0.0.1")
    workers = []
    for stage, port in zip(stages, ports, strict=True):
        (tmp_path / stage).mkdir()
        login = environment(allowed.settings(stage))
        address = login.pop("KAFKA")
        given = login | {"HEALTH_PORT": str(port), "PRODUCER_BATCH_BYTES": "262144"}
        workers.append(WorkerProcess(address, tmp_path / stage, stage, **given))
    pcm = np.concatenate(speech.sentences(["tea-room-seller-1"]))
    platform = allowed.settings("platform")
    with workers[0], workers[1], workers[2]:
        for worker in workers:
            await worker.until("/ready")
        await publish(platform, speech.track(pcm, speech.begun_ms(len(pcm) / speech.RATE)))
        async with Reader(platform, [topics.TAKEDOWNS], start="earliest") as reader:
            async for observed in reader.follow():
                assert isinstance(observed.record, records.Takedown)
                assert observed.record.action == "warn"
                break
        for worker in workers:
            assert await worker.stop() == 0, worker.output()


async def publish(settings: Settings, chunks: list[records.Chunk]) -> None:
    from aiokafka import AIOKafkaProducer

    producer: Any = AIOKafkaProducer(**client_options(settings), acks="all")
    await start(producer, settings)
    try:
        for chunk in chunks:
            message = encode(chunk)
            await producer.send_and_wait(message.topic, message.value, message.key, headers=message.headers)
    finally:
        await producer.stop()


async def test_a_role_may_not_do_what_is_not_in_its_row(allowed: Secured) -> None:
    from aiokafka.errors import TopicAuthorizationFailedError

    with pytest.raises(TopicAuthorizationFailedError):
        await publish(allowed.settings("dashboard"), speech.track(speech.pause(0.1), speech.begun_ms(0.1)))


async def test_a_certificate_is_a_login_too(allowed: Secured) -> None:
    async with Reader(allowed.mutual(), [topics.COVERAGE], start="earliest") as reader:
        await reader.drain()
    assert reader.unreadable == 0


async def test_no_certificate_no_access(secured: Secured) -> None:
    bare = secured.mutual(kafka_certificate=None, kafka_key=None, kafka_key_password=None)
    with pytest.raises(KafkaRefused, match="kafka_certificate if it wants one"):
        await check_access(bare)


async def test_a_broker_that_nobody_vouches_for_is_not_trusted(secured: Secured, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "somebody else")
    with pytest.raises(KafkaRefused, match=r"certificate that cannot be trusted .* see kafka_ca"):
        await check_access(secured.settings("platform").model_copy(update={"kafka_ca": stranger.certificate}))


async def test_the_wrong_protocol_for_a_listener_is_named(secured: Secured) -> None:
    with pytest.raises(KafkaRefused, match="kafka_security_protocol"):
        await check_access(Settings(kafka=secured.broker.address(1, "LOGIN")))
    login = secured.settings("platform").model_copy(update={"kafka": secured.broker.address(1)})
    with pytest.raises(KafkaRefused, match="kafka_security_protocol"):
        await check_access(login)


@pytest.mark.parametrize("command", ["worker segment", "alerts", "replay smoke", "dead-letters list", "topics apply"])
def test_a_wrong_password_is_one_line_and_a_status(secured: Secured, command: str) -> None:
    wrong = environment(secured.settings("segment", "battery staple"))
    variables = {k: v for k, v in os.environ.items() if not k.startswith("ROOMWARDEN_")}
    variables |= {f"ROOMWARDEN_{name}": value for name, value in wrong.items()}
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli", *command.split()],
        cwd=ROOT, env=variables, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"roomwarden: Kafka at {secured.broker.address(1, 'LOGIN')} refuses the login; check")
    assert "staple" not in line
