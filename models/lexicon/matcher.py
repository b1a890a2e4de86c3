"""The lexicon: entries in, hits out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache

from models.lexicon.automaton import STRIPPED, Automaton, Found
from models.lexicon.entries import Entry, version_of
from models.lexicon.forms import form_of
from models.lexicon.hits import Hit, best, hit_of
from models.lexicon.patterns import find_pattern
from models.lexicon.screen import (
    Bill,
    bill,
    heard,
    holding,
    likely,
    likely_apart,
    on_edges,
    ordinary,
    same_words,
    spoken,
    whole_words,
    written_otherwise,
)
from models.lexicon.verify import verify
from models.text.fold import Traced, fold, trace
from models.text.pinyin import code_tables
from models.text.streams import Streams, streams, tokenise
from models.text.traced import Stream, TracedStreams
from models.text.variants import FILLER_VARIANT, LIGHT_VARIANT, VARIANTS, Variant, censored_variant, leaves_out_words

# Longest text that is looked at; an utterance of 12 s has about 80 syllables.
LONGEST_TEXT = 2000
# An excusing word counts within this many tokens (Han characters or Latin words) of a hit.
EXCUSE_DISTANCE = 8


# Comparisons whose outcome is kept: the same words are heard again and again.
_KEPT = 1 << 16
# View of the text, start and end in the form's stream of that view, number of the entry and of its form.
_Candidate = tuple[int, int, int, int, int]


class Lexicon:
    """Entries ready to be found. Immutable; ``version`` is the hash of its content."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries: tuple[Entry, ...] = tuple(entries)
        self.version = version_of(self.entries)
        self._automaton = Automaton(self.entries)
        self._bill = lru_cache(maxsize=_KEPT)(self._bill_of)
        self._same = lru_cache(maxsize=_KEPT)(self._same_words)
        self._second = frozenset(map(chr, code_tables()[1]))
        latin = (
            t.text for e in self.entries if "pattern" not in e.match for t in tokenise(fold(e.text)) if t.kind == "w"
        )
        self._variants = (*VARIANTS, censored_variant(w for w in latin if len(w) > 2))

    def __len__(self) -> int:
        return len(self.entries)

    def find(self, text: str) -> tuple[Hit, ...]:
        """Hits in ``text`` in the order of their spans; the best one of each entry and place."""
        text = text[:LONGEST_TEXT]
        folded = fold(text)
        characters = frozenset(folded)
        candidates = self._candidates(folded, characters)
        hits = [
            hit for number in self._automaton.patterns(folded, characters) for hit in self._pattern_hits(number, text)
        ]
        if candidates:
            hits += self._verified(text, candidates)
        return best(hits) if hits else ()

    def _candidates(self, folded: str, characters: AbstractSet[str]) -> list[_Candidate]:
        """What may hold, view by view: keys that begin and end with words and are likely enough where they stand."""
        base = streams(folded)
        candidates = self._in_view(0, base, base)
        for view, found in self._views(folded, characters, base):
            candidates += self._in_view(view, found, base)
        return candidates

    def _in_view(self, view: int, found: Streams, base: Streams) -> list[_Candidate]:
        out: list[_Candidate] = []
        if view != _SECOND:
            if found.has_words and (hits := self._automaton.find("x", found.x)):
                out += [c for c in self._new(view, hits, found.x, base.x) if self._says(c, found)]
            if not found.only_words and (hits := self._automaton.find("h", found.x)):
                out += self._new(view, hits, found.x, base.x)
        out += self._in_sounds(view, found, base)
        if found.q:  # there are Latin letters, and the view is for them
            out += self._in_letters(view, found, base)
        return out

    def _in_sounds(self, view: int, found: Streams, base: Streams) -> list[_Candidate]:
        find = self._automaton.find
        out: list[_Candidate] = []
        if not found.only_words and (hits := find("p", found.p)):
            if found.has_words:
                hits = on_edges(hits, found.p, found.p_edges)
            out += self._likely(view, self._new(view, hits, found.p, base.p), found, base)
        if found.has_words:
            hits = self._automaton.abbreviations(found.chars)
            if names := find("l", found.p):
                hits += whole_words(names, found.p_edges)
            if hits:
                out += self._new(view, hits, found.p, base.p)
        return out

    def _in_letters(self, view: int, found: Streams, base: Streams) -> list[_Candidate]:
        find = self._automaton.find
        out: list[_Candidate] = []
        if hits := find("q", found.q):
            joined = self._new(view, whole_words(hits, found.q_edges), found.q, base.q)
            out += [c for c in joined if written_otherwise(self.entries[c[3]], found, c[1], c[2])]
        hits = find("n", found.s)
        if found.has_unknown:
            hits += holding(whole_words(find("s", found.s), found.s_edges), found.unknown)
        if hits:
            named = self._new(view, whole_words(hits, found.s_edges), found.s, base.s)
            out += [c for c in named if heard(self.entries[c[3]], found, c[1], c[2])]
        return out

    def _new(self, view: int, hits: Iterable[Found], text: str, before: str) -> Iterator[_Candidate]:
        """Entries behind keys in a stream, unless that of the text as it is says the same."""
        for start, end, chain in hits:
            repeated = view and text[start:end] in before
            for number, form in self._automaton.entries(chain):
                if not repeated or form & STRIPPED:
                    yield view, start, end, number, form & ~STRIPPED

    def _likely(
        self, view: int, candidates: Iterable[_Candidate], found: Streams, base: Streams
    ) -> Iterator[_Candidate]:
        """Those of candidates by sound that may be likelier than ordinary language."""
        for candidate in candidates:
            _, start, end, number, form = candidate
            said = found.chars[start:end]
            if view in _SAME_CHARACTERS and spoken(said):
                spread = view in {_FILLERS, _LIGHT}
                worth = self._bill(number, form, said, not spread)
                if spread:
                    if not likely_apart(worth, said, base.chars):
                        continue
                elif not likely(worth, said, base.chars, start, end):
                    continue
            yield candidate

    def _says(self, candidate: _Candidate, found: Streams) -> bool:
        """Whether Latin words are those of an entry and not only have their stems."""
        _, start, end, number, form = candidate
        said = found.words_in_x(start, end)
        return not said or "" in said or self._same(number, form, tuple(said))

    def _same_words(self, number: int, form: int, said: tuple[str, ...]) -> bool:
        entry = self.entries[number]
        return same_words(entry, form_of(entry, form), said)

    def _bill_of(self, number: int, form: int, said: str, alone: bool) -> Bill | None:
        entry = self.entries[number]
        return None if alone and ordinary(entry, said) else bill(entry, form_of(entry, form), said)

    def _views(self, folded: str, characters: AbstractSet[str], base: Streams) -> Iterator[tuple[int, Streams]]:
        rest = 1
        if leaves_out_words(folded):  # what would be done to the text is done to its words, in a third of the time
            if found := base.without_fillers():
                yield _FILLERS, found
            if found := base.without_light_words():
                yield _LIGHT, found
            rest = _LIGHT + 1
        last = folded
        for number, variant in enumerate(self._variants[rest - 1 :], rest):
            rewritten = variant.apply(folded, characters)
            # Without light words in it, a text without fillers is the same again.
            if rewritten != folded and rewritten != last:
                yield number, streams(rewritten, letters=number != _LIGHT)
                last = rewritten
        if not self._second.isdisjoint(characters):
            yield _SECOND, streams(folded, second=True, letters=False)

    def _verified(self, text: str, candidates: Sequence[_Candidate]) -> list[Hit]:
        origin = trace(text)
        base = TracedStreams(origin)
        traced: dict[int, TracedStreams] = {0: base}
        hits: list[Hit] = []
        exact_found: set[int] = set()
        for view, start, end, number, form_number in candidates:
            if view and number in exact_found:
                continue  # rewriting could only say the same less surely
            entry = self.entries[number]
            form = form_of(entry, form_number)
            found = traced.get(view)
            if found is None:
                found = traced[view] = _traced_view(origin, view, self._variants)
            verdict = verify(entry, form, base, found, _VIEW_NAMES[view], start, end)
            if verdict is None:
                continue
            tokens = found.tokens
            span = found.traced.span(tokens[verdict.first].start, tokens[verdict.last].end)
            if entry.unless and _excused(entry, found, verdict.first, verdict.last):
                continue
            exact = verdict.match == "exact"
            if exact and not view:
                exact_found.add(number)
            score = 1.0 if exact else min(0.999, round(1.0 / (1.0 + math.exp(-0.5 * verdict.margin)), 3))
            hits.append(hit_of(entry, span, verdict.match, score, verdict.steps))
        return hits

    def _pattern_hits(self, number: int, text: str) -> Iterable[Hit]:
        entry = self.entries[number]
        found: TracedStreams | None = None
        for span in find_pattern(entry.text, text):
            if entry.unless:
                found = found or _traced_view(trace(text), 0)
                inside = [
                    i for i, t in enumerate(found.tokens)
                    if found.traced.starts[t.start] < span[1] and found.traced.ends[t.end - 1] > span[0]
                ]  # fmt: skip
                if inside and _excused(entry, found, inside[0], inside[-1]):
                    continue
            yield hit_of(entry, span, "pattern", 1.0, (f"pattern {entry.text}",))


