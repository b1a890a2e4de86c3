"""Variants: rewritings of a folded text under which an entry may come to light."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from models.text.fold import Traced
from models.text.glyphs import SHAPES, SPLIT
from models.text.words import english_log_probability

# Hesitations and padding that speakers and writers put between the halves of a phrase.
_FILLERS_HAN = (
    r"那个啥?|这个|就是说?|然后呢?|那什么|怎么说|你懂的|懂的都懂|对吧|是吧|对不对"
    r"|[嗯啊呃额哦噢唉诶欸哎呀嘛呢吧啦哈呵唔]"
)
# The letters that a word may begin with are asked for first: most words are passed over at that.
_FILLERS_LATIN = (
    r"\b(?=[abehiklosuwy])(?:u+h+|u+m+|e+r+m*|h+m+|ah+|oh+|you know|i mean|like|well|so|basically|kinda|sorta)\b"
)
# Light words that may be slipped into a phrase without changing what it asks for.
_LIGHT_HAN = r"一下子?|[我你您他她咱俺]们?的?|一个|两个|几个|[下个的了把来就去]"
_LIGHT_LATIN = r"\b(?=[adglmntwy])(?:wo|ni|ta|de|ge|le|yi ?xia|yi ?ge|my|your|the|a|an|to|me)\b"
_REWRITES = {**SPLIT, **SHAPES}
_REWRITE = re.compile("|".join(sorted(map(re.escape, _REWRITES), key=len, reverse=True)))
_CENSORED = re.compile(r"[a-z]+\*+[a-z*]*")


@dataclass(frozen=True, slots=True)
class Variant:
    """A rewriting of a folded text that may reveal an entry.

    ``name`` is used in explanations; ``rewrite`` gives what stands for a match of ``pattern``. Every match has one of
    the ``triggers``, so that most texts are passed over without the expression; ``latin`` is what is left of it for a
    text without Han characters.
    """

    name: str
    pattern: re.Pattern[str]
    rewrite: Callable[[re.Match[str]], str]
    triggers: frozenset[str]
    latin: re.Pattern[str] | None = None

    def apply(self, folded: str, characters: Iterable[str] = ()) -> str:
        """Rewritten text; equal to ``folded`` where the variant does not apply. ``characters``: those of the text."""
        if self.triggers.isdisjoint(characters or folded):
            return folded
        pattern = self.latin if self.latin and folded.isascii() else self.pattern
        return pattern.sub(self.rewrite, folded)

    def takes(self, word: str) -> bool:
        """Whether a variant that leaves words out leaves out this one."""
        return self.latin is not None and self.latin.fullmatch(word) is not None

    def trace(self, traced: Traced) -> Traced:
        """``apply`` with origins kept."""
        chars: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        position = 0
        text = traced.text
        for match in self.pattern.finditer(text):
            chars.append(text[position : match.start()])
            starts += traced.starts[position : match.start()]
            ends += traced.ends[position : match.start()]
            new = self.rewrite(match)
            if new:
                start, end = traced.span(match.start(), match.end())
                chars.append(new)
                starts += [start] * len(new)
                ends += [end] * len(new)
            position = match.end()
        chars.append(text[position:])
        return Traced("".join(chars), starts + traced.starts[position:], ends + traced.ends[position:])


_LETTERS = "abcdefghijklmnopqrstuvwxyz"
# First characters of the expressions above; the Latin ones may begin with any letter.
_FILLER_TRIGGERS = frozenset("那这就然怎你懂对是嗯啊呃额哦噢唉诶欸哎呀嘛呢吧啦哈呵唔" + _LETTERS)
_LIGHT_TRIGGERS = _FILLER_TRIGGERS | frozenset("一我你您他她咱俺两几下个的了把来就去")
FILLER_VARIANT = Variant(
    "fillers",
    re.compile(f"{_FILLERS_HAN}|{_FILLERS_LATIN}"),
    lambda _: "",
    _FILLER_TRIGGERS,
    re.compile(_FILLERS_LATIN),
)
LIGHT_VARIANT = Variant(
    "light-words",
    re.compile(f"{_FILLERS_HAN}|{_FILLERS_LATIN}|{_LIGHT_HAN}|{_LIGHT_LATIN}"),
    lambda _: "",
    _LIGHT_TRIGGERS,
    re.compile(f"{_FILLERS_LATIN}|{_LIGHT_LATIN}"),
)
# In a text with none of these, fillers and light words of Latin letters are words of their own.
_SEVERAL_WORDS = ("you know", "i mean", "yi")


def leaves_out_words(folded: str) -> bool:
    """Whether fillers and light words are left out of a text of Latin letters word by word."""
    bare = folded.replace(" ", "").replace(",", "")
    return bare.isascii() and bare.isalpha() and not any(several in folded for several in _SEVERAL_WORDS)


SHAPE_VARIANT = Variant(
    "shapes", _REWRITE, lambda match: _REWRITES[match.group()], frozenset(written[0] for written in _REWRITES)
)
# A second reading of signs and letters inside a word: 1 is i first and then l, v between consonants is u.
LETTER_VARIANT = Variant(
    "letters",
    re.compile(r"(?<=[a-z])[1!|](?=[a-z0-9@$])|(?<=[b-df-hj-np-tv-z])v(?=[b-df-hj-np-tv-z])"),
    lambda match: "u" if match.group() == "v" else "l",
    frozenset("1!|v"),
)
VARIANTS = (FILLER_VARIANT, LIGHT_VARIANT, SHAPE_VARIANT, LETTER_VARIANT)


def censored_variant(vocabulary: Iterable[str]) -> Variant:
    """Words with letters starred out, restored from a vocabulary: ``f*ck``, ``a**hole``."""
    by_letter: dict[str, list[str]] = {}
    # A word is starred because it is none for everyday use.
    for word in sorted(set(vocabulary), key=lambda w: (english_log_probability(w), w)):
        by_letter.setdefault(word[0], []).append(word)

    @lru_cache(maxsize=4096)
    def restored(starred: str) -> str:
        same = re.compile(re.escape(starred).replace(r"\*", "[a-z]"))
        longer = re.compile(re.sub(r"(?:\\\*)+", "[a-z]+", re.escape(starred)))
        words_ = by_letter.get(starred[0], [])
        for pattern in (same, longer):
            found = next((w for w in words_ if pattern.fullmatch(w)), None)
            if found:
                return found
        return starred

    return Variant("censored", _CENSORED, lambda match: restored(match.group()), frozenset("*"))
