"""Which utterances are heard later, when not all can be heard in time; and who may be made to wait.

Where a tenant's speech misses its deadlines, speakers whom the platform trusts and rooms whose policy calls them quiet
make room for the others at once. Whoever has waited longer than the bound is deferred too: else everybody would come
later and later, as long as more is said than can be heard.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

REMEMBERED = 100_000
"""Rooms. Of one that is forgotten nobody is made to wait."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A final utterance in the queue: whose it is, for how long (s), whether its room is at risk, why it may wait."""

    tenant: str
    waited_s: float
    at_risk: bool = False
    lenient: str = ""


def reasons(queue: Sequence[Waiting], deadline_s: float, bound_s: float) -> list[str]:
    """Why each is to be heard later: "trusted", "quiet-room", "late"; "" for those who are not.

    `deadline_s`: what a final may wait while capacity suffices; `bound_s`: the longest that any may wait.
    """
    late = {item.tenant for item in queue if item.waited_s > deadline_s}

    def reason(item: Waiting) -> str:
        if item.lenient and item.tenant in late and not item.at_risk:
            return item.lenient
        return "late" if item.waited_s > bound_s else ""

    return [reason(item) for item in queue]


@dataclass(slots=True)
class _Room:
    room_type: str = "default"
    trusted: set[str] = field(default_factory=set)


class Lenience:
    """Who may be made to wait, by what is known of rooms, speakers and policies."""

    def __init__(self) -> None:
        self._files: dict[str, frozenset[str]] = {}  # by tenant, the room types that may be heard later; "*": the rest
        self._pushed: dict[str, frozenset[str]] = {}
        self._rooms: OrderedDict[tuple[str, str], _Room] = OrderedDict()

    def file(self, tenant: str, quiet_rooms: Iterable[str]) -> None:
        """A policy file says which room types may be heard later; tenant "*": of all tenants without a policy."""
        self._files[tenant] = frozenset(quiet_rooms)

    def change(self, tenant: str, quiet_rooms: Iterable[str]) -> None:
        """A policy is pushed."""
        self._pushed[tenant] = frozenset(quiet_rooms)

    def withdraw(self, tenant: str) -> None:
        """A pushed policy is withdrawn; that of the files is in force again."""
        self._pushed.pop(tenant, None)

    def opened(self, tenant: str, room: str, room_type: str) -> None:
        """A room is opened."""
        self._room(tenant, room).room_type = room_type

    def closed(self, tenant: str, room: str) -> None:
        """A room is closed."""
        self._rooms.pop((tenant, room), None)

    def joined(self, tenant: str, room: str, speaker: str, *, trusted: bool) -> None:
        """A speaker joins; the latest word on trust holds."""
        members = self._room(tenant, room).trusted
        (members.add if trusted else members.discard)(speaker)

    def left(self, tenant: str, room: str, speaker: str) -> None:
        """A speaker leaves."""
        if (known := self._rooms.get((tenant, room))) is not None:
            known.trusted.discard(speaker)

    def of(self, tenant: str, room: str, speaker: str) -> str:
        """Why a speaker in a room may be made to wait; "" who may not, or is not known."""
        known = self._rooms.get((tenant, room))
        if known is None:
            return ""
        if speaker in known.trusted:
            return "trusted"
        for name in (tenant, "*"):
            quiet = self._pushed.get(name, self._files.get(name))
            if quiet is not None:
                return "quiet-room" if known.room_type in quiet else ""
        return ""

    def _room(self, tenant: str, room: str) -> _Room:
        known = self._rooms.setdefault((tenant, room), _Room())
        self._rooms.move_to_end((tenant, room))
        while len(self._rooms) > REMEMBERED:
            self._rooms.popitem(last=False)
        return known
