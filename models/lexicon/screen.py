"""Screening: what a candidate must have, asked in the streams themselves before any text is traced.

Nearly every sentence has some key of a large lexicon in it, and tracing a text costs ten times what finding keys does.
Each rule here is a bound of one that verification applies, so that nothing is dropped that would have held
(tests/models/test_lexicon_screen.py).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from models.lexicon.automaton import Found
from models.lexicon.entries import Entry
from models.lexicon.forms import MIN_TOKENS_AROUND, Form
from models.lexicon.letters import compare_heard, entry_tokens, near, no_word, same_word, tokens_of
from models.lexicon.plausibility import CONTEXT, CUT_WORD, margin_of, prior_of
from models.lexicon.sounds import compare_sounds
from models.lexicon.tally import CHANGED_MARGIN, Tally
from models.lexicon.verify import kind_of, threshold
from models.text import words
from models.text.fold import fold, trace
from models.text.streams import Streams, Token, streams
from models.text.traced import TracedStreams
from models.text.variants import FILLER_VARIANT

# What is no single Han character in ``Streams.chars``: digits, Latin letters, syllables of pinyin.
_OTHERS = r"\da-z\ue000-\uf8ff"
_HAN_BEFORE = re.compile(f"[^{_OTHERS}]*$")
_HAN_AFTER = re.compile(f"^[^{_OTHERS}]*")
_HAN = re.compile(f"[^{_OTHERS}]+")
_SPOKEN = re.compile(r"[^a-z\ue000-\uf8ff]+")


def heard(entry: Entry, found: Streams, start: int, end: int) -> bool:
    """Whether the words behind [start, end) of a skeleton stream sound like the entry."""
    first, last = bisect_right(found.s_ends, start), bisect_right(found.s_ends, end - 1)
    said = found.words
    if first == last and said[first].common:
        return False  # an everyday word is itself
    if last + 1 < len(said) and said[last + 1].letters == found.s[end - 1]:
        return True  # a letter spelled twice: for the tokens to tell
    wanted = entry_tokens(entry)
    if first == last and len(wanted) == 1 and not near(said[first].letters, wanted[0].text):
        return False
    tokens = [Token(word.letters, "w", 0, 0, word) for word in said[first : last + 1]]
    if len(wanted) < MIN_TOKENS_AROUND and not any(map(no_word, tokens)):
        return False
    return compare_heard(tokens, wanted, Tally())


def written_otherwise(entry: Entry, found: Streams, start: int, end: int) -> bool:
    """Whether words in the squeezed letters are not merely the entry's own, which another key finds."""
    first, last = bisect_right(found.q_ends, start), bisect_right(found.q_ends, end - 1)
    said, wanted = found.words[first : last + 1], entry_tokens(entry)
    if len(said) != len(wanted) or (last + 1 < len(found.words) and found.words[last + 1].letters == found.q[end - 1]):
        return True
    return any(len(word.letters) != len(token.text) for word, token in zip(said, wanted, strict=True))


def on_edges(hits: Sequence[Found], text: str, edges: Sequence[int]) -> list[Found]:
    """Keys whose Latin letters, at either end, begin and end with their words."""
    return [
        hit
        for hit in hits
        if (hit[0] in edges or not text[hit[0]].isascii()) and (hit[1] in edges or not text[hit[1] - 1].isascii())
    ]


def whole_words(hits: Sequence[Found], edges: Sequence[int]) -> list[Found]:
    """Keys of letters alone that begin and end with words."""
    return [hit for hit in hits if hit[0] in edges and hit[1] in edges]


def holding(hits: Sequence[Found], places: Sequence[tuple[int, int]]) -> list[Found]:
    """Keys that have something of one of the places in them."""
    return [hit for hit in hits if any(start < hit[1] and hit[0] < end for start, end in places)]


def same_words(entry: Entry, form: Form, said: Sequence[str]) -> bool:
    """Whether Latin words are the entry's own, inflected or with letters repeated."""
    wanted = tokens_of(form.stripped or entry.text)
    return len(said) == len(wanted) and all(
        target.kind != "w" or same_word(word, target.text, Tally()) for word, target in zip(said, wanted, strict=True)
    )


def spoken(said: str) -> bool:
    """Whether part of ``Streams.chars`` is Han characters and digits only."""
    return _SPOKEN.fullmatch(said) is not None


def likely(bill: Bill | None, said: str, chars: str, start: int, end: int) -> bool:
    """Whether [start, end) of a text may be likelier as an entry than as ordinary language."""
    if bill is None or bill.alone < 0.0:
        return False
    return _HAN.fullmatch(said) is None or spare_margin(bill, chars, start, end) >= 0.0


def likely_apart(bill: Bill | None, said: str, chars: str) -> bool:
    """The same for characters between which others were left out."""
    if bill is None:
        return False
    place = spread(said, chars)
    if place is None or _HAN.fullmatch(chars[place[0] : place[1]]) is None:
        return True
    return spare_margin(bill, chars, *place) >= 0.0


def ordinary(entry: Entry, said: str) -> bool:
    """Whether characters, not the entry's own, are likelier as ordinary language even if changes cost nothing."""
    if _HAN.fullmatch(said) is None or prior_of(entry) - words.log_probability(said) >= CHANGED_MARGIN:
        return False
    return said not in _own_characters(entry.text)


@lru_cache(maxsize=1 << 15)
def _own_characters(text: str) -> tuple[str, str]:
    """Characters of an entry, and what is left of them without fillers."""
    folded = fold(text)
    return streams(folded).chars, streams(FILLER_VARIANT.apply(folded)).chars


class Bill(NamedTuple):
    """What characters are worth as an entry in sounds, whatever stands around them."""

    exact: bool
    worth: float  # log prior of the entry, less the costs of the changes and the margin that the match needs
    alone: float  # what is left of the margin if nothing stands around them


def bill(entry: Entry, form: Form, said: str) -> Bill | None:
    """The bill for Han characters and digits as a form of an entry; None if they are not."""
    found = TracedStreams(trace(said))
    tally = Tally()
    if not compare_sounds(entry, form, found, found.p, 0, tally):
        return None
    match, size = kind_of(tally), len(found.tokens)
    exact = match == "exact"
    owed = tally.cost + threshold(match, form, found, 0, size - 1)
    places = [(i, i + 1) for i in range(size)]
    return Bill(exact, prior_of(entry) - owed, margin_of(entry, found, (0, size), places, exact) - owed)


def spare_margin(bill: Bill, text: str, start: int, end: int, extra: str = "") -> float:
    """What is left of the margin of [start, end) of ``text``, characters without digits, above what the match needs.

    The same sum as in ``plausibility.margin_of``; ``extra`` are the characters in the span that are not the entry's.
    """
    before = _HAN_BEFORE.findall(text[max(0, start - CONTEXT) : start])[0]
    after = _HAN_AFTER.findall(text[end : end + CONTEXT])[0]
    place = (len(before), len(before) + end - start)
    plain, cuts = words.segmentation(before + text[start:end] + after, place if bill.exact else None)
    meant = words.log_probability(before) + bill.worth + words.log_probability(after) + words.log_probability(extra)
    return meant - CUT_WORD * sum(edge not in cuts for edge in place) - plain


def spread(said: str, text: str) -> tuple[int, int, str] | None:
    """Range of characters that stand apart in ``text``, and what is between them; None if it cannot be told."""
    if any(text.count(char) != 1 for char in said):
        return None
    places = [text.index(char) for char in said]
    if places != sorted(places):
        return None
    start, end = places[0], places[-1] + 1
    return start, end, "".join(text[i] for i in range(start, end) if i not in places)
