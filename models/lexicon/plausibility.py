"""How plausible a place in a text is as ordinary language, against its being an entry."""

from __future__ import annotations

import math

from models.lexicon.entries import Entry
from models.lexicon.forms import Form
from models.lexicon.tally import PRIOR
from models.text import words
from models.text.pairs import fluency
from models.text.streams import Token
from models.text.traced import TracedStreams

# Characters of context on each side that take part in the weighing.
CONTEXT = 4
# The same where word pairs are asked, which say more.
READ_AROUND = 8
# Log probability of a digit, a lone letter, a pinyin syllable in Latin letters, and a word without vowels.
_DIGIT = -6.0
_LETTER = -7.5
_PINYIN = -11.0
_NO_VOWEL = -16.0
# What it costs to begin or end inside a word of the surroundings ("傻乐你好" is not 杀了你, "不想活动" not 不想活).
CUT_WORD = 6.0


def plausibility(tokens: list[Token], start: int, end: int) -> float:
    """Log probability of tokens [start, end) as ordinary language."""
    total = 0.0
    run: list[str] = []
    for token in tokens[start:end]:
        if token.kind == "h":
            run.append(token.text)
            continue
        total += words.log_probability("".join(run))
        run.clear()
        if token.kind == "d":
            total += _DIGIT
        elif len(token.text) == 1:
            total += _LETTER
        elif token.word is not None and token.word.sounds and not token.word.common:
            total += _PINYIN * len(token.word.sounds)
        elif not any(c in "aeiouy" for c in token.text):
            total += _NO_VOWEL
        else:
            total += words.english_log_probability(token.text)
            if token.word is not None and token.word.unknown:
                total += words.LETTER_EN * max(0, len(token.text) - words.LONG_EN)
    return total + words.log_probability("".join(run))


def margin_of(
    entry: Entry, base: TracedStreams, span: tuple[int, int], said: list[tuple[int, int]], exact: bool
) -> float:
    """How much likelier the original text becomes if ``span`` of it is the entry, in nats.

    ``said`` are the original ranges of the matched tokens; what lies in the span beside them was slipped in and
    stays as plausible as it was. It counts against it to cut a word in two. ``exact``: the entry's own
    characters are there, so that longer words made with them do not speak against it.
    """
    tokens, traced = base.tokens, base.traced
    inside: list[int] = []
    extra: list[Token] = []
    for i, token in enumerate(tokens):
        start, end = traced.starts[token.start], traced.ends[token.end - 1]
        if start < span[1] and end > span[0]:
            inside.append(i)
            if not any(start < s_end and end > s_start for s_start, s_end in said):
                extra.append(token)
    if not inside:
        return -math.inf
    first, last = inside[0], inside[-1]
    left, right = first, last + 1
    while left > 0 and first - left < CONTEXT and tokens[left - 1].kind == "h":
        left -= 1
    while right < len(tokens) and right - last - 1 < CONTEXT and tokens[right].kind == "h":
        right += 1
    meant = plausibility(tokens, left, first) + plausibility(tokens, last + 1, right)
    meant += prior_of(entry) + plausibility(extra, 0, len(extra))
    if any(t.kind != "h" for t in tokens[first : last + 1]):
        return meant - plausibility(tokens, left, right)
    place = (first - left, last + 1 - left)
    plain, cuts = words.segmentation("".join(t.text for t in tokens[left:right]), place if exact else None)
    return meant - CUT_WORD * sum(edge not in cuts for edge in place) - plain


def prior_of(entry: Entry) -> float:
    """Log prior of an entry: of a word of ordinary language no less than its own."""
    return max(PRIOR, words.frequencies().get(entry.text, PRIOR))


def gained(form: Form, found: TracedStreams, first: int, last: int) -> float:
    """By how many nats a text reads better with the entry's own characters at tokens first…last.

    A word stands where it does because of its neighbours: in 谁载了你一程 nothing is won by 宰, in 捅思你 much by 死.
    """
    tokens = found.tokens
    left, right = first, last + 1
    while left > 0 and first - left < READ_AROUND and _adjoin(tokens[left - 1], tokens[left]):
        left -= 1
    while right < len(tokens) and right - last - 1 < READ_AROUND and _adjoin(tokens[right - 1], tokens[right]):
        right += 1
    said, meant = [t.text for t in tokens[first : last + 1]], [piece.text for piece in form.pieces]
    before = "".join(t.text for t in tokens[left:first])
    after = "".join(t.text for t in tokens[last + 1 : right])
    return fluency(before + "".join(meant) + after) - fluency(before + "".join(said) + after)


def _adjoin(left: Token, right: Token) -> bool:
    """Whether two tokens are Han characters with nothing between them."""
    return left.kind == right.kind == "h" and left.end == right.start