_SECOND = len(VARIANTS) + 2
_FILLERS = VARIANTS.index(FILLER_VARIANT) + 1
_LIGHT = VARIANTS.index(LIGHT_VARIANT) + 1
_SAME_CHARACTERS = frozenset({0, _FILLERS, _LIGHT, _SECOND})
_VIEW_NAMES = ("", *(v.name for v in VARIANTS), "censored", "readings")


def _traced_view(base: Traced, view: int, variants: Sequence[Variant] = ()) -> TracedStreams:
    if view == 0:
        return TracedStreams(base)
    if view == _SECOND:
        return TracedStreams(base, second=True)
    return TracedStreams(variants[view - 1].trace(base))


@lru_cache(maxsize=1 << 14)
def _key(word: str) -> str:
    return streams(fold(word)).x


def _excused(entry: Entry, found: TracedStreams, first: int, last: int) -> bool:
    """Whether one of the entry's excusing words stands near tokens first…last."""
    stream: Stream = found.x
    for word in entry.unless:
        key = _key(word)
        at = stream.text.find(key)
        while at >= 0:
            inside = [i for i in stream.tokens[at : at + len(key)] if i >= 0]
            own = inside and first <= inside[0] and inside[-1] <= last  # 骗局 does not excuse 庞氏骗局
            if inside and not own and inside[0] <= last + EXCUSE_DISTANCE and inside[-1] >= first - EXCUSE_DISTANCE:
                return True
            at = stream.text.find(key, at + 1)
    return False
