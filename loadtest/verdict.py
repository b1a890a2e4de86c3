"""What was due against what came: due, found, missed, wrongly found, and an exit status.

Observed takedowns are plain mappings, either flat (``room``, ``speaker``, ``category``, ``action``) or as the topic
carries them (``target: {room, speaker}``). ``dry_run`` records and reviews, which touch nobody, are left out. A label
may be asked of those clean speakers who have declared a synthetic voice themselves. Records that repeat an idempotent
``takedown_id`` count once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from loadtest.schema import DUTIES, DueTakedown, Scenario


@dataclass(frozen=True, slots=True)
class Observed:
    """One takedown as the verdict needs it; ``speaker`` is empty where a whole room was meant."""

    tenant: str
    room: str
    speaker: str
    category: str
    action: str
    severity: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The comparison. ``extra`` are takedowns of offenders beyond what was due: shown, but no failure."""

    due: tuple[DueTakedown, ...]
    found: tuple[tuple[DueTakedown, Observed], ...]
    missed: tuple[DueTakedown, ...]
    wrong: tuple[Observed, ...]
    extra: tuple[Observed, ...]
    risks_on_clean: int = 0
    notes: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Everything due was found, and nobody clean was touched."""
        return not self.missed and not self.wrong

    @property
    def exit_status(self) -> int:
        """0 when passed, else 1."""
        return 0 if self.passed else 1

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        return {
            "passed": self.passed,
            "due": len(self.due),
            "found": len(self.found),
            "missed": [_plain_due(due) for due in self.missed],
            "wrong": [_plain(observed) for observed in self.wrong],
            "extra": [_plain(observed) for observed in self.extra],
            "risks_on_clean": self.risks_on_clean,
            "notes": list(self.notes),
        }

    def lines(self) -> list[str]:
        """The verdict for a terminal, most important line last."""
        out = [f"note: {note}" for note in self.notes]
        out += [f"missed: {due.action} of {due.speaker} in {due.room} for {due.category}" for due in self.missed]
        out += [f"wrong: {seen.action} of {_who(seen)} in {seen.room} for {seen.category}" for seen in self.wrong]
        out += [f"extra: {seen.action} of {_who(seen)} in {seen.room} for {seen.category}" for seen in self.extra]
        word = "passed" if self.passed else "FAILED"
        out.append(
            f"{word}: {len(self.due)} due, {len(self.found)} found, {len(self.missed)} missed, "
            f"{len(self.wrong)} wrongly found"
        )
        return out


def judge(
    scenario: Scenario,
    takedowns: Iterable[Mapping[str, Any]],
    risks: Iterable[Mapping[str, Any]] = (),
) -> Verdict:
    """Compare the takedowns observed with those that the scenario says are due.

    Each due takedown needs a record of its own: same room and speaker, a category under the due prefix, an action at
    least as severe. Which record serves which due is settled by bipartite matching, so that order does not matter.
    Rooms that are not in the scenario are ignored: other traffic may share the topic.

    Raises:
        ValueError: when a takedown lacks a field.
    """
    rooms = {(room.tenant or scenario.tenant, room.id) for room in scenario.rooms}
    clean = scenario.clean_speakers()
    observed = [seen for seen in _observed(takedowns) if (seen.tenant, seen.room) in rooms]
    dues = scenario.dues()
    served = _match(dues, observed)
    found = tuple((dues[index], observed[number]) for index, number in sorted(served.items()))
    rest = [seen for number, seen in enumerate(observed) if number not in set(served.values())]
    with_clean = {room for room, _ in clean}
    declared = {
        (room.id, speaker.id) for room in scenario.rooms for speaker in room.speakers if scenario.declares(speaker)
    }
    wrong = tuple(
        s
        for s in rest
        if (s.room, s.speaker) in (clean - declared if s.action == "label_required" else clean)
        or (not s.speaker and s.room in with_clean)
    )
    return Verdict(
        due=tuple(dues),
        found=found,
        missed=tuple(due for index, due in enumerate(dues) if index not in served),
        wrong=wrong,
        extra=tuple(seen for seen in rest if seen not in wrong),
        risks_on_clean=sum((risk.get("room"), risk.get("speaker")) in clean for risk in risks),
        notes=scenario.notes,
    )


def _observed(records: Iterable[Mapping[str, Any]]) -> list[Observed]:
    seen: set[str] = set()
    out = []
    for record in records:
        target = record.get("target") or record
        try:
            action = record["action"]
            if action not in DUTIES or record.get("dry_run"):
                continue
            observed = Observed(
                tenant=target["tenant"],
                room=target["room"],
                speaker=target.get("speaker", ""),
                category=record["category"],
                action=action,
                severity=DUTIES.index(action),
            )
        except KeyError as missing:
            raise ValueError(f"a takedown record lacks the field {missing}; pass the records as published") from None
        name = record.get("takedown_id")
        if name is not None:
            if name in seen:
                continue
            seen.add(name)
        out.append(observed)
    return out


def _match(dues: Sequence[DueTakedown], observed: Sequence[Observed]) -> dict[int, int]:
    """A largest assignment of records to dues (augmenting paths; Kuhn 1955): index of due to index of record."""
    fits = [[number for number, seen in enumerate(observed) if _serves(seen, due)] for due in dues]
    owner: dict[int, int] = {}

    def assign(index: int, tried: set[int]) -> bool:
        for number in fits[index]:
            if number in tried:
                continue
            tried.add(number)
            if number not in owner or assign(owner[number], tried):
                owner[number] = index
                return True
        return False

    for index in range(len(dues)):
        assign(index, set())
    return {index: number for number, index in owner.items()}


def _serves(seen: Observed, due: DueTakedown) -> bool:
    prefix = due.category.rstrip("/")
    return (
        (seen.tenant, seen.room, seen.speaker) == (due.tenant, due.room, due.speaker)
        and (seen.category == prefix or seen.category.startswith(prefix + "/"))
        and seen.severity >= DUTIES.index(due.action)
    )


def _who(seen: Observed) -> str:
    return seen.speaker or "the whole room"


def _plain(seen: Observed) -> dict[str, str]:
    return {"room": seen.room, "speaker": seen.speaker, "category": seen.category, "action": seen.action}


def _plain_due(due: DueTakedown) -> dict[str, str | float]:
    return {
        "room": due.room,
        "speaker": due.speaker,
        "category": due.category,
        "action": due.action,
        "spoken_ms": round(due.spoken_ms, 1),
    }
