"""Ways to reach Kafka: what each client is told, and one sentence where access fails. Logins: tests/kafka."""

from __future__ import annotations

import ast
import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import faust
import pytest
from pydantic import ValidationError

from deploy.brokers.ports import free_ports
from streams import connection
from streams.connection import KafkaRefused, check_access, client_options, credentials, start
from streams.settings import Settings
from tests.support.tls import Authority

ROOT = Path(__file__).parents[2]
LOGIN: dict[str, Any] = {
    "kafka_security_protocol": "SASL_SSL",
    "kafka_username": "warden",
    "kafka_password": "s3cret",
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


def test_bootstrap_servers_alone_mean_a_plain_listener() -> None:
    assert client_options("k1:9092,k2:9092") == {"bootstrap_servers": "k1:9092,k2:9092"}
    assert client_options(Settings(kafka="k:1")) == {"bootstrap_servers": "k:1", "security_protocol": "PLAINTEXT"}
    assert credentials(Settings()) is None


def test_a_login_over_tls(authority: Authority) -> None:
    settings = Settings(kafka_ca=authority.certificate, **LOGIN)
    options = client_options(settings)
    assert options["sasl_mechanism"] == "SCRAM-SHA-512"
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("warden", "s3cret")
    assert options["ssl_context"].verify_mode is ssl.CERT_REQUIRED
    assert options["ssl_context"].check_hostname
    given = credentials(settings)
    assert isinstance(given, faust.SASLCredentials)
    assert (given.protocol.value, given.mechanism.value) == ("SASL_SSL", "SCRAM-SHA-512")
    assert (given.username, given.password) == ("warden", "s3cret")
    assert "s3cret" not in repr(settings)


def test_a_login_without_tls() -> None:
    given = credentials(Settings(**LOGIN | {"kafka_security_protocol": "SASL_PLAINTEXT"}))
    assert isinstance(given, faust.SASLCredentials)
    assert given.protocol.value == "SASL_PLAINTEXT"


def test_a_certificate(authority: Authority) -> None:
    pair = authority.sign("warden", password="sesame")  # of a test
    settings = Settings(
        kafka_security_protocol="SSL",
        kafka_ca=authority.certificate,
        kafka_certificate=pair.certificate,
        kafka_key=pair.key,
        kafka_key_password="sesame",
    )
    assert isinstance(credentials(settings), faust.SSLCredentials)
    both = settings.model_copy(update={"kafka_certificate": pair.both, "kafka_key": None})
    assert client_options(both)["security_protocol"] == "SSL"


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ({"kafka_ca": Path("nowhere.pem")}, "kafka_ca: nowhere.pem .*No such file"),
        ({"kafka_ca": Path("text.pem")}, "kafka_ca: text.pem holds no certificates"),
        ({"kafka_key": Path("nowhere.key")}, "kafka_certificate, kafka_key: .*No such file"),
        ({"kafka_key": None}, "and itself are no certificate with its key"),
        ({"kafka_key_password": None}, "kafka_key_password is wrong"),
    ],
)
def test_files_that_do_not_fit_are_named(
    broken: dict[str, Any], named: str, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.pem").write_text("no certificate")
    pair = authority.sign("warden", password="sesame")  # of a test
    settings = Settings(
        kafka_security_protocol="SSL",
        kafka_certificate=pair.certificate,
        kafka_key=pair.key,
        kafka_key_password="sesame",
    )
    with pytest.raises(KafkaRefused, match=named):
        client_options(settings.model_copy(update=broken))


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"kafka_security_protocol": "SASL_SSL"}, "kafka_username and kafka_password: needed"),
        (LOGIN | {"kafka_password": None}, "kafka_password: needed"),
        (LOGIN | {"kafka_security_protocol": "SSL"}, "kafka_username and kafka_password: not used .* set SASL_SSL"),
        (LOGIN | {"kafka_security_protocol": "PLAINTEXT"}, "not used"),
        ({"kafka_ca": "ca.pem"}, "kafka_ca: not used .* set SSL or SASL_SSL"),
        ({"kafka_security_protocol": "SSL", "kafka_key": "k.pem"}, "kafka_key: of no use without kafka_certificate"),
        (
            LOGIN | {"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_sasl_mechanism": "PLAIN"},
            "kafka_sasl_mechanism: PLAIN over SASL_PLAINTEXT",
        ),
    ],
)
def test_settings_that_would_not_do_what_they_seem_to_are_refused(given: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named) as caught:
        Settings(**given)
    assert "s3cret" not in str(caught.value.errors(include_input=False))


async def test_nobody_there_is_a_sentence() -> None:
    (port,) = free_ports(1, "127.0.0.1")
    with pytest.raises(KafkaRefused, match=rf"Kafka at 127.0.0.1:{port} cannot be reached \(.*ROOMWARDEN_KAFKA"):
        await check_access(f"127.0.0.1:{port}")
    with pytest.raises(KafkaRefused, match="not of the form host:port"):
        await check_access("kafka-1")


@asynccontextmanager
async def listening(answer: bool) -> AsyncIterator[str]:
    """Somebody who is no broker: hangs up at once, or never answers."""
    done = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not answer:
            await done.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        done.set()


async def test_whoever_hangs_up_or_keeps_silent_is_no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(answer=True) as address:
        with pytest.raises(KafkaRefused, match="hangs up on PLAINTEXT; see kafka_security_protocol"):
            await check_access(address)
    monkeypatch.setattr(connection, "ANSWER_MS", 50)
    async with listening(answer=False) as address:
        with pytest.raises(KafkaRefused, match="does not answer within"):
            await check_access(address)


async def test_a_client_that_is_not_let_in_is_closed() -> None:
    class Client:
        closed = False

        async def stop(self) -> None:
            self.closed = True

    (port,) = free_ports(1, "127.0.0.1")
    client = Client()
    with pytest.raises(KafkaRefused):
        await start(client, f"127.0.0.1:{port}")
    assert client.closed


def test_no_client_of_the_project_goes_another_way() -> None:
    """Whoever builds a client of aiokafka passes ``**client_options(...)``; brokers of this machine are plain."""
    others = []
    for package in ("streams", "agents", "models", "loadtest", "deploy"):
        for path in (ROOT / package).rglob("*.py"):
            if (ROOT / "deploy" / "brokers") in path.parents:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and "AIOKafka" in node.func.id:
                    spread = [ast.unparse(word.value) for word in node.keywords if word.arg is None]
                    if not any(text.startswith("client_options(") for text in spread):
                        others.append(f"{path.relative_to(ROOT)}:{node.lineno}")
                if isinstance(node, ast.Attribute) and node.attr == "kafka" and isinstance(node.ctx, ast.Load):
                    text = ast.unparse(node)
                    if text.endswith("settings.kafka") and path.name not in _ADDRESS_ONLY:
                        others.append(f"{path.relative_to(ROOT)}:{node.lineno} passes {text} on alone")
    assert not others


_ADDRESS_ONLY = {"connection.py", "app.py", "cli_worker.py"}
"""Modules that name the address: what makes the options, Faust's URL beside its credentials, the doctor's text."""
