"""server.properties of a KRaft node: a pure function of the cluster's layout.

Names and meanings: https://kafka.apache.org/documentation/#brokerconfigs. Every node is broker and
controller at once, which Kafka supports for development and test.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

CLIENTS = "PLAINTEXT"  # the listener for clients and between brokers
CONTROLLERS = "CONTROLLER"


@dataclass(frozen=True, slots=True)
class Listener:
    """One named way for clients to reach every node.

    `ports`: one a node, free ones if empty. `advertised`: the "host:port" that clients are told, one a node;
    the listener's own address if empty (give a proxy's, or a load balancer's). `properties` holds for this
    listener alone, without Kafka's `listener.name.<name>.` prefix: key stores, SASL mechanisms, JAAS lines.
    """

    name: str
    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    ports: tuple[int, ...] = ()
    advertised: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)

    def listen(self, node: int, host: str) -> str:
        """Return "host:port" on which `node` (from 1) listens."""
        return f"{host}:{self.ports[node - 1]}"

    def address(self, node: int, host: str) -> str:
        """Return "host:port" that clients of `node` (from 1) are told."""
        return self.advertised[node - 1] if self.advertised else self.listen(node, host)


@dataclass(frozen=True, slots=True)
class Layout:
    """A cluster: its listeners (CLIENTS first), its controllers' ports, where its data is."""

    nodes: int
    host: str
    listeners: tuple[Listener, ...]
    controller_ports: tuple[int, ...]
    directory: Path
    overrides: Mapping[str, str] = field(default_factory=dict)


def server_properties(layout: Layout, node: int) -> dict[str, str]:
    """Return the properties of `node` (from 1) in `layout`."""
    copies = min(3, layout.nodes)
    voters = ",".join(f"{n}@{layout.host}:{port}" for n, port in enumerate(layout.controller_ports, 1))
    controller = f"{CONTROLLERS}://{layout.host}:{layout.controller_ports[node - 1]}"
    clients = layout.listeners
    properties = {
        "process.roles": "broker,controller",
        "node.id": str(node),
        "controller.quorum.voters": voters,
        "controller.listener.names": CONTROLLERS,
        "inter.broker.listener.name": CLIENTS,
        "listeners": ",".join([*(f"{x.name}://{x.listen(node, layout.host)}" for x in clients), controller]),
        "advertised.listeners": ",".join(f"{x.name}://{x.address(node, layout.host)}" for x in clients),
        "listener.security.protocol.map": ",".join(
            [*(f"{x.name}:{x.protocol}" for x in clients), f"{CONTROLLERS}:PLAINTEXT"]
        ),
        "log.dirs": str(data_directory(layout.directory, node)),
        **_TOPICS,
        **_SMALL,
        **_QUICK,
        # A cluster survives the loss of one node without losing an acknowledged record.
        "default.replication.factor": str(copies),
        "min.insync.replicas": str(max(1, copies - 1)),
        "offsets.topic.replication.factor": str(copies),
        "offsets.topic.num.partitions": str(layout.nodes),
        "transaction.state.log.replication.factor": str(copies),
        "transaction.state.log.min.isr": str(max(1, copies - 1)),
        "transaction.state.log.num.partitions": str(layout.nodes),
        "share.coordinator.state.topic.replication.factor": str(copies),
        "share.coordinator.state.topic.min.isr": str(max(1, copies - 1)),
        "share.coordinator.state.topic.num.partitions": str(layout.nodes),
    }
    for listener in clients:
        properties |= {f"listener.name.{listener.name.lower()}.{k}": v for k, v in listener.properties.items()}
    return {**properties, **layout.overrides}


def data_directory(directory: Path, node: int) -> Path:
    """Return where `node` (from 1) keeps its log segments and metadata."""
    return directory / f"data-{node}"


def render(properties: Mapping[str, str]) -> str:
    """Return the text of a Java properties file."""
    escaped = {key: value.replace("\\", "\\\\").replace("\n", "\\n") for key, value in properties.items()}
    return "".join(f"{key}={value}\n" for key, value in escaped.items())


# Topics are made by `roomwarden topics apply`: one made by a stray produce would have the wrong partition count.
_TOPICS = {"auto.create.topics.enable": "false", "num.partitions": "4"}

# For a heap of 256 MB and a machine that also runs the workers. The log cleaner's default buffer alone is 128 MB.
_SMALL = {
    "log.cleaner.dedupe.buffer.size": "16777216",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
}

# Groups form at once, tests may use short sessions, and a killed node is noticed after 4 s instead of 9.
_QUICK = {
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "500",
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "4000",
}
