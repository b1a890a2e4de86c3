"""Fixtures: what somebody says over time, and what a policy should make of it. ``roomwarden policy test`` runs them.

A file is a list of fixtures (the form is described in docs/policy.md)::

    - fixture: contact climbs the ladder
      say:
        - {at_s: 0, text: 加我微信, categories: [ads/contact/off-platform], actions: [warn]}
        - {at_s: 60, text: 加我微信, actions: [mute]}
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from models.lexicon.source import InvalidSourceError, Lines, Problem, line_of, read_yaml, schema_problems
from models.policy.schema import Action

# Evenly spoken text: five characters a second, as fast as Mandarin is read aloud.
MS_PER_CHARACTER = 200.0


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Saying(_Strict):
    """One utterance. ``partial`` gives the transcripts heard on the way to the final ``text``."""

    text: str
    at_s: Annotated[float, Field(ge=0)]
    partial: list[str] = []
    voice_llr: float | None = None
    categories: list[str] | None = None
    """Expected of the whole utterance, in any order; not checked where left out."""
    actions: list[Action] = []
    """Expected of the whole utterance, in any order."""


class Fixture(_Strict):
    """A speaker with a standing in a room, and what is said there."""

    fixture: Annotated[str, Field(min_length=1)]
    tenant: str = "fixture"
    room_type: str = "default"
    role: str = ""
    minor: bool = False
    trusted: bool = False
    declared_synthetic: bool = False
    say: Annotated[list[Saying], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Placed:
    """A fixture, and the lines of its utterances in its file."""

    fixture: Fixture
    file: str
    lines: tuple[int, ...]


_ONE = TypeAdapter(Fixture)


def fixtures_json_schema() -> dict[str, Any]:
    """JSON Schema of a fixtures file."""
    return TypeAdapter(list[Fixture]).json_schema()


def parse_fixtures(text: str, name: str = "fixtures") -> list[Placed]:
    """Fixtures of a YAML text. Raises InvalidSourceError naming file, line, field and remedy of every fault."""
    placed: list[Placed] = []
    problems: list[Problem] = []
    for data, lines in read_yaml(text, name):
        for index, item in enumerate(data if isinstance(data, list) else [data]):
            prefix: tuple[str | int, ...] = (index,) if isinstance(data, list) else ()
            try:
                fixture = _ONE.validate_python(item)
            except ValidationError as error:
                problems += schema_problems(error, lines, name, prefix)
                continue
            problems += _order(fixture, prefix, lines, name)
            where = tuple(line_of((*prefix, "say", number), lines) for number in range(len(fixture.say)))
            placed.append(Placed(fixture, name, where))
    if not placed and not problems:
        problems.append(Problem(name, 1, "", "the file is empty", "add a fixture, as docs/policy.md shows"))
    if problems:
        raise InvalidSourceError(problems)
    return placed


def starter_fixtures() -> list[Placed]:
    """The fixtures of the starter policy, which are also the example of the documents."""
    text = files("models.policy").joinpath("data/fixtures.yaml").read_text(encoding="utf-8")
    return parse_fixtures(text, "fixtures.yaml")


def _order(fixture: Fixture, prefix: tuple[str | int, ...], lines: Lines, name: str) -> list[Problem]:
    late = [n for n in range(1, len(fixture.say)) if fixture.say[n].at_s < fixture.say[n - 1].at_s]
    message, remedy = "earlier than the utterance before", "sort them by time"
    return [Problem(name, line_of((*prefix, "say", n), lines), f"say[{n}].at_s", message, remedy) for n in late]
