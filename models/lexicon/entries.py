"""Lexicon entries and the YAML that they are kept in.

A file is one list or several (the form is described in docs/policy.md)::

    - list: off-platform
      category: ads/contact/off-platform
      severity: 2
      language: zh
      match: [exact, phonetic, initials]
      unless: [微信支付]
      entries: [加微信, {text: 加我QQ, severity: 3, note: seen in lobby rooms}]
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from models.lexicon.patterns import pattern_fault
from models.lexicon.source import InvalidSourceError, Lines, Problem, line_of, read_yaml, schema_problems
from models.text.fold import fold
from models.text.streams import tokenise

MatchKind = Literal["exact", "phonetic", "initials", "pattern"]
Language = Literal["zh", "en", "mixed"]
_CATEGORY = re.compile(r"[a-z0-9-]+(/[a-z0-9-]+){0,2}")
_LONGEST_ENTRY = 120


@dataclass(frozen=True, slots=True)
class Entry:
    """One word, phrase or pattern to find, with everything that its list says about it."""

    list: str
    text: str
    category: str
    severity: int
    language: str
    match: tuple[str, ...]
    unless: tuple[str, ...] = ()
    note: str = ""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _category(value: str) -> str:
    if not _CATEGORY.fullmatch(value):
        raise ValueError(
            "not a category path: write one to three lower-case names joined by /, as in ads/contact/off-platform"
        )
    return value


Severity = Annotated[int, Field(ge=1, le=4)]
Kinds = Annotated[list[MatchKind], Field(min_length=1)]


class EntrySource(_Strict):
    """An entry that differs from its list in something."""

    text: Annotated[str, Field(min_length=1, max_length=_LONGEST_ENTRY)]
    category: str | None = None
    severity: Severity | None = None
    language: Language | None = None
    match: Kinds | None = None
    unless: list[str] | None = None
    note: str = ""

    @field_validator("category")
    @classmethod
    def _check_category(cls, value: str | None) -> str | None:
        return value if value is None else _category(value)


class ListSource(_Strict):
    """One list of a lexicon file."""

    name: Annotated[str, Field(min_length=1, alias="list")]
    category: str
    severity: Severity = 2
    language: Language = "mixed"
    match: Kinds = ["exact"]
    unless: list[str] = []
    note: str = ""
    entries: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=_LONGEST_ENTRY)] | EntrySource], Field(min_length=1)
    ]

    @field_validator("category")
    @classmethod
    def _check_category(cls, value: str) -> str:
        return _category(value)

    def expand(self) -> Iterable[Entry]:
        """Entries with the list's defaults filled in."""
        for item in self.entries:
            own = EntrySource(text=item) if isinstance(item, str) else item
            yield Entry(
                list=self.name,
                text=own.text,
                category=own.category or self.category,
                severity=own.severity or self.severity,
                language=own.language or self.language,
                match=tuple(own.match or self.match),
                unless=tuple(self.unless if own.unless is None else own.unless),
                note=own.note,
            )


_ONE = TypeAdapter(ListSource)


def lexicon_json_schema() -> dict[str, Any]:
    """JSON Schema of a lexicon file."""
    return TypeAdapter(list[ListSource] | ListSource).json_schema()


def parse_lexicon(text: str, name: str = "lexicon") -> list[Entry]:
    """Entries of a lexicon text. Raises InvalidSourceError with every fault found."""
    entries: list[Entry] = []
    problems: list[Problem] = []
    documents = read_yaml(text, name)
    if not documents:
        raise InvalidSourceError([Problem(name, 1, "", "the file is empty", "add a list with entries")])
    for data, lines in documents:
        items, prefixed = (data, True) if isinstance(data, list) else ([data], False)
        for index, item in enumerate(items):
            prefix: tuple[str | int, ...] = (index,) if prefixed else ()
            try:
                source = _ONE.validate_python(item)
            except ValidationError as error:
                problems += schema_problems(error, lines, name, prefix)
                continue
            for number, entry in enumerate(source.expand()):
                fault = _fault(entry)
                if fault:
                    place = (*prefix, "entries", number)
                    problems.append(_entry_problem(name, lines, place, *fault))
                entries.append(entry)
    if problems:
        raise InvalidSourceError(problems)
    return entries


def _fault(entry: Entry) -> tuple[str, str] | None:
    """What is wrong with a single entry beyond its types, and the remedy."""
    if "pattern" in entry.match:
        return pattern_fault(entry.text)
    if not tokenise(fold(entry.text)):
        return "the entry has neither letters nor digits", "write a word, or remove it"
    if len(entry.text.strip()) == 1 and entry.text.isascii():
        return "a single letter or digit would match everywhere", "write a longer entry"
    return None


def _entry_problem(name: str, lines: Lines, place: tuple[str | int, ...], message: str, remedy: str) -> Problem:
    return Problem(name, line_of(place, lines), f"entries[{place[-1]}]", message, remedy)


def read_lexicon_files(paths: Sequence[Path | str]) -> list[Entry]:
    """Entries of several files, in order. Raises InvalidSourceError, also for a file that cannot be read."""
    entries: list[Entry] = []
    problems: list[Problem] = []
    for path in map(Path, paths):
        try:
            entries += parse_lexicon(path.read_text(encoding="utf-8"), str(path))
        except InvalidSourceError as error:
            problems += error.problems
        except (OSError, UnicodeDecodeError):
            problems.append(
                Problem(str(path), 1, "", "the file cannot be read", "check the path, and that it is UTF-8 text")
            )
    if problems:
        raise InvalidSourceError(problems)
    return entries


def version_of(entries: Iterable[Entry]) -> str:
    """Hash of the entries' content: 16 hexadecimal digits of SHA-256 over canonical JSON."""
    digest = hashlib.sha256()
    for e in entries:
        row = [e.list, e.text, e.category, e.severity, e.language, e.match, e.unless, e.note]
        digest.update(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
    return digest.hexdigest()[:16]
