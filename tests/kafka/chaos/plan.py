"""What goes wrong, and when: a list of faults drawn from a seed, each due at a share of the audio accounted for."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "SIGKILL", "SIGTERM", "worker added", "worker removed", "broker restarted", "broker killed", "broker away",
    "leader moved", "network cut", "network slow", "clock stepped",
]  # fmt: skip
Scenario = Literal["kills", "away", "leaders", "network"]
STAGES = ("segment", "listen", "judge")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: ``target`` is a stage, a node's number, or empty."""

    at: float
    kind: Kind
    target: str = ""
    seconds: float = 0.0


def plan(scenario: Scenario, seed: int, kills: int = 20) -> list[Fault]:
    """The faults of a scenario in the order in which they are due; the same seed gives the same faults."""
    rng = random.Random(seed)
    drawn = _SCENARIOS[scenario](rng, kills)
    # The tenth part at either end is left alone: there must be something to disturb, and an end to come to.
    shares = sorted(rng.uniform(0.05, 0.9) for _ in drawn)
    return [Fault(at, fault.kind, fault.target, fault.seconds) for at, fault in zip(shares, drawn, strict=True)]


def _kills(rng: random.Random, kills: int) -> list[Fault]:
    """Every stage killed in turn, workers that come and go, a broker restarted, a clock that jumps."""
    faults = [Fault(0, "SIGKILL", STAGES[n % 3]) for n in range(kills)]
    faults += [Fault(0, "SIGTERM", stage) for stage in STAGES]
    faults += [Fault(0, "broker restarted", "1"), Fault(0, "broker killed", "1")]
    faults += [Fault(0, "clock stepped", "segment", 3000.0), Fault(0, "clock stepped", "judge", -3000.0)]
    rng.shuffle(faults)
    coming = [
        Fault(0, "worker added", "segment"),
        Fault(0, "worker added", "listen"),
        Fault(0, "worker added", "judge"),
    ]
    going = [Fault(0, "worker removed", fault.target) for fault in coming]
    third = len(faults) // 3
    return [*faults[:third], *coming, *faults[third : 2 * third], *going, *faults[2 * third :]]


def _away(rng: random.Random, kills: int) -> list[Fault]:
    """Kafka is gone for a minute."""
    del rng, kills
    return [Fault(0, "broker away", "1", 60.0)]


def _leaders(rng: random.Random, kills: int) -> list[Fault]:
    """The leader of every partition in turn: each of three nodes is killed and comes back."""
    del kills
    nodes = ["1", "2", "3"]
    rng.shuffle(nodes)
    return [Fault(0, "leader moved", node, 8.0) for node in nodes]


def _network(rng: random.Random, kills: int) -> list[Fault]:
    """Connections break, and bytes come late."""
    del kills
    faults = [Fault(0, "network cut", "", 5.0), Fault(0, "network slow", "", 15.0), Fault(0, "network cut", "", 12.0)]
    rng.shuffle(faults)
    return faults


_SCENARIOS: dict[str, Callable[[random.Random, int], list[Fault]]] = {
    "kills": _kills,
    "away": _away,
    "leaders": _leaders,
    "network": _network,
}
