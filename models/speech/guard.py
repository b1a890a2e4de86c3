"""Hallucination guard: whether a transcript may be believed to be words that someone said.

Whisper writes fluent text for silence, noise and music: loops, and credits from the subtitles it was trained on.
`reason` looks at the signals of one result and names why not to believe it, or returns None. It is pure, and
knows nothing of the recogniser. A repeated insult is not a loop: repetition alone never withholds words, it must
come with a rate that no mouth reaches, or with a decoder that did not end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from models.speech.phantoms import is_phantom, is_stock_phrase
from models.speech.text import repetition, units

Reason = Literal["silence", "empty", "no-speech", "loop", "rate", "phantom", "uncertain"]
"""Why words are withheld.

silence: no sound to speak of, not decoded. empty: the model heard no words. no-speech: the model itself doubts
that anyone spoke. loop: one phrase over and over, faster than speech or without end. rate: more words than can
be said in the time. phantom: a known hallucination makes up the text. uncertain: tokens little better than chance.
"""


@dataclass(frozen=True, slots=True)
class Signals:
    """What the guard looks at. `seconds`: length of the speech. `finished`: the decoder ended by itself."""

    text: str
    seconds: float
    avg_logprob: float
    no_speech_probability: float
    compression_ratio: float
    finished: bool = True


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Limits of the guard, with their sources.

    `no_speech` with `no_speech_logprob`: both must be passed, the rule of OpenAI's `whisper/transcribe.py`.
    `compression` with `loop_logprob`: ditto (2.4), but with a doubtful log probability, since insults repeat.
    `uncertain_logprob`: below it a result is noise whatever the model says. `units_per_second`: Mandarin is spoken
    at 5 to 7 syllables a second, English at 2 to 5 words; nobody says 11 of either (Pellegrino, Coupé, Marsico 2011).
    `loop_share`, `loop_times`: how much of the text one repeated phrase must make up, and how often.
    """

    no_speech: float = 0.6
    no_speech_logprob: float = -1.0
    uncertain_logprob: float = -2.0
    compression: float = 2.4
    loop_logprob: float = -1.0
    loop_share: float = 0.6
    loop_times: int = 4
    units_per_second: float = 11.0
    grace_units: int = 4


DEFAULT = Thresholds()


def is_loop(signals: Signals, limits: Thresholds = DEFAULT) -> bool:
    """Say whether the decoder got stuck: one phrase over and over, without end or faster than speech."""
    spoken = units(signals.text)
    run = repetition(spoken)
    if run.times < limits.loop_times or run.share < limits.loop_share:
        return False
    doubtful = signals.compression_ratio > limits.compression and signals.avg_logprob < limits.loop_logprob
    return not signals.finished or doubtful or _too_fast(len(spoken), signals.seconds, limits)


def reason(signals: Signals, limits: Thresholds = DEFAULT) -> Reason | None:
    """Return why the words of one result must not be believed, or None. See `Reason` for the order tried."""
    spoken = units(signals.text)
    checks: tuple[tuple[Reason, Callable[[], bool]], ...] = (
        ("empty", lambda: not spoken),
        ("loop", lambda: is_loop(signals, limits)),
        ("phantom", lambda: is_phantom(signals.text)),
        ("no-speech", lambda: _no_speech(signals, limits)),
        ("uncertain", lambda: signals.avg_logprob < limits.uncertain_logprob),
        ("rate", lambda: _too_fast(len(spoken), signals.seconds, limits)),
    )
    return next((name for name, holds in checks if holds()), None)


def _no_speech(signals: Signals, limits: Thresholds) -> bool:
    return (
        signals.no_speech_probability > limits.no_speech and signals.avg_logprob < limits.no_speech_logprob
    )


def _too_fast(count: int, seconds: float, limits: Thresholds) -> bool:
    return count > limits.grace_units + limits.units_per_second * seconds
