"""Who may do what on Kafka: the access list of each stage, and of whoever else has an account.

Everything else is denied where the brokers run an authorizer. The docs and the chart's KafkaUser resources are
generated from this table, and a test on Apache Kafka runs each stage with nothing but its rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from streams.topics import (
    CHUNKS,
    COVERAGE,
    DEAD_LETTERS,
    DECISIONS,
    DEFERRED,
    FINDINGS,
    INCIDENTS,
    OUTCOMES,
    POLICIES,
    RISKS,
    ROOMS,
    SIGHTINGS,
    SOURCES,
    TAKEDOWNS,
    TOPICS,
    UTTERANCES,
    Topic,
)

Role = Literal["segment", "listen", "judge", "platform", "dashboard", "operator"]
Operation = Literal["Read", "Write", "Describe", "Create", "Alter"]


@dataclass(frozen=True, slots=True)
class Access:
    """What one role needs. A stage has a consumer group and, for its tables, topics of its own."""

    purpose: str
    reads: tuple[Topic, ...] = ()
    writes: tuple[Topic, ...] = ()
    stage: bool = False
    groups: tuple[str, ...] = ()
    """Consumer groups beside the stage's own."""
    creates: bool = False


@dataclass(frozen=True, slots=True)
class Acl:
    """One rule: operations allowed on a topic or group, or on all whose names begin so."""

    resource: Literal["topic", "group"]
    name: str
    operations: tuple[Operation, ...]
    prefixed: bool = False


ACCESS: dict[Role, Access] = {
    "segment": Access("the stage", (CHUNKS,), (UTTERANCES, COVERAGE, DEAD_LETTERS), stage=True),
    "listen": Access(
        "the stage",
        (UTTERANCES, DEFERRED, ROOMS, POLICIES),
        (FINDINGS, DEFERRED, COVERAGE, DEAD_LETTERS),
        stage=True,
        groups=("catchup",),
    ),
    "judge": Access(
        "the stage",
        (FINDINGS, ROOMS, OUTCOMES, POLICIES, SOURCES, TAKEDOWNS, SIGHTINGS),
        (RISKS, SIGHTINGS, INCIDENTS, TAKEDOWNS, DECISIONS, SOURCES, COVERAGE, DEAD_LETTERS),
        stage=True,
    ),
    "platform": Access("the platform's back end", (TAKEDOWNS,), (CHUNKS, ROOMS, OUTCOMES)),
    "dashboard": Access("whoever only watches", (FINDINGS, RISKS, INCIDENTS, TAKEDOWNS, OUTCOMES, COVERAGE)),
    "operator": Access(
        "`roomwarden topics`, `dead-letters`, `ledger`, `audit`, `policy`, `replay`", TOPICS, TOPICS, creates=True
    ),
}


def acls(role: Role, group_prefix: str) -> list[Acl]:
    """The rules of a role; ``group_prefix`` as in the settings."""
    access = ACCESS[role]
    rules = []
    for row in TOPICS:
        operations: list[Operation] = ["Describe"] if access.stage or access.creates else []
        operations += ["Read"] if row in access.reads else []
        operations += ["Write"] if row in access.writes else []
        operations += ["Create", "Alter"] if access.creates else []
        if operations:
            rules.append(Acl("topic", row.name, tuple(operations)))
    if access.stage:
        name = f"{group_prefix}-{role}"
        rules += [Acl("group", each, ("Read",)) for each in (name, *(f"{group_prefix}-{g}" for g in access.groups))]
        # Changelogs of its tables, which the stage makes itself.
        rules.append(Acl("topic", f"{name}-", ("Describe", "Read", "Write", "Create"), prefixed=True))
    if role == "platform":
        rules.append(Acl("group", "platform-", ("Read",), prefixed=True))
    return rules
