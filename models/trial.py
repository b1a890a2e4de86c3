"""Trying a policy on fixtures: each is judged as a worker would judge it, by event time and without a clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from models.judgement import Heard, Judge, SpeakerState
from models.policy.fixtures import MS_PER_CHARACTER, Fixture, Placed, Saying


@dataclass(frozen=True, slots=True)
class Surprise:
    """An utterance of a fixture that the policy judges otherwise than expected."""

    file: str
    line: int
    fixture: str
    field: str
    expected: tuple[str, ...]
    found: tuple[str, ...]

    def __str__(self) -> str:
        want, got = (", ".join(values) or "none" for values in (self.expected, self.found))
        return f"{self.file}:{self.line} ({self.fixture}): {self.field} expected {want}; found {got}"


def surprises(placed: Placed, judge: Judge) -> list[Surprise]:
    """What differs from a fixture's expectations, in the order of its utterances; empty if nothing does.

    Raises LookupError where no policy is for the fixture's tenant.
    """
    fixture = placed.fixture
    state = SpeakerState()
    found: list[Surprise] = []
    for number, saying in enumerate(fixture.say):
        categories: set[str] = set()
        actions: list[str] = []
        for heard in _revisions(fixture, number, saying):
            decision = judge.decide(heard, state)
            state = decision.state
            categories |= {risk.category for risk in decision.risks}
            actions += [takedown.action for takedown in decision.takedowns]
        outcomes: list[tuple[str, list[str] | None, list[str]]] = [
            ("categories", saying.categories, sorted(categories)),
            ("actions", [*saying.actions], sorted(actions)),
        ]
        for field, expected, seen in outcomes:
            if expected is not None and sorted(expected) != seen:
                where = (placed.file, placed.lines[number], fixture.fixture, field)
                found.append(Surprise(*where, tuple(sorted(expected)), tuple(seen)))
    return found


def _revisions(fixture: Fixture, number: int, saying: Saying) -> Iterator[Heard]:
    texts = [*saying.partial, saying.text]
    start = saying.at_s * 1000.0
    voice = None if saying.voice_llr is None else {"verdict": "insufficient", "llr": saying.voice_llr}
    if voice is not None and saying.voice_llr is not None:
        voice["verdict"] = "synthetic" if saying.voice_llr > 0 else "human"
    for revision, text in enumerate(texts):
        final = revision == len(texts) - 1
        yield Heard(
            tenant=fixture.tenant, room="fixture", room_type=fixture.room_type, role=fixture.role,
            minor=fixture.minor, trusted=fixture.trusted, speaker="speaker", session="fixture",
            utterance_id=f"fixture-{number}", revision=revision, final=final, text=text, language="",
            start_ms=start, end_ms=start + max(1, len(text)) * MS_PER_CHARACTER,
            synthetic=voice if final else None, declared_synthetic=fixture.declared_synthetic,
        )  # fmt: skip
