"""A TCP proxy that makes the network bad on purpose: cut, late, slow, silent, and well again.

It moves bytes and rewrites none, so the broker behind it must advertise the proxy's address: with the
embedded broker `advertised=proxy.address`, with Apache Kafka a further Listener whose `advertised` it is.
One proxy stands before one node; a client that is told another node's address goes round it.
"""

import asyncio
import contextlib
import math
from dataclasses import dataclass
from typing import Literal, Self

Direction = Literal["up", "down"]  # up: from client to broker
_PIECE = 16 * 1024  # bytes moved at a time; small, so that a throttle is even and a fault takes effect soon
_HELD = 256  # pieces that wait in the proxy, per direction of a connection, before the sender is made to wait


@dataclass(frozen=True, slots=True)
class Link:
    """The condition of one direction of every connection.

    `delay_s`: every byte comes this much later, in order, at full bandwidth. `bytes_per_s`: the most that one
    connection carries. `stalled`: nothing passes and no connection closes, as behind a router that drops
    every packet.
    """

    delay_s: float = 0.0
    bytes_per_s: float = math.inf
    stalled: bool = False


class FaultProxy:
    """Accepts on `host`:`port` (a free one if 0) and connects each client to `upstream` ("host:port").

    An async context manager; `address` is known once it is entered, and `upstream` need not listen yet.
    `accepted` counts connections, `passed` bytes in each direction.
    """

    def __init__(self, upstream: str, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.upstream = upstream
        self.accepted = 0
        self.passed: dict[Direction, int] = {"up": 0, "down": 0}
        self._host, self._port = host, port
        self._links: dict[Direction, Link] = {"up": Link(), "down": Link()}
        self._changed = asyncio.Event()  # set, and replaced, when a link changes
        self._cut = False
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """The "host:port" that clients use, and that the broker must advertise."""
        return f"{self._host}:{self._port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self._host, self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._server is not None:
            self._server.close()
        await self._drop()

    async def cut(self) -> None:
        """Break every connection now, and every new one as it comes, until `resume`."""
        self._cut = True
        await self._drop()

    def impair(self, link: Link, *directions: Direction) -> None:
        """Put these directions (both, if none is named) into the condition `link`, also for bytes under way."""
        for direction in directions or ("up", "down"):
            self._links[direction] = link
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def resume(self) -> None:
        """Undo `cut` and `impair`."""
        self._cut = False
        self.impair(Link())

    async def _drop(self) -> None:
        dropped = list(self._connections)
        for connection in dropped:
            connection.cancel()
        await asyncio.gather(*dropped, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - the server runs this method as a task
        self.accepted += 1
        self._connections.add(task)
        try:
            if not self._cut:
                await self._serve(reader, writer)
        except asyncio.CancelledError:
            pass  # by `cut` or the end of the proxy; the server would report it as an error
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = self.upstream.rpartition(":")
        try:
            broker_reader, broker_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            return  # the broker is away: so is the connection
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump("up", reader, broker_writer))
                both.create_task(self._pump("down", broker_reader, writer))
        except* OSError:
            pass  # one end reset; the other is about to learn it
        finally:
            broker_writer.transport.abort()

    async def _pump(self, direction: Direction, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Move bytes until the source ends; each remembers when it came, so that a delay costs no bandwidth."""
        loop = asyncio.get_running_loop()
        held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_HELD)

        async def read() -> None:
            while piece := await source.read(_PIECE):
                await held.put((loop.time(), piece))
            await held.put((loop.time(), b""))

        async def write() -> None:
            while True:
                came, piece = await held.get()
                await self._hold(direction, came, len(piece))
                if not piece:
                    break
                sink.write(piece)
                await sink.drain()
                self.passed[direction] += len(piece)
            with contextlib.suppress(OSError):
                sink.write_eof()

        async with asyncio.TaskGroup() as both:
            both.create_task(read())
            both.create_task(write())

    async def _hold(self, direction: Direction, came: float, size: int) -> None:
        """Wait as long as the link asks for a piece of `size` bytes that came at `came`, whatever changes."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while True:
            link, changed = self._links[direction], self._changed
            due = math.inf if link.stalled else max(came + link.delay_s, begun + size / link.bytes_per_s)
            if due <= loop.time():
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due if due < math.inf else None):
                    await changed.wait()
