"""What one pass of the recogniser says of one utterance, and how a result is made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from models.speech import guard
from models.speech.language import Choice, LanguagePolicy
from models.speech.options import WhisperOptions
from models.speech.phantoms import is_stock_phrase
from models.speech.stability import without_loop
from models.speech.text import compression_ratio
from models.speech.types import Alternative, Encoded, SpeechJob, SpeechResult


@dataclass(frozen=True, slots=True)
class Reading:
    """One hypothesis for one utterance."""

    language: str
    text: str
    tokens: tuple[int, ...]
    avg_logprob: float
    no_speech: float
    finished: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """What one pass says about one utterance: readings, best first."""

    choice: Choice
    readings: tuple[Reading, ...]
    padded_seconds: float
    encode_seconds: float
    decode_seconds: float
    degraded: tuple[str, ...] = ()
    stable: bool = True
    encoded: Encoded | None = None

    @property
    def best(self) -> Reading:
        """The reading that counts."""
        return self.readings[0]


def score(choice: Choice) -> Callable[[Reading], float]:
    """Return the key that ranks readings: mean log probability, plus the language's own evidence per reading."""

    def key(reading: Reading) -> float:
        belief = choice.posterior.get(reading.language, 1.0)
        return reading.avg_logprob + 0.2 * float(np.log(max(belief, 1e-3)))

    return key


def is_poor(job: SpeechJob, draft: Draft, options: WhisperOptions) -> bool:
    """Say whether a second pass may change the outcome: doubtful words, or a decoder that went astray."""
    signals = _signals(job, draft.best)
    reason = guard.reason(signals, options.guard)
    if reason not in (None, "interjection"):
        return reason in ("loop", "rate")
    return draft.best.avg_logprob < options.retry_logprob or guard.needs_second_look(signals, options.guard)


def settle(job: SpeechJob, first: Draft, second: Draft, limits: guard.Thresholds) -> Draft:
    """Choose between two passes: a decoder that ended, then the higher mean log probability.

    Doubtful words that the two do not share are nobody's: hallucinations change with the padding.
    """
    chosen = max(second, first, key=lambda draft: (draft.best.finished, draft.best.avg_logprob))
    doubtful = guard.needs_second_look(_signals(job, first.best), limits)
    same = guard.agreement(first.best.text, second.best.text) >= limits.agreement
    return replace(
        chosen,
        encode_seconds=first.encode_seconds + second.encode_seconds,
        decode_seconds=first.decode_seconds + second.decode_seconds,
        stable=same or not doubtful,
    )


def result(job: SpeechJob, draft: Draft, options: WhisperOptions) -> SpeechResult:
    """Return what may be said of the utterance: its words, or the reason why they are withheld."""
    best = draft.best
    text, tokens = best.text, best.tokens
    reason = guard.reason(_signals(job, best), options.guard)
    if reason is None and not draft.stable:
        reason = "unstable"
    if job.partial and reason in ("loop", "rate", "no-speech"):
        once = without_loop(text).strip()
        if _confirmed(job, best, once, options):
            reason, tokens, text = None, tokens if once == text else (), once
    return SpeechResult(
        id=job.id,
        text="" if reason else text,
        language="" if reason else best.language,
        language_probability=draft.choice.probability,
        posterior=draft.choice.posterior,
        avg_logprob=best.avg_logprob,
        no_speech_probability=best.no_speech,
        compression_ratio=compression_ratio(best.text),
        tokens=() if reason else tokens,
        guard=reason,
        withheld=text if reason else "",
        alternatives=() if reason else _alternatives(draft),
        padded_seconds=draft.padded_seconds,
        encode_seconds=draft.encode_seconds,
        decode_seconds=draft.decode_seconds,
        degraded=draft.degraded,
        encoded=None if reason else draft.encoded,
    )


def silent(job: SpeechJob, policy: LanguagePolicy) -> SpeechResult:
    """Return the result for an utterance without sound."""
    choice = policy.choose([], job.prior)
    return SpeechResult(
        id=job.id,
        text="",
        language="",
        language_probability=0.0,
        posterior=choice.posterior,
        avg_logprob=0.0,
        no_speech_probability=1.0,
        compression_ratio=0.0,
        guard="silence",
    )


def _confirmed(job: SpeechJob, best: Reading, text: str, options: WhisperOptions) -> bool:
    """Whether the revision before says the same as this doubtful partial, and it is not what is made of noise.

    A window that begins and ends within words looks to Whisper as if nobody spoke. The revision before is another
    listening, and hallucinations change with what is listened to.
    """
    limits = options.guard
    again = replace(best, text=text, finished=True)
    if is_stock_phrase(text) or guard.reason(_signals(job, again), limits) not in (None, "no-speech"):
        return False
    if best.avg_logprob < limits.no_speech_logprob:
        return False
    return guard.agreement(job.previous, text) >= options.partial_agreement if job.previous else False


def _signals(job: SpeechJob, reading: Reading) -> guard.Signals:
    return guard.Signals(
        text=reading.text,
        seconds=job.seconds if job.speech_seconds is None else job.speech_seconds,
        avg_logprob=reading.avg_logprob,
        no_speech_probability=reading.no_speech,
        compression_ratio=compression_ratio(reading.text),
        finished=reading.finished,
    )


def _alternatives(draft: Draft) -> tuple[Alternative, ...]:
    seen = {draft.best.text, ""}
    found = []
    for reading in draft.readings[1:]:
        if reading.text not in seen:
            seen.add(reading.text)
            found.append(Alternative(reading.text, reading.language, reading.avg_logprob))
    return tuple(found)
