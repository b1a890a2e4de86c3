"""Hits: what was found of a lexicon in a text, and which of several hits of an entry is told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from models.lexicon.entries import Entry

# Which kind of match is told where an entry was found in several ways.
_BETTER = {"exact": 3, "pattern": 2, "phonetic": 1, "initials": 0}


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry found in a text.

    ``span`` is the half-open range in the original text; ``match`` is exact, phonetic, initials or pattern; ``score``
    in (0, 1]; ``explain`` names the transformations between the text and the entry, in order.
    """

    list: str
    entry: str
    category: str
    severity: int
    language: str
    span: tuple[int, int]
    match: str
    score: float
    explain: tuple[str, ...] = ()
    note: str = ""


def hit_of(entry: Entry, span: tuple[int, int], match: str, score: float, steps: tuple[str, ...]) -> Hit:
    """A hit of an entry."""
    return Hit(
        entry.list, entry.text, entry.category, entry.severity, entry.language, span, match, score, steps, entry.note
    )


def best(hits: Iterable[Hit]) -> tuple[Hit, ...]:
    """One hit per entry and place: exact before sound, higher before lower score, shorter before longer span."""
    kept: list[Hit] = []
    ranked = sorted(hits, key=lambda h: (-_BETTER[h.match], -h.score, h.span[1] - h.span[0], h.span, h.list, h.entry))
    for hit in ranked:
        if not any(
            k.list == hit.list and k.entry == hit.entry and k.span[0] < hit.span[1] and hit.span[0] < k.span[1]
            for k in kept
        ):
            kept.append(hit)
    return tuple(sorted(kept, key=lambda h: (h.span, h.list, h.entry)))


def shifted(hit: Hit, offset: int, length: int) -> Hit | None:
    """The hit with its span moved by ``-offset`` and cut to [0, length); None if nothing of it is left."""
    start, end = max(0, hit.span[0] - offset), min(length, hit.span[1] - offset)
    return replace(hit, span=(start, end)) if start < end else None
