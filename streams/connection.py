"""How every client of the project reaches Kafka: plain, over TLS, with a certificate, or with a password (SASL).

``start`` asks for access before the client does: a client of aiokafka says only that it could not connect, and this
module says why, in one sentence.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import faust
from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    BrokerResponseError,
    IllegalSaslStateError,
    KafkaError,
    UnsupportedSaslMechanismError,
)

from streams.settings import Settings

Kafka = Settings | str
"""Settings with everything that a connection needs, or the bootstrap servers of a plain listener."""

ANSWER_MS = 10_000
"""An address that does not answer the handshake for so long counts as absent."""


class KafkaRefused(RuntimeError):
    """No bootstrap server lets us in; the text is one sentence: why, and which setting to look at."""


def bootstrap(kafka: Kafka) -> str:
    """The bootstrap servers, comma separated."""
    return kafka if isinstance(kafka, str) else kafka.kafka


def client_options(kafka: Kafka) -> dict[str, Any]:
    """What any client of aiokafka is told: addresses, protocol, credentials.

    Raises:
        KafkaRefused: when a file of the TLS settings cannot be used.
    """
    options: dict[str, Any] = {"bootstrap_servers": bootstrap(kafka)}
    return options if isinstance(kafka, str) else options | _security(kafka)


def credentials(settings: Settings) -> faust.SSLCredentials | faust.SASLCredentials | None:
    """The same for Faust; None for a plain listener.

    Raises:
        KafkaRefused: when a file of the TLS settings cannot be used.
    """
    if settings.kafka_security_protocol == "PLAINTEXT":
        return None
    options = _security(settings)
    context = options.get("ssl_context")
    if settings.kafka_security_protocol == "SSL":
        return faust.SSLCredentials(context)
    return faust.SASLCredentials(
        username=options["sasl_plain_username"],
        password=options["sasl_plain_password"],
        ssl_context=context,
        mechanism=settings.kafka_sasl_mechanism,
    )


def tls_context(settings: Settings) -> ssl.SSLContext:
    """TLS that verifies the broker's certificate and host name, with our own certificate where one is named.

    Raises:
        KafkaRefused: when a file is missing, unreadable or does not hold what it should.
    """
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ca)
    except (OSError, ssl.SSLError) as problem:
        raise KafkaRefused(f"kafka_ca: {settings.kafka_ca} holds no certificates in PEM ({_why(problem)})") from None
    if settings.kafka_certificate is not None:
        secret = settings.kafka_key_password
        # Without a password of our own, OpenSSL would ask for one at the terminal and wait.
        password = secret.get_secret_value() if secret else ""
        try:
            context.load_cert_chain(settings.kafka_certificate, settings.kafka_key, lambda: password)
        except (OSError, ssl.SSLError) as problem:
            raise KafkaRefused(
                f"kafka_certificate, kafka_key: {settings.kafka_certificate} and {settings.kafka_key or 'itself'} are "
                f"no certificate with its key in PEM, or kafka_key_password is wrong ({_why(problem)})"
            ) from None
    return context


async def start(client: Any, kafka: Kafka) -> None:
    """Start a client of aiokafka.

    Raises:
        KafkaRefused: when no bootstrap server lets us in.
        KafkaError: when what comes after that goes wrong.
    """
    try:
        await check_access(kafka)
        await client.start()
    except BaseException:
        # A client that is not closed complains about it when it is collected.
        await (client.stop() if hasattr(client, "stop") else client.close())
        raise


async def check_access(kafka: Kafka) -> None:
    """Shake hands with the bootstrap servers in turn, until one lets us in.

    Raises:
        KafkaRefused: when none does, with what the first said.
    """
    options = client_options(kafka)
    problems = []
    for address in bootstrap(kafka).split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            if not host or not port.isdigit():
                raise KafkaRefused(f"kafka: {address.strip() or 'an address'} is not of the form host:port")
            secured = {name: value for name, value in options.items() if name != "bootstrap_servers"}
            async with asyncio.timeout(ANSWER_MS / 1000.0):
                connection = await create_conn(host, int(port), request_timeout_ms=ANSWER_MS, **secured)
        except (KafkaError, OSError, TimeoutError) as problem:
            problems.append(_sentence(address.strip(), problem, kafka))
        else:
            connection.close()
            return
    raise KafkaRefused(problems[0])


def _security(settings: Settings) -> dict[str, Any]:
    protocol = settings.kafka_security_protocol
    options: dict[str, Any] = {"security_protocol": protocol}
    if protocol in ("SSL", "SASL_SSL"):
        options["ssl_context"] = tls_context(settings)
    if protocol.startswith("SASL"):
        assert settings.kafka_password is not None  # noqa: S101  # the settings refuse SASL without it
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_username
        options["sasl_plain_password"] = settings.kafka_password.get_secret_value()
    return options


def _sentence(address: str, problem: BaseException, kafka: Kafka) -> str:
    """What went wrong at one address, and the setting to look at; never a password."""
    protocol = "PLAINTEXT" if isinstance(kafka, str) else kafka.kafka_security_protocol
    where = f"Kafka at {address}"
    match problem:
        case UnsupportedSaslMechanismError() | IllegalSaslStateError():
            return f"{where} does not take this kind of login; see kafka_sasl_mechanism and kafka_security_protocol"
        case AuthenticationFailedError() | BrokerResponseError():
            return f"{where} refuses the login; check kafka_username and kafka_password"
        case ssl.SSLCertVerificationError():
            return f"{where} shows a certificate that cannot be trusted ({problem.verify_message}); see kafka_ca"
        case ssl.SSLError():
            return (
                f"{where} does not agree on TLS ({_why(problem)}); see kafka_security_protocol, and kafka_certificate "
                "if it wants one"
            )
        case TimeoutError():
            return f"{where} does not answer within {ANSWER_MS / 1000:.0f} s; is it up, and the address right?"
        case KafkaError() | ConnectionResetError():
            return f"{where} hangs up on {protocol}; see kafka_security_protocol, and kafka_certificate if it wants one"
    return f"{where} cannot be reached ({_why(problem)}); is it up, and is kafka (ROOMWARDEN_KAFKA, --kafka) right?"


def _why(problem: BaseException) -> str:
    if isinstance(problem, ssl.SSLError):
        return (problem.reason or "not PEM").replace("_", " ").lower()
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    return type(problem).__name__
