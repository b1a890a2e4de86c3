"""Screening: what a candidate must have, asked in the streams themselves before any text is traced.

Nearly every sentence has some key of a large lexicon in it, and tracing a text costs ten times what finding keys does.
Each rule here is a bound of one that verification applies, so that nothing is dropped that would have held
(tests/models/test_lexicon_screen.py).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache

from models.lexicon.entries import Entry
from models.lexicon.letters import compare_heard, entry_tokens, no_word
from models.lexicon.plausibility import CONTEXT, CUT_WORD
from models.lexicon.tally import CHANGED_MARGIN, PRIOR, Tally
from models.text import words
from models.text.fold import fold
from models.text.streams import Streams, Token

# Two of the entry's everyday words and the name that they make expected.
MIN_TOKENS_AROUND = 3
_DIGITS = frozenset("0123456789")


def heard(entry: Entry, found: Streams, start: int, end: int) -> bool:
    """Whether the words behind [start, end) of a skeleton stream sound like the entry."""
    first, last = bisect_right(found.s_ends, start), bisect_right(found.s_ends, end - 1)
    said = found.words
    if first == last and said[first].common:
        return False  # an everyday word is itself
    if last + 1 < len(said) and said[last + 1].letters == found.s[end - 1]:
        return True  # a letter spelled twice: for the tokens to tell
    tokens = [Token(word.letters, "w", 0, 0, word) for word in said[first : last + 1]]
    wanted = entry_tokens(entry)
    if len(wanted) < MIN_TOKENS_AROUND and not any(map(no_word, tokens)):
        return False
    return compare_heard(tokens, wanted, Tally())


def on_edges(text: str, start: int, end: int, edges: Sequence[int]) -> bool:
    """Whether Latin letters at the ends of [start, end) begin and end with their words."""
    return (start in edges or not text[start].isascii()) and (end in edges or not text[end - 1].isascii())


@lru_cache(maxsize=1 << 15)
def _own(text: str) -> tuple[str, float]:
    folded = fold(text)
    return folded, max(PRIOR, words.frequencies().get(text, PRIOR))


def han_margin(entry: Entry, text: str, start: int, end: int, said: str, extra: str = "") -> float:
    """Upper bound of what is left of the margin of [start, end) in a text of Han characters, above its threshold.

    The same sum as in ``plausibility.margin_of``, without the costs of changes: ``said`` are the characters of the span
    that stand for the entry, ``extra`` the others. +1 where digits are in play, for which other rules hold.
    """
    own_text, own = _own(entry.text)
    exact = said == own_text
    limit = 0.0 if exact else CHANGED_MARGIN
    if not extra and not exact and own - words.log_probability(said) < limit:
        return -1.0
    left, right = max(0, start - CONTEXT), end + CONTEXT
    window = text[left:right]
    if not _DIGITS.isdisjoint(window):
        return 1.0
    place = (start - left, end - left)
    plain, cuts = words.segmentation(window, place if exact else None)
    meant = words.log_probability(window[: place[0]]) + own + words.log_probability(window[place[1] :])
    meant += words.log_probability(extra)
    return meant - CUT_WORD * sum(edge not in cuts for edge in place) - plain - limit


def spread_margin(entry: Entry, text: str, said: str) -> float:
    """``han_margin`` of characters that stand apart in ``text``; +1 where it cannot be said which ones are meant."""
    if any(text.count(char) != 1 for char in said):
        return 1.0
    places = [text.index(char) for char in said]
    start, end = places[0], places[-1] + 1
    if places != sorted(places):
        return 1.0
    extra = "".join(text[i] for i in range(start, end) if i not in places)
    return han_margin(entry, text, start, end, said, extra)
