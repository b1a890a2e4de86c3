"""Folding: one spelling for the many ways to write the same text, and the way back to the original.

``fold`` is the hot path: one ``str.translate`` with a table that fills itself as characters turn up. ``trace``
does the same character by character and remembers where each folded character came from, for the few texts
in which something was found. The two give the same string; a test holds them to it.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from importlib.resources import files

from models.text.glyphs import LATIN, SYMBOLS


class Traced:
    """A text and, per character, the half-open range [start, end) of the original that it stands for."""

    __slots__ = ("ends", "starts", "text")

    def __init__(self, text: str, starts: list[int], ends: list[int]) -> None:
        self.text = text
        self.starts = starts
        self.ends = ends

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Range of the original behind [start, end) of this text; start < end."""
        return min(self.starts[start:end]), max(self.ends[start:end])


@cache
def simplified() -> dict[str, str]:
    """Traditional or variant character -> simplified character."""
    data = files("models.text").joinpath("data/simplified.txt").read_text(encoding="utf-8")
    return {line[0]: line[1] for line in data.splitlines() if line}


def _letter(code: int) -> str | None:
    """Letter of a regional indicator or of a negative circled or squared letter, which NFKC keeps."""
    for first in (0x1F1E6, 0x1F150, 0x1F170):
        if first <= code < first + 26:
            return chr(ord("a") + code - first)
    return None


def fold_char(char: str) -> str:
    """Folded form of one character: "" for invisible ones, several characters for ligatures and some emoji."""
    if char in SYMBOLS:
        return SYMBOLS[char]
    letter = _letter(ord(char))
    if letter is not None:
        return letter
    out: list[str] = []
    # Compatibility first, then decomposition, so that accents fall off Latin letters but Han stays whole.
    for part in unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", char)):
        if unicodedata.category(part) in {"Mn", "Me", "Cf"}:
            continue
        if part in SYMBOLS:
            out.append(SYMBOLS[part])
            continue
        for lowered in part.casefold():
            latin = LATIN.get(lowered, lowered)
            out.append(simplified().get(latin, latin))
    return "".join(out)


class _FoldTable(dict[int, str]):
    """Translation table that computes an entry when it is first needed."""

    def __init__(self) -> None:
        super().__init__()
        self.uneven: set[str] = set()  # characters met so far that do not fold to one

    def __missing__(self, code: int) -> str:
        folded = fold_char(chr(code))
        if len(folded) != 1:
            self.uneven.add(chr(code))
        # The set of characters in use is small; the bound only guards against a text that enumerates Unicode.
        if len(self) < 60_000:
            self[code] = folded
        return folded


_TABLE = _FoldTable()


def fold(text: str) -> str:
    """Lower-cased, width-folded, simplified text with look-alikes resolved; length may differ from ``text``."""
    return text.translate(_TABLE)


def trace(text: str) -> Traced:
    """``fold`` with the origin of every character."""
    folded = fold(text)
    if _TABLE.uneven.isdisjoint(text):
        return Traced(folded, list(range(len(text))), list(range(1, len(text) + 1)))
    chars: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for index, char in enumerate(text):
        for part in _TABLE[ord(char)]:
            chars.append(part)
            starts.append(index)
            ends.append(index + 1)
    return Traced("".join(chars), starts, ends)
