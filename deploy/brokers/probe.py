"""Is a broker ready? Asked the way a client would: metadata, then the coordinator of a consumer group."""

import asyncio
import time
from collections.abc import Callable

from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import KafkaError

_PAUSE_S = 0.02  # between tries; a try costs a broker less than a millisecond
_TRY_S = 5.0  # a broker that accepts the connection and then says nothing for longer is asked again
_GROUP = "roomwarden-ready"  # only looked up, never joined


async def wait_ready(
    bootstrap: str, timeout_s: float, *, brokers: int = 1, check: Callable[[], None] | None = None
) -> None:
    """Return as soon as the cluster at `bootstrap` ("host:port,...") serves clients.

    Ready means that one address answers a metadata request with at least `brokers` brokers, and that a
    consumer group finds its coordinator, which makes Apache Kafka create its offsets topic now rather than
    during the first join. `check` runs before each try and may raise to give up early.
    Raises TimeoutError after `timeout_s` seconds, with the last thing that was missing.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        if check is not None:
            check()
        missing = await _missing(bootstrap, brokers)
        if missing is None:
            return
        if time.monotonic() >= deadline:
            raise TimeoutError(f"Kafka at {bootstrap} not ready after {timeout_s:g} s: {missing}")
        await asyncio.sleep(_PAUSE_S)


async def _missing(bootstrap: str, brokers: int) -> str | None:
    """Name what the cluster lacks, or None when it lacks nothing."""
    address = await _first_open(bootstrap)
    if address is None:
        return "no address accepts a connection"
    client = AIOKafkaClient(bootstrap_servers=address, client_id=_GROUP)
    try:
        async with asyncio.timeout(_TRY_S):
            await client.bootstrap()
            if (seen := len(client.cluster.brokers())) < brokers:
                return f"{seen} of {brokers} brokers have joined"
            await client.coordinator_lookup(CoordinationType.GROUP, _GROUP)
    except (KafkaError, OSError, TimeoutError) as error:
        return type(error).__name__
    finally:
        await client.close()
    return None


async def _first_open(bootstrap: str) -> str | None:
    """First address that accepts TCP; asked before the Kafka client, which logs every refusal as an error."""
    for address in bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            async with asyncio.timeout(_TRY_S):
                _, writer = await asyncio.open_connection(host, int(port))
        except (OSError, TimeoutError):
            continue
        writer.close()
        return address.strip()
    return None
