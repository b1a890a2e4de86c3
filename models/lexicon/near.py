"""Near misses: places where a transcript almost sounds like an entry, for the recogniser to listen to once more.

A recogniser that has seldom read 百家乐 writes 拜假落. `Lexicon.find` must not take the one for the other: as text they
are strangers. What was said can only be told from the audio, so this search is loose and only proposes.

As in approximate dictionary search, grams vote: every syllable (Mandarin) or pair of letters (English, as sounded) of
the transcript votes for the entries that have it, and for where they would begin. Places with enough votes are compared
by a weighted edit distance, in which sounds that are alike cost little. Both languages go the same way, each in units
of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Final

import numpy as np

from models.lexicon.entries import Entry
from models.text import pinyin, words
from models.text.fold import Traced, fold, trace
from models.text.streams import Token, tokenise

LETTERS: Final = 3
"""Of an English syllable, about."""
LEAST_SYLLABLES: Final = 3
LEAST_LETTERS: Final = 6
"""Shorter entries sound like too much else."""
_LONGEST_KEY: Final = 64
_LONGEST_STRETCH: Final = 400
_PLACES: Final = 1 << 10
"""Numbers of places in one stretch, an entry's length before it included."""
_COMPARED: Final = 320
"""Units of entries that are compared at most, those with most votes first."""


@dataclass(frozen=True, slots=True)
class Near:
    """An entry, by number, that characters [begin, end) of a text almost sound like.

    ``distance``: of each of its units; ``alike``: how many of its syllables sound there, all in all.
    """

    entry: int
    begin: int
    end: int
    distance: float
    alike: float


@dataclass(frozen=True, slots=True)
class _Sounds:
    """How a language is compared.

    ``syllable``: units of a syllable; ``gram``: units of a gram; ``share``: least share of an entry's grams that vote
    for a place; ``farthest``: largest distance for each of its units.
    """

    syllable: int
    gram: int
    share: float
    farthest: float
    substitute: Callable[[str, str], float]
    drop: Callable[[str], float]


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Units of a text with the token that each belongs to, and the places between units where words begin and end."""

    units: list[str]
    tokens: list[int]
    begins: frozenset[int]
    ends: frozenset[int]


class NearIndex:
    """Entries by their sounds. Immutable."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        syllables: dict[int, list[str]] = {}
        letters: dict[int, list[str]] = {}
        for number, entry in enumerate(entries):
            if "phonetic" not in entry.match:
                continue
            tokens = tokenise(fold(entry.text))
            kinds = {token.kind for token in tokens}
            if kinds == {"h"} and LEAST_SYLLABLES <= len(tokens) <= _LONGEST_KEY:
                sounds = [_syllable(token.text) for token in tokens]
                if all(sounds):
                    syllables[number] = sounds
            elif kinds == {"w"} and LEAST_LETTERS <= sum(len(token.text) for token in tokens) <= _LONGEST_KEY:
                letters[number] = [unit for token in tokens for unit in words.sounded(token.text)]
        self._indices = (
            ("h", _Index(syllables, _Sounds(1, 1, 0.5, 0.4, syllable_cost, _drop_syllable))),
            ("w", _Index(letters, _Sounds(LETTERS, 2, 0.25, 0.25, words.substitution, words.drop_cost))),
        )

    def find(self, text: str, limit: int) -> tuple[Near, ...]:
        """Return at most ``limit`` places, nearest first, the same ones for the same text."""
        traced = trace(text)
        tokens = tokenise(traced.text)
        found = [
            near
            for kind, index in self._indices
            for stretch in _stretches(tokens, kind)
            for near in index.find(stretch, tokens, traced)
        ]
        found.sort(key=lambda near: (near.distance, near.begin, near.end, near.entry))
        return tuple(found[:limit])


