"""The fault proxy: against an echo server byte by byte, and in front of a broker."""

import asyncio
import os

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from deploy.brokers import missing, open_broker
from deploy.brokers.ports import free_ports
from deploy.brokers.proxy import FaultProxy, Link

PATIENCE_S = 60  # ends a test that hangs; nothing is asserted about time


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.fixture
async def proxy():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with FaultProxy(f"{host}:{port}") as running:
        yield running
    server.close()


async def connect(proxy):
    host, _, port = proxy.address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def has_more(reader) -> bool:
    """Whether anything arrives while the loop is idle: a second read that must stay pending is given a chance."""
    try:
        async with asyncio.timeout(0.1):
            return bool(await reader.read(1))
    except TimeoutError:
        return False


async def test_bytes_pass_unchanged_and_are_counted(proxy):
    reader, writer = await connect(proxy)
    sent = os.urandom(1_000_000)
    writer.write(sent)
    writer.write_eof()
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.read(-1) == sent
    assert (proxy.accepted, proxy.passed) == (1, {"up": len(sent), "down": len(sent)})
    writer.close()


async def test_a_cut_breaks_old_and_new_connections_until_it_is_mended(proxy):
    old_reader, old_writer = await connect(proxy)
    old_writer.write(b"x")
    assert await old_reader.readexactly(1) == b"x"
    await proxy.cut()
    new_reader, new_writer = await connect(proxy)
    for reader in (old_reader, new_reader):
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
    proxy.resume()
    reader, writer = await connect(proxy)
    writer.write(b"y")
    assert await reader.readexactly(1) == b"y"
    for each in (old_writer, new_writer, writer):
        each.close()


@pytest.mark.parametrize("directions", [(), ("up",), ("down",)])
@pytest.mark.parametrize("link", [Link(stalled=True), Link(delay_s=3600), Link(bytes_per_s=0.001)])
async def test_what_is_held_stays_held_and_passes_in_order_once_mended(proxy, link, directions):
    reader, writer = await connect(proxy)
    proxy.impair(link, *directions)
    writer.write(b"first")
    assert not await has_more(reader)
    writer.write(b" second")
    proxy.resume()
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.readexactly(12) == b"first second"
    writer.close()


async def test_the_other_direction_goes_on(proxy):
    _, writer = await connect(proxy)
    proxy.impair(Link(stalled=True), "down")
    writer.write(b"x" * 1000)
    async with asyncio.timeout(PATIENCE_S):
        while proxy.passed["up"] < 1000:
            await asyncio.sleep(0)
    assert proxy.passed["down"] == 0
    writer.close()


async def test_delay_and_throttle_follow_the_clock(proxy, monkeypatch):
    """Due times are computed, not slept: the second piece of a delayed link is no later than the first."""
    loop = asyncio.get_running_loop()
    now = loop.time()
    proxy.impair(Link(delay_s=5.0), "up")
    monkeypatch.setattr(loop, "time", lambda: now + 5.0)
    await proxy._hold("up", now, 10_000_000)
    proxy.impair(Link(bytes_per_s=100.0), "up")
    held = asyncio.create_task(proxy._hold("up", now, 1000))
    await asyncio.sleep(0)
    monkeypatch.setattr(loop, "time", lambda: now + 14.9)
    await asyncio.sleep(0)
    assert not held.done()
    monkeypatch.setattr(loop, "time", lambda: now + 15.1)
    await held


async def test_a_broker_that_is_away_closes_the_connection():
    (port,) = free_ports(1)
    async with FaultProxy(f"127.0.0.1:{port}") as proxy:
        reader, writer = await connect(proxy)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()


@pytest.mark.embedded
async def test_a_client_behind_the_proxy_outlives_a_cut():
    if (reason := missing("embedded")) is not None:
        pytest.skip(reason)
    (port,) = free_ports(1)
    async with FaultProxy(f"127.0.0.1:{port}") as proxy:
        broker = open_broker("embedded", port=port, advertised=proxy.address)
        broker.start()
        await asyncio.to_thread(broker.ready)
        assert broker.bootstrap == proxy.address
        producer = AIOKafkaProducer(bootstrap_servers=proxy.address, request_timeout_ms=2000, retry_backoff_ms=20)
        reader = AIOKafkaConsumer(
            "cut", bootstrap_servers=proxy.address, auto_offset_reset="earliest", fetch_max_wait_ms=20
        )
        async with asyncio.timeout(PATIENCE_S), producer, reader:
            await producer.send_and_wait("cut", b"before", partition=0)
            assert (await reader.getone()).value == b"before"
            await proxy.cut()
            with pytest.raises(KafkaError):
                await producer.send_and_wait("cut", b"lost", partition=0)
            proxy.resume()
            await producer.send_and_wait("cut", b"after", partition=0)
            assert (await reader.getone()).value == b"after"
        await asyncio.to_thread(broker.close)
