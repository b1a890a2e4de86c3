"""From what was heard to risks: matching, the border between utterances, alternatives, the synthetic-voice verdict."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from models.lexicon.hits import Hit, shifted
from models.lexicon.matcher import Lexicon
from models.policy.resolve import Rules
from models.proposals import model_hits
from models.sounds import DISRUPTIONS, SoundEvent
from models.speech.timing import WordTime
from models.strikes import Tail, VoiceScore
from models.text.ends import common_ends
from models.text.fold import fold
from models.text.pinyin import code_tables
from models.voices import voice_hit

# A phrase that a 12 s cut repeats in both utterances (400 ms overlap) has at most this many characters.
_LONGEST_OVERLAP = 12
# Tail and head searched together for a phrase across the border.
_BORDER = 40
# The recogniser's second choices count less than its first.
_ALTERNATIVE = 0.8


@dataclass(frozen=True, slots=True)
class Heard:
    """One revision of one utterance as ``listen`` understood it. Times are event time in milliseconds."""

    tenant: str
    room: str
    room_type: str
    role: str
    minor: bool
    speaker: str
    session: str
    utterance_id: str
    revision: int
    final: bool
    text: str
    language: str
    start_ms: float
    end_ms: float
    alternatives: tuple[str, ...] = ()
    log_ratios: tuple[float | None, ...] = ()
    guarded: str | None = None
    synthetic: Mapping[str, Any] | None = None
    declared_synthetic: bool = False
    trusted: bool = False
    sounds: tuple[SoundEvent, ...] = ()
    words: tuple[WordTime, ...] = ()


@dataclass(frozen=True, slots=True)
class Risk:
    """A finding worth reporting. ``hits`` is never empty; spans are of the best hit."""

    id: str
    category: str
    severity: int
    score: float
    hits: tuple[Hit, ...]
    span_ms: tuple[float, float]
    text_span: tuple[int, int]


def computed_id(prefix: str, *parts: str) -> str:
    """``prefix`` and 20 hexadecimal digits of SHA-256 over the parts: the same parts give the same id."""
    return prefix + hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:20]


def risks(
    heard: Heard, lexicon: Lexicon, rules: Rules, before: Tail | None, voice_scores: Iterable[VoiceScore] = ()
) -> tuple[Risk, ...]:
    """Risks in one revision: one per list and entry, in the order of the text."""
    found: dict[tuple[str, str], list[Hit]] = {}
    if heard.guarded is None:
        for hit in _text_hits(heard, lexicon, before):
            found.setdefault((hit.list, hit.entry), []).append(hit)
    if rules.hears_model:
        for hit in model_hits(heard, {h.category.split("/")[0] for hits in found.values() for h in hits}):
            found[(hit.list, hit.entry)] = [hit]
    voice = voice_hit(heard, voice_scores, rules.synthetic_voice)
    if voice is not None:
        found[(voice.list, voice.entry)] = [voice]
    noises = _noise_hits(heard)
    for hit in noises:
        found[(hit.list, hit.entry)] = [hit]
    out = []
    for (list_name, entry), hits in found.items():
        kept = [h for h in hits if h.score >= rules.min_score]
        if not kept:
            continue
        best = max(kept, key=lambda h: (h.severity, h.score, -h.span[0]))
        out.append(
            Risk(
                id=computed_id("rk_", heard.utterance_id, list_name, entry),
                category=best.category,
                severity=rules.severity(best.severity, heard.minor),
                score=best.score,
                hits=tuple(kept),
                span_ms=noises.get(best) or span_ms(heard, best.span),
                text_span=best.span,
            )
        )
    return tuple(out)


def span_ms(heard: Heard, span: tuple[int, int]) -> tuple[float, float]:
    """Time of a range of the text: of its words where their times are known, else as if all were spoken evenly."""
    said = [word for word in heard.words if word.begin < span[1] and word.end > span[0]]
    if said:
        return min(word.start_ms for word in said), max(word.end_ms for word in said)
    size = max(1, len(heard.text))
    length = heard.end_ms - heard.start_ms
    return heard.start_ms + length * span[0] / size, heard.start_ms + length * span[1] / size


def _text_hits(heard: Heard, lexicon: Lexicon, before: Tail | None) -> Iterable[Hit]:
    hits = list(lexicon.find(heard.text))
    if before is not None and heard.text:
        hits += _border_hits(heard.text, before.text, lexicon, hits)
    known = {(h.list, h.entry) for h in hits}
    for rank, alternative in enumerate(heard.alternatives if heard.text else ()):
        for hit in lexicon.find(alternative):
            if (hit.list, hit.entry) not in known:
                known.add((hit.list, hit.entry))
                span = written_at(heard.text, alternative, hit.span)
                steps = (*hit.explain, _in_alternative(heard, rank, span))
                hits.append(replace(hit, span=span, score=hit.score * _ALTERNATIVE, explain=steps))
    return hits


def written_at(text: str, alternative: str, span: tuple[int, int]) -> tuple[int, int]:
    """Return the characters of ``text`` that stand where ``alternative`` has ``span``.

    What the two begin and end with tells; what lies between is one. All of the text, where nothing of it stands there.
    """
    head, tail = common_ends(text, alternative)

    def moved(place: int, between: int) -> int:
        if place <= head:
            return place
        return place - len(alternative) + len(text) if place >= len(alternative) - tail else between

    begin, end = moved(span[0], head), moved(span[1], len(text) - tail)
    return (begin, end) if begin < end else (0, len(text))


def _in_alternative(heard: Heard, rank: int, span: tuple[int, int]) -> str:
    step = f"in alternative {rank + 1} of the recogniser"
    ratio = heard.log_ratios[rank] if rank < len(heard.log_ratios) else None
    return step if ratio is None else f"{step}, {ratio:+.1f} nats against {heard.text[slice(*span)]}"


def _border_hits(text: str, tail: str, lexicon: Lexicon, whole: Iterable[Hit]) -> Iterable[Hit]:
    """Hits that begin in the utterance before and end in this one."""
    tail, head = tail[-_BORDER:], text[:_BORDER]
    taken = {(h.list, h.entry, h.span[1]) for h in whole}
    overlap = repeated(tail, head)
    for skip in dict.fromkeys((overlap, 0)):
        joint = "" if skip else "\n"
        offset = len(tail) + len(joint) - skip
        for hit in lexicon.find(tail + joint + head[skip:]):
            crosses = hit.span[0] < offset and hit.span[1] > len(tail) + len(joint)
            moved = shifted(hit, offset, len(text)) if crosses else None
            if moved is not None and (hit.list, hit.entry, moved.span[1]) not in taken:
                taken.add((hit.list, hit.entry, moved.span[1]))
                yield replace(moved, explain=(*hit.explain, "began in the utterance before"))


def repeated(tail: str, head: str) -> int:
    """How many characters at the beginning of ``head`` sound like the end of ``tail``: the overlap of a cut."""
    codes = code_tables()[0]

    def sounds(text: str) -> str:
        return fold(text).translate(codes)

    for size in range(min(_LONGEST_OVERLAP, len(tail), len(head)), 0, -1):
        left, right = tail[-size:], head[:size]
        whole_words = not (
            left[0].isascii() and size < len(tail) and tail[-size - 1].isascii() and tail[-size - 1].isalnum()
        )
        if whole_words and right.strip() and sounds(left) == sounds(right):
            return size
    return 0


def _noise_hits(heard: Heard) -> dict[Hit, tuple[float, float]]:
    """Screams and blasts in the form of hits, one a kind, each with the time of its surest stretch."""
    found: dict[Hit, tuple[float, float]] = {}
    for label in DISRUPTIONS:
        events = [event for event in heard.sounds if event.label == label]
        if not events:
            continue
        surest = max(events, key=lambda event: (event.score, event.end_ms - event.start_ms))
        total = sum(event.end_ms - event.start_ms for event in events)
        hit = Hit(
            list="sound-events",
            entry=label,
            category=f"disruption/noise/{label}",
            severity=1,
            language=heard.language,
            span=(0, len(heard.text)),
            match="sound",
            score=surest.score,
            explain=(f"{total / 1000:.1f} s of {label}",),
        )
        found[hit] = (surest.start_ms, surest.end_ms)
    return found
