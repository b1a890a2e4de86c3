"""Apache Kafka in KRaft mode, one node or a cluster of three, from Maven Central's jars on the machine's Java.

For tests, fault drills and development; in production use the Kafka that your platform runs.
"""

import base64
import json
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from deploy.brokers.base import Broker
from deploy.brokers.jars import KAFKA_VERSION, fetch_jars, java
from deploy.brokers.kraft import CLIENTS, Layout, Listener, data_directory, render, server_properties
from deploy.brokers.ports import free_ports
from deploy.brokers.process import BrokerFailed

# C1 only and the serial collector: half the start-up time, and a test broker never lives to profit from C2.
_JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-XX:+ExitOnOutOfMemoryError")


class ApacheBroker(Broker):
    """`nodes` Kafka brokers on `host`; records survive restarts, and also this object if `directory` is given.

    `port` is node 1's port for clients, the others follow it; free ports if None. `listeners` adds further
    ways in beside the plain one, e.g. SASL_SSL: see Listener; `users` are names and passwords for
    SCRAM-SHA-512, known from the first start on. `properties` override server.properties.
    `heap_mb` is a node's whole Java heap. Jars come from, or go to, `cache`.
    Raises BrokerMissing where Java, or Maven and the jars, are absent; ValueError for an even cluster.
    """

    kind: ClassVar[str] = "apache"
    durable: ClassVar[bool] = True

    def __init__(
        self,
        *,
        nodes: int = 1,
        host: str = "127.0.0.1",
        port: int | None = None,
        listeners: Sequence[Listener] = (),
        users: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        directory: Path | None = None,
        version: str = KAFKA_VERSION,
        cache: Path | None = None,
        heap_mb: int = 256,
        log_level: str = "WARN",
    ) -> None:
        if nodes < 1 or nodes % 2 == 0:
            raise ValueError(f"nodes: {nodes} controllers cannot outvote a loss better than {nodes - 1}; give 1 or 3")
        self._java = java()
        self._classpath = f"{fetch_jars(version, cache)}/*"
        super().__init__(nodes=nodes, directory=directory)
        self._users = dict(users or {})
        self._jvm = (*_JVM, f"-Xms{heap_mb}m", f"-Xmx{heap_mb}m", f"-Dlog4j2.level={log_level}")
        plain = Listener(CLIENTS, ports=tuple(range(port, port + nodes)) if port is not None else ())
        every = [plain, *listeners]
        spare = iter(free_ports(nodes * (len(every) + 1), host))
        self.layout = Layout(
            nodes=nodes,
            host=host,
            listeners=tuple(
                x if x.ports else replace(x, ports=tuple(next(spare) for _ in range(nodes))) for x in every
            ),
            controller_ports=tuple(next(spare) for _ in range(nodes)),
            directory=self.directory.absolute(),
            overrides=properties or {},
        )

    def address(self, node: int, listener: str = CLIENTS) -> str:
        """Return "host:port" of `node` at the named listener. Raises ValueError if there is no such listener."""
        self._chosen(node)
        for candidate in self.layout.listeners:
            if candidate.name == listener:
                return candidate.address(node, self.layout.host)
        raise ValueError(f"listener: there is none named {listener}")

    def _listens(self, node: int) -> list[str]:
        clients = [listener.listen(node, self.layout.host) for listener in self.layout.listeners]
        return [*clients, f"{self.layout.host}:{self.layout.controller_ports[node - 1]}"]

    def _prepare(self) -> None:
        """Write each node's properties, and format the storage of those that have none."""
        cluster = self._cluster_id()
        unformatted = []
        for node in range(1, self.nodes + 1):
            self._config(node).write_text(render(server_properties(self.layout, node)))
            if not (data_directory(self.layout.directory, node) / "meta.properties").exists():
                unformatted.append(node)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda node: self._format(node, cluster), unformatted))

    def _cluster_id(self) -> str:
        """Return the cluster id kept in the directory, a new one in a new directory."""
        path = self.directory / "cluster.json"
        if path.exists():
            kept = json.loads(path.read_text())
            if kept["nodes"] != self.nodes:
                raise ValueError(f"nodes: {self.directory} holds a cluster of {kept['nodes']}, not {self.nodes}")
            return str(kept["id"])
        self.directory.mkdir(parents=True, exist_ok=True)
        # Kafka's own form: a UUID in URL-safe base64 without padding; `random-uuid` never starts with a dash.
        new = "rw" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[2:]
        path.write_text(json.dumps({"id": new, "nodes": self.nodes}))
        return new

    def _format(self, node: int, cluster: str) -> None:
        # fmt: off
        command = [
            str(self._java), *_JVM, "-Dlog4j2.level=ERROR", "-cp", self._classpath, "kafka.tools.StorageTool",
            "format", "--cluster-id", cluster, "--config", str(self._config(node)), "--ignore-formatted",
        ]
        # fmt: on
        for name, password in self._users.items():
            command += ["--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise BrokerFailed(f"Kafka could not format the storage of node {node}:\n{done.stdout}{done.stderr}")

    def _config(self, node: int) -> Path:
        return self.directory / f"server-{node}.properties"

    def _command(self, node: int) -> list[str]:
        return [str(self._java), *self._jvm, "-cp", self._classpath, "kafka.Kafka", str(self._config(node))]
