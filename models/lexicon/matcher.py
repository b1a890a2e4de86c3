"""The lexicon: entries in, hits out."""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from models.lexicon.automaton import STRIPPED, Automaton
from models.lexicon.entries import Entry, parse_lexicon, read_lexicon_files, version_of
from models.lexicon.forms import expand
from models.lexicon.patterns import find_pattern
from models.lexicon.screen import han_margin, heard, spread_margin
from models.lexicon.verify import verify
from models.text.fold import Traced, fold, trace
from models.text.pinyin import code_tables
from models.text.streams import Stream, Streams, TracedStreams, streams, tokenise, trace_streams
from models.text.variants import FILLER_VARIANT, LIGHT_VARIANT, VARIANTS, Variant, censored_variant

# Longest text that is looked at; an utterance of 12 s has about 80 syllables.
LONGEST_TEXT = 2000
# An excusing word counts within this many tokens (Han characters or Latin words) of a hit.
EXCUSE_DISTANCE = 8


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry found in a text.

    ``span`` is the half-open range in the original text; ``match`` is exact, phonetic, initials or pattern; ``score``
    in (0, 1]; ``explain`` names the transformations between the text and the entry, in order.
    """

    list: str
    entry: str
    category: str
    severity: int
    language: str
    span: tuple[int, int]
    match: str
    score: float
    explain: tuple[str, ...] = ()
    note: str = ""


# View of the text, start and end in the form's stream of that view, number of the entry and of its form.
_Candidate = tuple[int, int, int, int, int]
_BETTER = {"exact": 3, "pattern": 2, "phonetic": 1, "initials": 0}


class Lexicon:
    """Entries ready to be found. Immutable; ``version`` is the hash of its content."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries: tuple[Entry, ...] = tuple(entries)
        self.version = version_of(self.entries)
        self._automaton = Automaton(self.entries)
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
        candidates = list(self._candidates(folded))
        patterns = {entry for _, _, entry, _ in self._automaton.find("t", folded)}.union(self._automaton.always)
        hits = [hit for number in sorted(patterns) for hit in self._pattern_hits(number, text)]
        if candidates:
            hits += self._verified(text, candidates)
        return _best(hits)

    def _candidates(self, folded: str) -> Iterator[_Candidate]:
        """What may hold, view by view: keys that begin and end with words and are likely enough where they stand."""
        base: Streams | None = None
        for view, rewritten in self._views(folded):
            found = streams(rewritten, view == _SECOND, view not in {_SECOND, _LIGHT})
            base = base or found
            # Words that are joined, split or misheard are not sought around words left out as well.
            names = "p" if view == _SECOND else "xp" if view == _LIGHT else "xpqs"
            han = base.x if view in _SAME_CHARACTERS and not base.q else ""
            for name in names:
                piece = getattr(found, name)
                if piece:
                    yield from self._in_stream(name, view, piece, found, getattr(base, name) if view else "", han)

    def _in_stream(
        self, name: str, view: int, piece: str, found: Streams, before: str, han: str
    ) -> Iterator[_Candidate]:
        edges = found.edges["pqs".index(name)] if name != "x" else ()
        for start, end, number, form in self._automaton.find(name, piece, edges):
            if before and not form & STRIPPED and piece[start:end] in before:
                continue  # the text as it is says the same
            if name == "s" and not heard(self.entries[number], found, start, end):
                continue
            if han and name == "p":
                entry = self.entries[number]
                if view in {0, _SECOND}:
                    if han_margin(entry, han, start, end, han[start:end]) < 0.0:
                        continue
                elif spread_margin(entry, han, found.x[start:end]) < 0.0:
                    continue
            yield view, start, end, number, form & ~STRIPPED

    def _views(self, folded: str) -> Iterable[tuple[int, str]]:
        yield 0, folded
        for number, variant in enumerate(self._variants, 1):
            rewritten = variant.apply(folded)
            if rewritten != folded:
                yield number, rewritten
        if not self._second.isdisjoint(folded):
            yield _SECOND, folded

    def _verified(self, text: str, candidates: Sequence[_Candidate]) -> list[Hit]:
        origin = trace(text)
        base = trace_streams(origin)
        traced: dict[int, TracedStreams] = {0: base}
        hits: list[Hit] = []
        exact_found: set[int] = set()
        for view, start, end, number, form_number in candidates:
            if view and number in exact_found:
                continue  # rewriting could only say the same less surely
            entry = self.entries[number]
            form = expand(entry)[form_number]
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
            hits.append(_hit(entry, span, verdict.match, score, verdict.steps))
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
            yield _hit(entry, span, "pattern", 1.0, (f"pattern {entry.text}",))


