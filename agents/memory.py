"""What listen remembers: languages of speakers and rooms, latest revisions of open utterances, rooms with hits."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from models.speech import SpeechJob, SpeechResult
from models.speech.language import update_prior
from streams import records
from streams.identifiers import track_key

REMEMBERED = 20_000
SURE = 0.9
"""A revision whose language is this probable need not be asked for it again in the next partials…"""
ASK_EVERY = 4
"""…but in every so many, since people switch."""
SPACING_MS = 900.0
"""A partial that comes sooner than this after the last one heard is for when nothing else waits."""
AT_RISK_S = 60.0
"""A room in which something hit the lexicon is heard before others of its tenant for so long."""


@dataclass(frozen=True, slots=True)
class _Revision:
    """What was heard, believed or not, and its language if it is sure."""

    text: str
    language: str | None
    end_ms: float = 0.0
    hit: bool = False


class Memory:
    """Bounded: of what is remembered too much, the oldest is forgotten."""

    def __init__(self) -> None:
        self._speakers: OrderedDict[str, Mapping[str, float]] = OrderedDict()
        self._rooms: OrderedDict[str, Mapping[str, float]] = OrderedDict()
        self._revisions: OrderedDict[str, _Revision] = OrderedDict()
        self._hits: OrderedDict[str, float] = OrderedDict()

    def can_wait(self, utterance: records.Utterance) -> bool:
        """Whether a partial adds little: one that is hardly shorter was heard already, and nothing hit in it."""
        known = self._revisions.get(utterance.utterance_id)
        if utterance.final or known is None or known.hit:
            return False
        return utterance.end_ms - known.end_ms < SPACING_MS

    def hit(self, utterance: records.Utterance, now_s: float) -> None:
        """Something in the utterance has hit the lexicon."""
        self._hits[_room(utterance)] = now_s
        self._hits.move_to_end(_room(utterance))
        _trim(self._hits)

    def at_risk(self, utterance: records.Utterance, now_s: float) -> bool:
        """Whether there was a hit in the utterance's room of late."""
        return now_s - self._hits.get(_room(utterance), -AT_RISK_S) < AT_RISK_S

    def prior(self, utterance: records.Utterance) -> Mapping[str, float] | None:
        """How likely each language is before a word is heard: the speaker's habit, else the room's."""
        return self._speakers.get(_speaker(utterance)) or self._rooms.get(_room(utterance))

    def informed(self, utterance: records.Utterance, job: SpeechJob) -> SpeechJob:
        """The job with what the revision before has taught; call when that one is known to be published."""
        known = self._revisions.get(utterance.utterance_id)
        if known is None or utterance.final:
            return job
        ask = utterance.revision % ASK_EVERY == 0
        return replace(job, previous=known.text, language=None if ask else known.language)

    def before(self, utterance: records.Utterance) -> str:
        """What the revision before said, believed or not; "" if there was none."""
        known = self._revisions.get(utterance.utterance_id)
        return known.text if known is not None else ""

    def learn(self, utterance: records.Utterance, job: SpeechJob, result: SpeechResult, *, hit: bool = False) -> None:
        """Keep a partial for the next revision; a final's language makes the habit of its speaker and its room."""
        if not utterance.final:
            sure = result.language if result.language_probability >= SURE else ""
            language = job.language or sure or None  # a guarded result has none
            text = result.text or result.withheld
            self._revisions[utterance.utterance_id] = _Revision(text, language, utterance.end_ms, hit)
            _trim(self._revisions)
            return
        self._revisions.pop(utterance.utterance_id, None)
        if result.guard:
            return  # guarded words say nothing about a language
        for habits, key in ((self._speakers, _speaker(utterance)), (self._rooms, _room(utterance))):
            habits[key] = update_prior(habits.get(key), result.posterior)
            habits.move_to_end(key)
            _trim(habits)


def _speaker(utterance: records.Utterance) -> str:
    return track_key(utterance.tenant, utterance.room, utterance.session, utterance.speaker)


def _room(utterance: records.Utterance) -> str:
    return f"{utterance.tenant}\x1f{utterance.room}"


def _trim(remembered: OrderedDict[str, Any]) -> None:
    while len(remembered) > REMEMBERED:
        remembered.popitem(last=False)
