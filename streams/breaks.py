"""What verification says of the record: what is wrong and where, chain by chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

Kind = Literal[
    "altered", "missing", "reordered", "forked", "restarted", "unchained", "unkeyed", "unknown-key", "anchor"
]
"""What can be wrong; ``MEANINGS`` tells them apart."""

MEANINGS: dict[Kind, str] = {
    "altered": "record and hash do not agree: one of them was changed",
    "missing": "the link before it is not there: it was removed, or replaced",
    "reordered": "it stands before the link that it follows",
    "forked": "a branch without a seal whose records do not stand on the chain",
    "restarted": "the chain begins a second time: the table of the worker was lost, or somebody else writes it",
    "unchained": "it has no link, though records before it have one: not published by a judge worker",
    "unkeyed": "it is not sealed with the key, though it is configured or records before it are sealed",
    "unknown-key": "it is sealed with a key that was not given: set ROOMWARDEN_AUDIT_KEY, or ROOMWARDEN_AUDIT_OLD_KEYS",
    "anchor": "the anchored link is not on record: removed, replaced, or past its retention",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands. From a file: partition -1, and its number in the file."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic} {f'{self.partition}:' if self.partition >= 0 else 'record '}{self.offset}"


@dataclass(frozen=True, slots=True)
class Break:
    """One thing that is wrong, and the record at which it shows."""

    kind: Kind
    place: Place | None
    chain: str
    position: int
    id: str
    tenant: str
    arrived_ms: float
    detail: str = ""


class Anchor(msgspec.Struct, frozen=True):
    """The head of a chain as it once was, to be kept where nobody can change it who can change the record."""

    topic: str
    chain: str
    position: int
    hash: str
    arrived_ms: float
    """Kafka timestamp of the record, Unix ms."""


@dataclass(frozen=True, slots=True)
class Report:
    """One chain: ``records`` counts those in question, ``first`` and ``last`` are positions of the whole chain."""

    topic: str
    chain: str
    records: int
    first: int
    last: int
    repeated: int
    """Records that were published again, with the same link or on an abandoned branch."""
    forks: int
    diverged: int
    """Sealed records on abandoned branches that do not stand on the chain: decided otherwise the second time."""
    truncated: bool
    """It begins after position 1, because older records are gone."""
    breaks: Sequence[Break]
    head: Anchor


@dataclass(frozen=True, slots=True)
class Scope:
    """Which records are in question; of a link that is missing nobody can say whose it was."""

    tenant: str | None = None
    from_ms: float = 0.0
    to_ms: float = float("inf")

    def holds(self, tenant: str, arrived_ms: float) -> bool:
        """Whether a record is in question."""
        return self.tenant in (None, tenant) and self.from_ms <= arrived_ms < self.to_ms

    def reports(self, found: Break) -> bool:
        """Whether something that is wrong is to be told."""
        if found.kind == "anchor":
            return True
        return self.holds(self.tenant or "" if found.kind in ("missing", "restarted") else found.tenant,
                          found.arrived_ms)  # fmt: skip


EVERYTHING = Scope()