class _Index:
    def __init__(self, keys: Mapping[int, list[str]], sounds: _Sounds) -> None:
        self._sounds = sounds
        self._keys = keys
        self._sizes = {number: len(key) - sounds.gram + 1 for number, key in keys.items()}
        postings: dict[str, list[int]] = {}
        for number, key in keys.items():
            for offset, gram in enumerate(_grams(key, sounds.gram)):
                postings.setdefault(gram, []).append(number * _PLACES - offset)
        self._postings = {gram: np.array(places, dtype=np.int64) for gram, places in postings.items()}

    def find(self, stretch: _Stretch, tokens: Sequence[Token], traced: Traced) -> Iterator[Near]:
        for number, start in self._voted(stretch.units):
            nearest = min(self._compared(number, stretch, start), default=None)
            if nearest is not None:
                distance, first, last = nearest
                begin, end = tokens[stretch.tokens[first]].start, tokens[stretch.tokens[last - 1]].end
                syllables = len(self._keys[number]) / self._sounds.syllable
                span = traced.span(begin, end)
                yield Near(number, *span, round(distance, 4), round(syllables * (1.0 - distance), 2))

    def _voted(self, units: Sequence[str]) -> list[tuple[int, int]]:
        """Return (entry, first unit) of the places with the largest shares of their entry's votes."""
        votes = [
            postings + (at + _LONGEST_KEY)
            for at, gram in enumerate(_grams(units[:_LONGEST_STRETCH], self._sounds.gram))
            if (postings := self._postings.get(gram)) is not None
        ]
        if not votes:
            return []
        places, counts = np.unique(np.concatenate(votes), return_counts=True)
        beside = np.flatnonzero(np.diff(places) == 1)
        together = counts.copy()
        together[beside] += counts[beside + 1]  # what was left out or slipped in moves the rest by one
        several = together > 1
        voted = []
        for place, count in zip(places[several].tolist(), together[several].tolist(), strict=True):
            number, start = place // _PLACES, place % _PLACES - _LONGEST_KEY
            share = count / self._sizes[number]
            if share >= self._sounds.share:
                voted.append((-share, number, start))
        voted.sort()
        compared = accumulate(len(self._keys[number]) for _, number, _ in voted)
        return [(n, start) for (_, n, start), units in zip(voted, compared, strict=True) if units <= _COMPARED]

    def _compared(self, number: int, stretch: _Stretch, start: int) -> Iterator[tuple[float, int, int]]:
        """Yield (distance a unit, first, last unit) of what is not too far, about ``start`` and from word to word."""
        for first in range(max(0, start - 1), start + 3):
            if first in stretch.begins:
                yield from self._ends(number, stretch, first)

    def _ends(self, number: int, stretch: _Stretch, first: int) -> Iterator[tuple[float, int, int]]:
        """Weighted Levenshtein distance of an entry to the units from ``first`` to each end of a word."""
        key, substitute, drop = self._keys[number], self._sounds.substitute, self._sounds.drop
        farthest = self._sounds.farthest * len(key)
        left_out = [drop(unit) for unit in key]
        column = list(accumulate(left_out, initial=0.0))
        for last, heard in enumerate(stretch.units[first : first + len(key) + 3], first + 1):
            extra = drop(heard)
            corner, column[0] = column[0], column[0] + extra
            least = before = column[0]
            for row, unit in enumerate(key, 1):
                cost = corner if heard == unit else corner + substitute(heard, unit)
                corner = column[row]
                before = min(cost, corner + extra, before + left_out[row - 1])
                column[row] = before
                least = min(least, before)
            if last in stretch.ends and before <= farthest:
                yield before / len(key), first, last
            if least > farthest:
                return


def _grams(units: Sequence[str], size: int) -> list[str]:
    return ["".join(units[at : at + size]) for at in range(len(units) - size + 1)]


def _stretches(tokens: Sequence[Token], kind: str) -> Iterator[_Stretch]:
    """Runs of tokens of one kind, in units of sound."""
    run: list[int] = []
    for index in range(len(tokens) + 1):
        if index < len(tokens) and tokens[index].kind == kind:
            run.append(index)
        elif run:
            yield _stretch(tokens, run)
            run = []


