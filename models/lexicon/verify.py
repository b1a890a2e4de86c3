"""Verification: whether what the automaton proposed is what was said.

Keys are broad, so each candidate is weighed as in a noisy channel. Against it stands how likely the words are
as ordinary language (Viterbi over a few characters around, or the list of common English words); for it, that the
entry was meant and came out so: a prior for any entry, less the cost of each change. The margin, in nats, must
pass a threshold. "病毒" is a word, so it is not the drug 冰毒 misheard; "加危信" is none, so it is 加微信.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.lexicon.entries import Entry
from models.lexicon.forms import Form
from models.lexicon.letters import compare_exact, compare_letters
from models.lexicon.plausibility import gained, margin_of
from models.lexicon.sounds import compare_sounds
from models.lexicon.tally import CHANGED_MARGIN, SENTENCE_END, Tally
from models.text.traced import Stream, TracedStreams

# An exact hit must be no less likely than ordinary words at its place ("大麻" in "大麻烦").
EXACT_MARGIN = 0.0
# By how many syllables an entry of few must beat it, where digits stand for some of them.
SHORT_MARGIN = {2: 4.5, 3: 5.5, 4: 3.5}
# Han characters that only sound like the entry owe more, the fewer they are and the more of them are others than the
# entry's own…
OWED = {2: 6.0, 3: 5.0}
OWED_LONGER = 1.0
OWED_CHANGE = 5.0
# … and are credited with how much better the sentence reads with its own, up to a bound: rare words, names above all,
# read badly as they are.
MOST_READING = 8.0
_WITHOUT_FILLERS = frozenset({"fillers", "light-words"})
_SENTENCE_MARKS = frozenset("。！？!?；;")
# What a rewriting costs, and what it is called.
DROPPED = {"fillers": 0.2, "light-words": 0.6, "shapes": 0.8, "readings": 0.6, "censored": 0.3, "letters": 0.3}
_CALLED = {
    "fillers": "fillers left out",
    "light-words": "light words left out",
    "shapes": "characters by their shape or halves",
    "readings": "second readings",
    "censored": "starred letters restored",
    "letters": "look-alike letters read another way",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A candidate that holds: token range, kind of match, margin in nats, and the changes, in words."""

    first: int
    last: int
    match: str
    margin: float
    steps: tuple[str, ...]


def verify(
    entry: Entry, form: Form, base: TracedStreams, found: TracedStreams, variant: str, start: int, end: int
) -> Verdict | None:
    """Weigh the occurrence [start, end) of ``form`` in its stream of ``found``; None if it does not hold.

    ``found`` is the text or a variant of it (named ``variant``), ``base`` the text itself.
    """
    if form.stripped and variant not in _WITHOUT_FILLERS:
        return None
    stream: Stream = found.s if form.stream == "n" else getattr(found, form.stream)
    indices = [i for i in stream.tokens[start:end] if i >= 0]
    if not indices:
        return None
    first, last = indices[0], indices[-1]
    tally = Tally()
    if variant:
        tally.add(DROPPED[variant], _CALLED[variant])
    if form.stream == "x":
        holds = compare_exact(entry, form, found, first, last, tally)
    elif form.stream == "p":
        holds = compare_sounds(entry, form, found, stream, start, tally)
    else:
        last = compare_letters(entry, form, found, stream, start, end, tally)
        holds = last >= 0
    if not holds:
        return None
    if form.stream == "p" and (tally.heard or tally.abbreviated) and _ends_sentence(found, first, last):
        tally.cost += SENTENCE_END
    match = kind_of(tally)
    if form.stream == "x" and all(t.kind == "w" for t in found.tokens[first : last + 1]):
        # Whole Latin words, as they are or inflected: their spaces are evidence enough.
        return Verdict(first, last, match, -tally.cost, tuple(tally.steps))
    span = found.traced.span(found.tokens[first].start, found.tokens[last].end)
    said = [found.traced.span(t.start, t.end) for t in found.tokens[first : last + 1]]
    margin = margin_of(entry, base, span, said, match == "exact") - tally.cost
    if margin < threshold(match, form, found, first, last):
        return None
    if match == "phonetic" and by_sound_alone(form, found, first, last):
        owed = debt(form, found, first, last)
        if margin + min(gained(form, found, first, last), MOST_READING) < owed:
            return None
    return Verdict(first, last, match, margin, tuple(tally.steps))


def kind_of(tally: Tally) -> str:
    """Kind of match that a comparison came to."""
    return "initials" if tally.abbreviated else "phonetic" if tally.heard else "exact"


def _ends_sentence(found: TracedStreams, first: int, last: int) -> bool:
    """Whether a sentence ends between the tokens of a match."""
    return not _SENTENCE_MARKS.isdisjoint(found.traced.text[found.tokens[first].start : found.tokens[last].end])


def by_sound_alone(form: Form, found: TracedStreams, first: int, last: int) -> bool:
    """Whether a match is of Han characters by their sounds, one for one."""
    pieces, tokens = form.pieces, found.tokens[first : last + 1]
    return len(pieces) == len(tokens) and all(
        p.how == "sound" and t.kind == "h" for p, t in zip(pieces, tokens, strict=True)
    )


def debt(form: Form, found: TracedStreams, first: int, last: int) -> float:
    """What characters that only sound like an entry owe, reading included."""
    tokens = found.tokens[first : last + 1]
    changed = sum(t.text != p.text for t, p in zip(tokens, form.pieces, strict=True))
    return OWED.get(len(form.pieces), OWED_LONGER) + OWED_CHANGE * changed


def threshold(match: str, form: Form, found: TracedStreams, first: int, last: int) -> float:
    """Margin that a kind of match needs: more for a few Han characters that only sound like the entry."""
    if match == "exact":
        return EXACT_MARGIN
    if match != "phonetic" or form.stream != "p" or any(t.kind == "w" for t in found.tokens[first : last + 1]):
        return CHANGED_MARGIN
    if by_sound_alone(form, found, first, last):
        return max(CHANGED_MARGIN, debt(form, found, first, last) - MOST_READING)  # what reading can add at most
    return SHORT_MARGIN.get(len(form.pieces), CHANGED_MARGIN)
