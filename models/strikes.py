"""What is remembered of a speaker between utterances: strikes, causes already acted on, evidence, the last words.

The state is a value: every change gives a new one. Time is event time in milliseconds. Everything is bounded by a
window and a count, so that the state of a speaker stays within some kilobytes. Replaying a finding against a state
that has seen it already changes nothing: strikes and evidence are kept per utterance, and an acted cause is kept
with the takedown it led to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

# A worker that was killed replays at most its open utterances: minutes, not hours.
REMEMBER_MS = 15 * 60_000.0
MAX_CAUSES = 12
MAX_STRIKES = 64
MAX_TAIL = 4
MAX_EVIDENCE = 64
MAX_VOICE = 32
# Characters kept of the last words, enough for the first half of any entry.
TAIL_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that was acted on: where and when it was said, and the takedown as it was issued."""

    utterance_id: str
    revision: int
    rule: str
    room: str
    begin_ms: float
    end_ms: float
    takedown: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Strike:
    """A strike: the utterance that earned it, when, and its weight."""

    utterance_id: str
    at_ms: float
    weight: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """A finding seen in one revision of an utterance; ``key`` names a list entry or a rule."""

    utterance_id: str
    revision: int
    key: str
    at_ms: float


@dataclass(frozen=True, slots=True)
class Tail:
    """The last words of an utterance. ``text`` is personal data: it leaves the state only into a match."""

    utterance_id: str
    revision: int
    start_ms: float
    end_ms: float
    text: str


@dataclass(frozen=True, slots=True)
class VoiceScore:
    """What the synthetic-voice detector gave for an utterance: a natural log-likelihood ratio."""

    utterance_id: str
    revision: int
    session: str
    at_ms: float
    llr: float


@dataclass(frozen=True, slots=True)
class SpeakerState:
    """Everything that judgement remembers of one speaker. JSON of a few kilobytes at most."""

    newest_ms: float = 0.0
    strikes: tuple[Strike, ...] = ()
    causes: tuple[Cause, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    tail: tuple[Tail, ...] = ()
    voice: tuple[VoiceScore, ...] = ()

    def to_json(self) -> bytes:
        """Canonical JSON; equal states give equal bytes."""
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, data: bytes | str) -> SpeakerState:
        """Inverse of ``to_json``. Raises msgspec.ValidationError on anything else."""
        return msgspec.json.decode(data, type=cls)

    def strike_sum(self, at_ms: float, half_life_s: float, window_s: float, without: str = "") -> float:
        """Weight of the strikes up to ``at_ms``, halved per half-life of its age; not those of ``without``."""
        total = 0.0
        for strike in self.strikes:
            age_s = (at_ms - strike.at_ms) / 1000.0
            if strike.utterance_id != without and 0.0 <= age_s <= window_s:
                total += strike.weight * 0.5 ** (age_s / half_life_s)
        return total

    def with_strike(self, utterance_id: str, at_ms: float, weight: float) -> SpeakerState:
        """State with a strike for an utterance; an utterance has one, the heaviest, at its first time."""
        mine = next((s for s in self.strikes if s.utterance_id == utterance_id), None)
        if weight <= 0 or (mine and mine.weight >= weight):
            return self
        others = [s for s in self.strikes if s.utterance_id != utterance_id]
        added = Strike(utterance_id, mine.at_ms if mine else at_ms, weight)
        kept = sorted([*others, added], key=lambda s: (s.at_ms, s.utterance_id))
        return replace(self, strikes=tuple(kept[-MAX_STRIKES:]))

    def without_strikes_of(self, utterance_id: str) -> SpeakerState:
        """State without an utterance's strike, for verdicts that were overturned."""
        return replace(self, strikes=tuple(s for s in self.strikes if s.utterance_id != utterance_id))

    def revisions(self, utterance_id: str, key: str, up_to: int) -> frozenset[int]:
        """Revisions of an utterance up to ``up_to`` in which ``key`` was found."""
        return frozenset(
            e.revision for e in self.evidence if e.utterance_id == utterance_id and e.key == key and e.revision <= up_to
        )

    def utterances_with(self, key: str, since_ms: float, until_ms: float) -> frozenset[str]:
        """Utterances in a time range in which ``key`` was found."""
        return frozenset(e.utterance_id for e in self.evidence if e.key == key and since_ms <= e.at_ms <= until_ms)

    def with_evidence(self, found: Mapping[str, float], utterance_id: str, revision: int) -> SpeakerState:
        """State with the keys found in a revision, each at its time."""
        known = {(e.utterance_id, e.revision, e.key) for e in self.evidence}
        added = [
            Evidence(utterance_id, revision, key, at)
            for key, at in sorted(found.items())
            if (utterance_id, revision, key) not in known
        ]
        return replace(self, evidence=(self.evidence + tuple(added))[-MAX_EVIDENCE:]) if added else self

    def with_tail(self, tail: Tail) -> SpeakerState:
        """State with an utterance's last words; an older revision does not replace a newer one."""
        mine = next((t for t in self.tail if t.utterance_id == tail.utterance_id), None)
        if mine and mine.revision >= tail.revision:
            return self
        others = [t for t in self.tail if t.utterance_id != tail.utterance_id]
        kept = sorted([*others, tail], key=lambda t: (t.start_ms, t.utterance_id))
        return replace(self, tail=tuple(kept[-MAX_TAIL:]))

    def tail_before(self, utterance_id: str, start_ms: float, carry_ms: float) -> Tail | None:
        """The utterance that ended not more than ``carry_ms`` before, or overlaps the beginning of, this one."""
        before = [
            t for t in self.tail
            if t.utterance_id != utterance_id and t.start_ms < start_ms and start_ms - t.end_ms <= carry_ms
        ]  # fmt: skip
        return max(before, key=lambda t: (t.start_ms, t.utterance_id)) if before else None

    def with_voice(self, score: VoiceScore) -> SpeakerState:
        """State with an utterance's voice score; an older revision does not replace a newer one."""
        mine = next((v for v in self.voice if v.utterance_id == score.utterance_id), None)
        if mine and mine.revision >= score.revision:
            return self
        others = [v for v in self.voice if v.utterance_id != score.utterance_id]
        kept = sorted([*others, score], key=lambda v: (v.at_ms, v.utterance_id))
        return replace(self, voice=tuple(kept[-MAX_VOICE:]))

    def with_cause(self, cause: Cause) -> SpeakerState:
        """State that remembers a cause."""
        return replace(self, causes=(*self.causes, cause)[-MAX_CAUSES:])

    def at(self, now_ms: float, strike_window_s: float) -> SpeakerState:
        """State with what has left its window forgotten; time never runs backwards."""
        newest = max(self.newest_ms, now_ms)
        since = newest - REMEMBER_MS
        return SpeakerState(
            newest_ms=newest,
            strikes=tuple(s for s in self.strikes if newest - s.at_ms <= strike_window_s * 1000.0),
            causes=tuple(c for c in self.causes if c.end_ms >= since),
            evidence=tuple(e for e in self.evidence if e.at_ms >= since),
            tail=tuple(t for t in self.tail if t.end_ms >= since),
            voice=tuple(v for v in self.voice if v.at_ms >= since),
        )
