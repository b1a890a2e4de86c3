"""Are the chains of the record whole? What was altered, removed, reordered or put in between, and where.

Feed it every record of the chained topics, each partition in the order of its offsets, then ask for the report. Nothing
else is needed but the keys, and about 1.1 kB of memory a record.

A chain may fork where a worker was killed, or held a partition a moment longer than it owned it. The longest branch is
the chain. Delivery is at least once, so what stands on the other branch was published again on the chain, with the same
content (but for ``_VOLATILE``), unless it came out otherwise the second time, because of what was known by then. Of
sealed records that is believed, since nobody without the key can make a branch; without a key it is a break.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from streams.breaks import EVERYTHING, Anchor, Break, Kind, Place, Report, Scope
from streams.chain import Head, Link, hash_of, key_id, link_of
from streams.codec import Message

_VOLATILE = ("stages", "attempt", "basis")
"""What may differ when a record is published again: processing times, the number of the attempt, and what was known of
the speaker before, where one table survived a kill and another did not."""


@dataclass(slots=True, eq=False)
class _Node:
    """One link as read."""

    link: Link
    place: Place
    number: int
    id: str
    tenant: str
    arrived_ms: float
    essence: bytes

    def wrong(self, kind: Kind, detail: str = "") -> Break:
        return Break(
            kind, self.place, self.link.chain, self.link.position, self.id, self.tenant, self.arrived_ms, detail
        )


@dataclass(slots=True)
class _Chain:
    nodes: dict[str, _Node] = field(default_factory=dict)
    breaks: list[Break] = field(default_factory=list)
    repeated: list[tuple[str, float]] = field(default_factory=list)
    """Tenant and time of arrival of each record that came with a link that was there already."""


class Verifier:
    """Takes in records, and says which of their chains are whole.

    ``secrets`` are all keys that were ever in force. ``expired`` are the partitions (topic, partition) whose oldest
    records Kafka no longer has: their chains may begin later than at position 1. ``partial`` says so of all.
    """

    def __init__(
        self, secrets: Iterable[bytes] = (), *, expired: Iterable[tuple[str, int]] = (), partial: bool = False
    ) -> None:
        self._secrets: Mapping[str, bytes] = {key_id(secret): secret for secret in secrets if secret}
        self._expired = set(expired)
        self._partial = partial
        self._chains: dict[tuple[str, str], _Chain] = defaultdict(_Chain)
        self._begun: set[tuple[str, int]] = set()
        self._number = 0
        self.strays: list[Break] = []
        """Records without a link, or without one that can be read."""
        self.older = 0
        """Records from before there were chains."""

    def feed(self, message: Message, place: Place, arrived_ms: float) -> None:
        """Take in the next record of a partition."""
        self._number += 1
        headers = {name: (value or b"").decode(errors="replace") for name, value in message.headers}
        identity, tenant = headers.get("ce_id", ""), headers.get("ce_tenant", "")
        try:
            link = link_of(message)
        except ValueError as problem:
            self.strays.append(Break("altered", place, "", 0, identity, tenant, arrived_ms, str(problem)))
            return
        where = (place.topic, place.partition)
        if link is None:
            if where in self._begun:
                self.strays.append(Break("unchained", place, "", 0, identity, tenant, arrived_ms))
            else:
                self.older += 1
            return
        self._begun.add(where)
        node = _Node(link, place, self._number, identity, tenant, arrived_ms, _essence(message.value))
        chain = self._chains[place.topic, link.chain]
        if link.key and link.key not in self._secrets:
            chain.breaks.append(node.wrong("unknown-key"))
        elif not hmac.compare_digest(hash_of(link, message, self._secrets.get(link.key, b"")), link.hash):
            chain.breaks.append(node.wrong("altered"))
        if link.hash in chain.nodes:
            chain.repeated.append((tenant, arrived_ms))
        else:
            chain.nodes[link.hash] = node

    def reports(self, scope: Scope = EVERYTHING, anchors: Iterable[Anchor] = ()) -> list[Report]:
        """One report for each chain that was read or anchored."""
        anchored: dict[tuple[str, str], list[Anchor]] = defaultdict(list)
        for anchor in anchors:
            anchored[anchor.topic, anchor.chain].append(anchor)
        names = sorted({*self._chains, *anchored})
        return [self._report(name, self._chains.get(name, _Chain()), scope, anchored[name]) for name in names]

    def _report(self, name: tuple[str, str], chain: _Chain, scope: Scope, anchors: list[Anchor]) -> Report:
        nodes = sorted(chain.nodes.values(), key=lambda node: node.number)
        main = _longest(nodes)
        off = [node for node in nodes if node.link.hash not in main]
        truncated, unlinked = self._unlinked(nodes, chain.nodes)
        forks = _forks(off, main, chain.nodes)
        gone = [
            Break("anchor", None, anchor.chain, anchor.position, "", "", anchor.arrived_ms)
            for anchor in anchors
            if (node := chain.nodes.get(anchor.hash)) is None or node.link.position != anchor.position
        ]
        found = [*chain.breaks, *unlinked, *forks.breaks, *self._unkeyed(nodes), *gone]
        top = max(main.values(), key=lambda node: node.link.position, default=None)
        head = Head(top.link.position, top.link.hash) if top else Head()
        return Report(
            topic=name[0],
            chain=name[1],
            records=sum(scope.holds(node.tenant, node.arrived_ms) for node in nodes),
            first=min((node.link.position for node in nodes), default=0),
            last=head.position,
            repeated=sum(scope.holds(*each) for each in chain.repeated) + forks.repeated,
            forks=forks.count,
            diverged=forks.diverged,
            truncated=truncated,
            breaks=sorted(filter(scope.reports, found), key=_by_place),
            head=Anchor(name[0], name[1], head.position, head.hash, top.arrived_ms if top else 0.0),
        )

    def _unlinked(self, nodes: list[_Node], by_hash: Mapping[str, _Node]) -> tuple[bool, list[Break]]:
        """Links that do not follow one before them; and whether some lack it because older records are gone."""
        truncated, found = False, []
        for node in nodes:
            link, before = node.link, by_hash.get(node.link.previous)
            if before is None and (link.position > 1 or link.previous):
                # What the first record follows, and what branches off from there, was before it.
                if self._may_begin_late(node) and link.position <= nodes[0].link.position:
                    truncated = True
                else:
                    found.append(node.wrong("missing"))
            elif before is not None and before.link.position != link.position - 1:
                found.append(node.wrong("altered", f"position {link.position} follows {before.link.position}"))
            elif before is not None and before.number > node.number and before.place.partition == node.place.partition:
                found.append(node.wrong("reordered", f"that is at {before.place}"))
        return truncated, found

    def _may_begin_late(self, node: _Node) -> bool:
        return self._partial or (node.place.topic, node.place.partition) in self._expired

    def _unkeyed(self, nodes: list[_Node]) -> list[Break]:
        """Plain links after the first sealed one, or that no sealed one vouches for."""
        sealed = min((node.link.position for node in nodes if node.link.key), default=None)
        plain = [node for node in nodes if not node.link.key]
        if sealed is not None:
            return [node.wrong("unkeyed") for node in plain if node.link.position >= sealed]
        if plain and self._secrets:
            return [plain[-1].wrong("unkeyed", "nothing of this chain is; the next record that a worker seals will do")]
        return []


def _longest(nodes: list[_Node]) -> dict[str, _Node]:
    """The chain: from the highest position down, from link to link, across gaps to the latest below."""
    by_position: dict[int, list[_Node]] = defaultdict(list)
    for node in nodes:
        by_position[node.link.position].append(node)
    chosen: dict[str, _Node] = {}
    wanted = ""
    for position in sorted(by_position, reverse=True):
        rows = by_position[position]
        node = next((row for row in rows if row.link.hash == wanted), rows[-1])
        chosen[node.link.hash] = node
        wanted = node.link.previous
    return chosen


@dataclass(slots=True)
class _Forks:
    """Branches that leave the chain, what stands on them, and which of them have no excuse."""

    count: int = 0
    repeated: int = 0
    diverged: int = 0
    breaks: list[Break] = field(default_factory=list)


def _forks(off: list[_Node], main: Mapping[str, _Node], by_hash: Mapping[str, _Node]) -> _Forks:
    contents = {(node.id, node.essence) for node in main.values()}
    begins: dict[str, _Node] = {}
    lost: dict[str, list[_Node]] = {}
    found = _Forks()
    for node in sorted(off, key=lambda each: (each.link.position, each.number)):
        before = by_hash.get(node.link.previous)
        begin = node if before is None else begins.get(before.link.hash, node)
        begins[node.link.hash] = begin
        if (node.id, node.essence) in contents:
            found.repeated += 1
        elif node.link.key and begin.link.position > 1:
            found.diverged += 1
        else:
            lost.setdefault(begin.link.hash, []).append(node)
    found.count = len({begin.link.hash for begin in begins.values()})
    for name, missed in lost.items():
        kind: Kind = "restarted" if by_hash[name].link.position == 1 else "forked"
        found.breaks.append(missed[0].wrong(kind, f"{len(missed)} of its records"))
    return found


def _essence(value: bytes) -> bytes:
    """What must be the same when a record is published again."""
    try:
        said = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = None
    if isinstance(said, dict):
        value = msgspec.json.encode({k: v for k, v in said.items() if k not in _VOLATILE}, order="sorted")
    return hashlib.sha256(value).digest()


def _by_place(found: Break) -> tuple[int, int]:
    return (found.place.partition, found.place.offset) if found.place else (-1, -1)
