"""Takedowns that stick: kept by room until they are over, answered, held up again when their target comes back.

Rows are written to the partition of the room. ``standing`` holds takedowns by id, and the ids of each speaker in a
room; ``awaited`` holds those that the platform has not yet acknowledged, a small table that a timer looks through.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from models.judgement import Takedown
from models.policy.schema import Acknowledge
from models.standing import REMEMBER_MS, Awaited, Standing, awaited, lifted, reissued, standing, unanswered, verdict_of
from streams import records
from streams.delivery import Received
from streams.state import StateTable, by_timer

_MOST_OF_ONE_SPEAKER = 32


class _Row(msgspec.Struct):
    """A standing takedown, its revision, and the partition of its room."""

    stood: Standing
    revision: int
    partition: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What an outcome leads to."""

    category: str
    lift: tuple[Takedown, int] | None = None
    taken_back: Takedown | None = None
    """The takedown whose strike no longer counts."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """A takedown to send again, or, when all repeats are used up, the order to a person instead."""

    kind: Literal["repeat", "unanswered"]
    takedown: Takedown
    revision: int
    attempt: int
    partition: int
    """Of its room."""


class Sticking:
    """What is known of issued takedowns. Synchronous: callers publish first, and note afterwards."""

    def __init__(self, standing_table: StateTable, awaited_table: StateTable) -> None:
        self._standing = standing_table
        self._awaited = awaited_table

    def issued(
        self, event: Received, takedown: Takedown, revision: int, rule: Acknowledge | None, now_ms: float
    ) -> None:
        """Keep a takedown that was published on behalf of ``event``; again and again without harm."""
        if takedown.dry_run:
            return
        tenant, room = takedown.target["tenant"], takedown.target["room"]
        partition = int(event.message.partition)
        name = _id_key(tenant, room, takedown.id)
        if self._standing.get(name) is not None:
            return
        self._standing.put(event, name, msgspec.json.encode(_Row(standing(takedown), revision, partition)))
        if rule is not None:
            waiting = awaited(takedown, revision, rule, now_ms, partition)
            self._awaited.put(event, name, msgspec.json.encode(waiting))
        speaker = takedown.target.get("speaker", "")
        if speaker and not takedown.reissue_of and not takedown.reverses:
            ids = [*self._ids(tenant, room, speaker), takedown.id]
            self._standing.put(
                event, _speaker_key(tenant, room, speaker), msgspec.json.encode(ids[-_MOST_OF_ONE_SPEAKER:])
            )

    def joined(
        self, record: records.Room, elsewhere: Iterable[Standing] = (), reversed_: Container[str] = ()
    ) -> Takedown | None:
        """What a speaker who has just joined must still bear.

        ``elsewhere`` are suspensions from other rooms, ``reversed_`` ids that were taken back anywhere.
        """
        ids = self._ids(record.tenant, record.room, record.speaker)
        rows = [self._row(_id_key(record.tenant, record.room, name)) for name in ids]
        known = {row.stood.takedown.id: row.stood for row in rows if row is not None}
        for each in elsewhere:
            known.setdefault(each.takedown.id, each)
        lasting = [each for name, each in known.items() if name not in reversed_]
        return reissued(lasting, record.room, record.time_ms)

    def answered(self, event: Received, record: records.Outcome) -> Answered | None:
        """Take in an outcome; None where the takedown is not known here."""
        name = _id_key(record.tenant, record.room, record.takedown_id)
        if record.outcome != "failed":
            self._awaited.drop(event, name)
        row = self._row(name)
        if row is None:
            return None
        root = row.stood.takedown.reissue_of
        if root and (first := self._row(_id_key(record.tenant, record.room, root))) is not None:
            name, row = _id_key(record.tenant, record.room, root), first
        takedown, before = row.stood.takedown, row.stood.verdict
        verdict = verdict_of(record.outcome, before)
        if verdict != before:
            row.stood = replace(row.stood, verdict=verdict)
            self._standing.put(event, name, msgspec.json.encode(row))
        if record.outcome != "overturned" or takedown.action == "lift":
            return Answered(takedown.category)
        # Said again, it leads to the same command again: the one before may not have been published.
        lift = None
        if takedown.action != "review":
            lift = (lifted(replace(row.stood, verdict=""), record.time_ms), row.revision)
        return Answered(takedown.category, lift, takedown)

    def overdue(self, now_ms: float, partitions: set[int]) -> list[Overdue]:
        """What to send because nobody answered; call ``sent`` for each once it is published."""
        found = []
        for _, waiting in self._waiting(partitions):
            if waiting.due_ms() > now_ms:
                continue
            if waiting.is_last():
                order = unanswered(waiting.takedown, waiting.attempts, now_ms)
                found.append(Overdue("unanswered", order, waiting.revision, waiting.attempts, waiting.partition))
            else:
                again = waiting.attempts + 1
                found.append(Overdue("repeat", waiting.takedown, waiting.revision, again, waiting.partition))
        return found

    def sent(self, overdue: Overdue, now_ms: float) -> None:
        """An overdue takedown or order was published."""
        target = overdue.takedown.target
        first = str(overdue.takedown.facts.get("unanswered", overdue.takedown.id))
        name = _id_key(target["tenant"], target["room"], first)
        stored = self._awaited.get(name)
        if stored is None:
            return
        waiting = msgspec.json.decode(stored, type=Awaited)
        event = by_timer(waiting.partition)
        if overdue.kind == "unanswered":
            self._awaited.drop(event, name)
        else:
            self._awaited.put(event, name, msgspec.json.encode(waiting.again(now_ms)))

    def forget(self, now_ms: float, partitions: set[int]) -> int:
        """Drop takedowns that are a week old; how many."""
        old = []
        for name, value in self._standing.items():
            if name.startswith("t\x1f"):
                row = msgspec.json.decode(value, type=_Row)
                if row.partition in partitions and row.stood.takedown.at_ms < now_ms - REMEMBER_MS:
                    old.append((name, row))
        for name, row in old:
            event = by_timer(row.partition)
            self._standing.drop(event, name)
            target = row.stood.takedown.target
            speaker = _speaker_key(target["tenant"], target["room"], target.get("speaker", ""))
            ids = [each for each in self._listed(speaker) if each != row.stood.takedown.id]
            if ids:
                self._standing.put(event, speaker, msgspec.json.encode(ids))
            else:
                self._standing.drop(event, speaker)
        return len(old)

    def _waiting(self, partitions: set[int]) -> Iterable[tuple[str, Awaited]]:
        for name, value in self._awaited.items():
            waiting = msgspec.json.decode(value, type=Awaited)
            if waiting.partition in partitions:
                yield name, waiting

    def _row(self, name: str) -> _Row | None:
        stored = self._standing.get(name)
        return msgspec.json.decode(stored, type=_Row) if stored else None

    def _ids(self, tenant: str, room: str, speaker: str) -> list[str]:
        return self._listed(_speaker_key(tenant, room, speaker))

    def _listed(self, name: str) -> list[str]:
        stored = self._standing.get(name)
        return msgspec.json.decode(stored, type=list[str]) if stored else []


def _id_key(tenant: str, room: str, name: str) -> str:
    return "\x1f".join(("t", tenant, room, name))


def _speaker_key(tenant: str, room: str, speaker: str) -> str:
    return "\x1f".join(("s", tenant, room, speaker))
