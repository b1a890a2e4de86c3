"""Comparison by letters: Latin words as they are, inflected, repeated, spelled, split, joined or misheard."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

from models.lexicon.entries import Entry
from models.lexicon.forms import Form, is_name
from models.lexicon.plausibility import plausibility
from models.lexicon.sounds import begins_word, ends_word
from models.lexicon.tally import CHANGED_MARGIN, INFLECTED, PRIOR, REPEATED, SPLIT, SPLIT_COMMON, SPLIT_WORDS, Tally
from models.text import words
from models.text.ends import common_ends
from models.text.fold import fold
from models.text.streams import Token, tokenise
from models.text.traced import Stream, TracedStreams

# With two everyday words of the entry before it, a name may even come out as ordinary words ("add me on what's up").
NAMED_MARGIN = -4.0
# How far from a name of n letters something may be: a third for each letter beyond the fourth.
HEARD_SHARE = 0.34
SURE_LETTERS = 4
_ENOUGH_AROUND = 2
_PARTICLE = 2


def compare_exact(entry: Entry, form: Form, found: TracedStreams, first: int, last: int, tally: Tally) -> bool:
    """The tokens are the entry's: Han characters by key, Latin words up to inflection and repeated letters."""
    wanted = tokens_of(form.stripped or entry.text)
    tokens = found.tokens[first : last + 1]
    if len(tokens) != len(wanted):
        return False
    for token, target in zip(tokens, wanted, strict=True):
        if token.kind != "w":
            continue
        raw = found.traced.text[token.start : token.end]
        if not same_word(token.text, target.text, tally):
            return False
        if not raw.replace("'", "").replace("’", "").isalpha():
            tally.add(0.0, f"{raw} read as {token.text}")
    return True


def same_word(form: str, base: str, tally: Tally) -> bool:
    """Whether a Latin word is the entry's word, an inflection of it, or either with letters repeated or starred."""
    if form == base:
        return True
    if words.inflects(form, base):
        tally.add(INFLECTED, f"{form}: form of {base}")
        return True
    for limit in (1, 2):
        reduced = words.reduce_runs(form, limit)
        if reduced != form and (
            words.inflects(reduced, base) or words.inflects(reduced, words.reduce_runs(base, limit))
        ):
            tally.add(REPEATED, f"{form}: letters repeated in {base}")
            return True
    doubled = words.squeeze(form) == words.squeeze(base) and len(form) > len(base)
    if doubled and words.english_log_probability(form) == words.RARE_EN:
        tally.add(REPEATED, f"{form}: letters repeated in {base}")
        return True
    return False


def compare_letters(
    entry: Entry, form: Form, found: TracedStreams, stream: Stream, start: int, end: int, tally: Tally
) -> int:
    """Words that were split, joined or spelled, and (skeletons) words that only sound alike.

    Returns the index of the last token, -1 where it is no match.
    """
    # The first vowel of a word has no place in a skeleton, so the word's edge is looked for in its tokens.
    if not begins_word(stream, start) or not ends_word(stream, end - 1):
        return -1
    first, last = stream.tokens[start], stream.tokens[end - 1]
    while last + 1 < len(found.tokens) and found.tokens[last + 1].text == stream.text[end - 1]:
        last += 1  # a letter spelled twice, which squeezing has made one
    tokens = found.tokens[first : last + 1]
    wanted = entry_tokens(entry)
    target = "".join(t.text for t in wanted)
    said = "".join(t.text for t in tokens)
    same_words = len(tokens) == len(wanted)
    if form.stream == "q":
        if same_words and all(len(t.text) == len(w.text) for t, w in zip(tokens, wanted, strict=True)):
            return -1  # the exact form says it
        if not same_word(said, target, tally):
            return -1
    elif not compare_heard(tokens, wanted, tally):
        return -1
    if not same_words:
        _tally_split(found, tokens, wanted, tally)
    return last


def compare_heard(tokens: list[Token], wanted: list[Token], tally: Tally) -> bool:
    """Everyday words must be the entry's own; what is left between them must sound like its name."""
    head, tail = common_ends([t.text for t in tokens], [t.text for t in wanted], words.inflects)
    said, names = tokens[head : len(tokens) - tail], wanted[head : len(wanted) - tail]
    if not said or not names or not all(is_name(t) for t in names):
        return False
    if head + tail < _ENOUGH_AROUND and not any(map(no_word, said)):
        return False  # ordinary words, and nothing that makes the name expected
    left, right = "".join(t.text for t in said), "".join(t.text for t in names)
    if not near(left, right):
        return False
    # A vowel or two may be lost, no more.
    excess = abs(len(words.squeeze(left)) - len(words.squeeze(right))) - 1
    if excess * words.VOWEL_EDIT > _farthest(right):
        return False
    local = PRIOR - plausibility(said, 0, len(said))
    if all(t.word is not None and t.word.common for t in said) and len(said) > 1:
        local -= SPLIT_COMMON
    local -= NAMED_MARGIN if head + tail >= _ENOUGH_AROUND else CHANGED_MARGIN
    if local < 0.0:
        return False
    distance = words.heard_distance(left, right)
    if distance > min(_farthest(right), local):
        return False
    tally.heard = True
    tally.add(distance, f"{' '.join(t.text for t in said)} sounds like {' '.join(t.text for t in names)}")
    return True


def near(said: str, name: str) -> bool:
    """Whether letters may be a name misheard, as far as their vowels tell."""
    return words.least_distance(said, name) <= _farthest(name)


def _farthest(name: str) -> float:
    return HEARD_SHARE * max(0, len(name) - SURE_LETTERS)


def no_word(token: Token) -> bool:
    """Whether a Latin token is in no dictionary."""
    return token.word is not None and token.word.unknown


def _is_particle(token: Token) -> bool:
    """Whether a Latin token is a word of two letters, as in, on, me: these stand beside words and make none."""
    return token.word is not None and token.word.common and len(token.text) == _PARTICLE


def _tally_split(found: TracedStreams, tokens: list[Token], wanted: list[Token], tally: Tally) -> None:
    text = found.traced.text
    gaps = [text[a.end : b.start] for a, b in pairwise(tokens)]
    said = " ".join(t.text for t in tokens)
    if len(tokens) > len(wanted) and sum(len(t.text) == 1 for t in tokens) > len(tokens) / 2:
        tally.add(0.0, f"{said}: spelled out")
    elif gaps and all(g and not any(c.isspace() for c in g) for g in gaps):
        tally.add(SPLIT, f"{said}: joined across punctuation")
    elif len(tokens) > 1 and len(wanted) == 1 and not any(map(no_word, tokens)) and any(map(_is_particle, tokens)):
        tally.add(SPLIT_WORDS, f"{said}: written apart")
    elif len(tokens) > 1 and all(t.word is not None and t.word.common for t in tokens):
        tally.add(SPLIT_COMMON, f"{said}: written apart")
    else:
        tally.add(SPLIT, f"{said}: written apart or together")


@lru_cache(maxsize=1 << 14)
def tokens_of(text: str) -> list[Token]:
    """Tokens of a text as an entry has them."""
    return tokenise(fold(text))


def entry_tokens(entry: Entry) -> list[Token]:
    """Tokens of an entry's folded text."""
    return tokens_of(entry.text)
