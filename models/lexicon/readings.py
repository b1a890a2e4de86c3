"""Other readings of a transcript: an entry in the place of words that almost sound like it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from models.lexicon.hits import Hit
from models.lexicon.matcher import Lexicon
from models.lexicon.near import Near, NearIndex
from models.speech.text import simplify
from models.text.ends import common_ends
from models.text.fold import fold

MOST_READINGS = 4
"""For one utterance; the nearest first."""
_CONSIDERED = 12


@dataclass(frozen=True, slots=True)
class OtherReading:
    """A transcript as it would be if an entry had been said at one place of it.

    ``begin`` and ``end`` are characters of what was heard, ``entry`` is what may have been said there; ``alike`` of its
    syllables sound in what was heard.
    """

    text: str = field(repr=False)
    entry: str
    begin: int
    end: int
    alike: float


class Readings:
    """Proposes readings that would hit the lexicon. Immutable."""

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        self._index = NearIndex(lexicon.entries)

    def of(self, heard: str) -> tuple[OtherReading, ...]:
        """Return at most `MOST_READINGS` readings of a transcript, none of them the transcript itself.

        Where an entry is found already nothing else is sought.
        """
        near = self._index.find(heard, _CONSIDERED)
        if not near:
            return ()
        hits = self.lexicon.find(heard)
        found: dict[str, OtherReading] = {}
        for place in near:
            if len(found) == MOST_READINGS:
                break
            if any(_overlap(hit, place) for hit in hits):
                continue
            entry = self.lexicon.entries[place.entry]
            text = (
                heard[: place.begin] + spelled(heard[place.begin : place.end], entry.text, heard) + heard[place.end :]
            )
            if text != heard and text not in found and any(hit.entry == entry.text for hit in self.lexicon.find(text)):
                found[text] = OtherReading(text, entry.text, place.begin, place.end, place.alike)
        return tuple(found.values())


def spelled(said: str, entry: str, heard: str) -> str:
    """Return an entry as the recogniser would write it in the place of ``said``.

    In the script of the transcript ``heard``; words that were heard right stay as they are, capitals included.
    """
    if not entry.isascii():
        return entry if simplify(heard) == heard else _traditional()(entry)
    before, wanted = said.split(), entry.split()
    head, tail = common_ends([fold(word) for word in before], [fold(word) for word in wanted])
    middle = " ".join(wanted[head : len(wanted) - tail])
    if not head and said[:1].isupper():
        middle = middle[:1].upper() + middle[1:]
    return " ".join(part for part in (*before[:head], middle, *before[len(before) - tail :]) if part)


def _overlap(hit: Hit, place: Near) -> bool:
    return hit.span[0] < place.end and place.begin < hit.span[1]


@cache
def _traditional() -> Callable[[str], str]:
    from opencc import OpenCC

    convert: Callable[[str], str] = OpenCC("s2t").convert
    return convert