_SECOND = len(VARIANTS) + 2
_FILLERS = VARIANTS.index(FILLER_VARIANT) + 1
_LIGHT = VARIANTS.index(LIGHT_VARIANT) + 1
_SAME_CHARACTERS = frozenset({0, _FILLERS, _LIGHT, _SECOND})
_VIEW_NAMES = ("", *(v.name for v in VARIANTS), "censored", "readings")


def _traced_view(base: Traced, view: int, variants: Sequence[Variant] = ()) -> TracedStreams:
    if view == 0:
        return trace_streams(base)
    if view == _SECOND:
        return trace_streams(base, second=True)
    return trace_streams(variants[view - 1].trace(base))


def _hit(entry: Entry, span: tuple[int, int], match: str, score: float, steps: tuple[str, ...]) -> Hit:
    return Hit(
        entry.list, entry.text, entry.category, entry.severity, entry.language, span, match, score, steps, entry.note
    )


def _excused(entry: Entry, found: TracedStreams, first: int, last: int) -> bool:
    """Whether one of the entry's excusing words stands near tokens first…last."""
    stream: Stream = found.x
    for word in entry.unless:
        key = streams(fold(word)).x
        at = stream.text.find(key)
        while at >= 0:
            inside = [i for i in stream.tokens[at : at + len(key)] if i >= 0]
            own = inside and first <= inside[0] and inside[-1] <= last  # 骗局 does not excuse 庞氏骗局
            if inside and not own and inside[0] <= last + EXCUSE_DISTANCE and inside[-1] >= first - EXCUSE_DISTANCE:
                return True
            at = stream.text.find(key, at + 1)
    return False


def _best(hits: Iterable[Hit]) -> tuple[Hit, ...]:
    """One hit per entry and place: exact before sound, higher before lower score, shorter before longer span."""
    kept: list[Hit] = []
    ranked = sorted(hits, key=lambda h: (-_BETTER[h.match], -h.score, h.span[1] - h.span[0], h.span, h.list, h.entry))
    for hit in ranked:
        if not any(
            k.list == hit.list and k.entry == hit.entry and k.span[0] < hit.span[1] and hit.span[0] < k.span[1]
            for k in kept
        ):
            kept.append(hit)
    return tuple(sorted(kept, key=lambda h: (h.span, h.list, h.entry)))


def shifted(hit: Hit, offset: int, length: int) -> Hit | None:
    """The hit with its span moved by ``-offset`` and cut to [0, length); None if nothing of it is left."""
    start, end = max(0, hit.span[0] - offset), min(length, hit.span[1] - offset)
    return replace(hit, span=(start, end)) if start < end else None


_in_use: weakref.WeakValueDictionary[str, Lexicon] = weakref.WeakValueDictionary()
_compiling = threading.Lock()


def compiled(entries: Iterable[Entry]) -> Lexicon:
    """The lexicon of these entries: one for the whole process, for as long as anybody holds it.

    Stages in one process want the same lists, and compiling takes seconds where they are long.
    """
    wanted = tuple(entries)
    version = version_of(wanted)
    with _compiling:
        found = _in_use.get(version)
        if found is None or found.entries != wanted:  # the version is a shortened hash
            found = _in_use[version] = Lexicon(wanted)
        return found


def load_lexicon(source: str | Path | Sequence[str | Path] | None = None) -> Lexicon:
    """A lexicon from a file, several files, a YAML text (any string with a line break), or the starter lists (None).

    Raises LexiconError naming file, line, field and remedy of every fault.
    """
    if source is None:
        return starter_lexicon()
    if isinstance(source, str) and "\n" in source:
        return compiled(parse_lexicon(source))
    paths = [source] if isinstance(source, str | Path) else list(source)
    return compiled(read_lexicon_files(paths))


def starter_lexicon() -> Lexicon:
    """The lists that come with the package, in the order of their file names."""
    folder = files("models.lexicon").joinpath("data")
    texts = sorted((f.name, f.read_text(encoding="utf-8")) for f in folder.iterdir() if f.name.endswith(".yaml"))
    return compiled(entry for name, text in texts for entry in parse_lexicon(text, name))