def _stretch(tokens: Sequence[Token], run: Sequence[int]) -> _Stretch:
    units: list[str] = []
    owners: list[int] = []
    begins: set[int] = set()
    ends: set[int] = set()
    for index in run:
        token = tokens[index]
        sounds = [_syllable(token.text) or "?"] if token.kind == "h" else list(words.sounded(token.text))
        begins.add(len(units))
        units += sounds
        owners += [index] * len(sounds)
        ends.add(len(units))
    return _Stretch(units, owners, frozenset(begins), frozenset(ends))


def _syllable(char: str) -> str:
    """The usual reading of a character, without its tone; "" for a character without one."""
    sounds = pinyin.readings().get(char)
    return sounds[0][:-1] if sounds else ""


# A syllable in another's place costs no more than one left out, or words would be cut where one is misheard.
_SYLLABLE: Final = 1.25
_OTHER_SYLLABLE: Final = 1.2
# Mandarin syllables as initial, medial, nucleus and coda, so that their likeness is that of their parts.
_MEDIALS: Final = {"y": "i", "w": "u"}
_INITIAL_GROUPS: Final = ("bp", "pf", "bm", "dt", "nl", "gk", "kh", "jq", "qx", "zc", "cs", "ZC", "CS", "zZ", "cC",
                          "sS", "jZ", "qC", "xS", "jz", "qc", "xs", "rl", "fh", "rZ", "gd", "kt", "nm")  # fmt: skip
_ALIKE: Final = frozenset({frozenset({"r", ""}), *(frozenset(pair) for pair in _INITIAL_GROUPS)})
_VOWELS_ALIKE: Final = frozenset(frozenset(pair) for pair in ("eo", "ae", "ao", "ou", "ei", "iv", "uv", "eI", "iI"))


@lru_cache(maxsize=1024)
def _parts(syllable: str) -> tuple[str, str, str, str]:
    """Initial (one letter, retroflex ones upper case), medial, nucleus and coda."""
    initial, final = pinyin.parts(syllable)
    initial = {"zh": "Z", "ch": "C", "sh": "S"}.get(initial, initial)
    if initial in {"y", "w"}:
        glide, initial = _MEDIALS[initial], ""
        if glide == "i" and final.startswith("u"):
            final = "v" + final[1:]
        elif final[0] not in {"i", "u"}:
            final = glide + final
    elif initial in {"j", "q", "x"} and final.startswith("u"):
        final = "v" + final[1:]
    elif final == "i" and initial in {"z", "c", "s", "Z", "C", "S", "r"}:
        final = "I"
    final = {"iu": "iou", "ui": "uei", "un": "uen"}.get(final, final)
    coda = ""
    for ending in ("ng", "n", "r"):
        if final.endswith(ending) and len(final) > len(ending):
            final, coda = final[: -len(ending)], ending
            break
    if len(final) > 1 and final[0] in {"i", "u", "v"}:
        medial, final = final[0], final[1:]
    else:
        medial = ""
    if len(final) > 1:
        final, coda = final[0], final[1:]
    return initial, medial, final, coda


def _drop_syllable(_: str) -> float:
    return _SYLLABLE


@lru_cache(maxsize=1 << 16)
def syllable_cost(left: str, right: str) -> float:
    """How unlike two toneless syllables sound: 0 the same, 2 nothing in common."""
    if left == right:
        return 0.0
    known = pinyin.sound_cost(left, right)
    if known is not None:
        return min(0.6, 0.25 * known)
    (li, lm, ln, lc), (ri, rm, rn, rc) = _parts(left), _parts(right)
    cost = 0.0
    if li != ri:
        cost += 0.5 if frozenset((li, ri)) in _ALIKE else 1.0
    if lm != rm:
        cost += 0.25
    if ln != rn:
        cost += 0.3 if frozenset((ln, rn)) in _VOWELS_ALIKE else 0.5
    if lc != rc:
        cost += 0.1 if {lc, rc} == {"n", "ng"} else 0.25
    return min(cost, _OTHER_SYLLABLE)
