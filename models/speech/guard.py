"""Hallucination guard: whether a transcript may be believed to be words that someone said.

Whisper writes fluent text for silence, noise and music: loops, stock phrases, and credits from the subtitles it was
trained on. `reason` looks at the signals of one result and names why not to believe it, or returns None. It is
pure, and knows nothing of the recogniser. A repeated insult is not a loop: repetition alone never withholds words, it
must come with a rate that no mouth reaches, with a decoder that did not end, or with doubt that anyone spoke.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from models.speech.interjections import is_interjection
from models.speech.phantoms import is_phantom, is_stock_phrase
from models.speech.text import repetition, units

_STAMMER = re.compile(r"[a-z]{0,3}?([a-z]{1,4}?)\1{7,}[a-z]{0,3}")
"""A word that is one to four letters at least eight times, however it begins and ends."""
_LETTERS = 4

Reason = Literal["silence", "empty", "interjection", "no-speech", "loop", "rate", "phantom", "uncertain", "unstable"]
"""Why words are withheld.

silence: no sound to speak of, not decoded. empty: the model heard no words. interjection: laughs, cries or hums, and no
word beside them. no-speech: the model's own signals say that nobody spoke. loop: one phrase over and over, faster than
speech or without end. rate: more words than can be said in the time. phantom: known hallucinations make up the text.
uncertain: tokens little better than chance. unstable: doubtful, and a second listening heard something else.
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
class Doubt:
    """A linear score of how likely nobody spoke; weights by logistic regression, see docs/models.md, "Guard"."""

    bias: float = -6.8
    logprob: float = 3.0
    no_speech: float = 9.0
    repetition: float = 4.0
    stock_phrase: float = 6.0

    def of(self, signals: Signals) -> float:
        """Return the score: log odds, above zero where hallucination is likelier than speech."""
        spoken = units(signals.text)
        # Both mark the same thing, words that come too easily; short ones ("谢谢") repeat by nature.
        repeated = self.repetition * repetition(spoken).share if len(spoken) >= 4 else 0.0
        easy = max(repeated, self.stock_phrase * is_stock_phrase(signals.text))
        return self.bias - self.logprob * signals.avg_logprob + self.no_speech * signals.no_speech_probability + easy


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Limits of the guard, with their sources.

    `no_speech` with `no_speech_logprob`: both must be passed, the rule of OpenAI's `whisper/transcribe.py`.
    `doubt`: the score above which words are withheld; `second_look`: above which a second listening must agree.
    `agreement`: the share of words that two listenings must have in common then. `compression` with
    `loop_logprob`: OpenAI's limit of 2.4, but only together with a poor log probability, since insults repeat.
    `uncertain_logprob`: below it a result is noise whatever else is said. `units_per_second`: Mandarin and English are
    spoken at 5 to 8 syllables a second (Pellegrino, Coupé, Marsico 2011); nobody says 11 characters or words.
    `loop_share`, `loop_times`: how much of the text one repeated phrase must make up, and how often.
    """

    doubt: float = 2.0
    second_look: float = 0.0
    agreement: float = 0.5
    no_speech: float = 0.6
    no_speech_logprob: float = -1.0
    uncertain_logprob: float = -2.0
    compression: float = 2.4
    loop_logprob: float = -1.0
    loop_share: float = 0.6
    loop_times: int = 4
    units_per_second: float = 11.0
    grace_units: int = 4
    weights: Doubt = Doubt()


DEFAULT = Thresholds()


def reason(signals: Signals, limits: Thresholds = DEFAULT) -> Reason | None:
    """Return why the words of one result must not be believed, or None."""
    spoken = units(signals.text)
    checks: tuple[tuple[Reason, Callable[[], bool]], ...] = (
        ("empty", lambda: not spoken),
        ("loop", lambda: is_loop(signals, limits)),
        ("phantom", lambda: is_phantom(signals.text)),
        ("interjection", lambda: is_interjection(signals.text)),
        ("rate", lambda: _too_fast(len(spoken), signals.seconds, limits)),
        ("uncertain", lambda: signals.avg_logprob < limits.uncertain_logprob),
        ("no-speech", lambda: _no_speech(signals, limits)),
    )
    return next((name for name, holds in checks if holds()), None)


def needs_second_look(signals: Signals, limits: Thresholds = DEFAULT) -> bool:
    """Say whether the words are too doubtful to be believed without a second listening."""
    return limits.weights.of(signals) > limits.second_look


def agreement(first: str, second: str) -> float:
    """Return the share of words (Chinese: characters) that two transcripts have in common, 0 to 1 (Dice)."""
    left, right = Counter(units(first)), Counter(units(second))
    total = left.total() + right.total()
    return 2 * (left & right).total() / total if total else 1.0


def is_loop(signals: Signals, limits: Thresholds = DEFAULT) -> bool:
    """Say whether the decoder got stuck: one phrase over and over, without end or faster than speech."""
    spoken = units(signals.text)
    if is_stammer(spoken):
        return True
    run = repetition(spoken)
    if run.times < limits.loop_times or run.share < limits.loop_share:
        return False
    doubtful = signals.compression_ratio > limits.compression and signals.avg_logprob < limits.loop_logprob
    return not signals.finished or doubtful or _too_fast(len(spoken), signals.seconds, limits)


def is_stammer(spoken: Sequence[str]) -> bool:
    """Say whether Latin words are a few letters over and over ("hehehehe", "ssss", "c c c c"): laughter and hiss.

    Words said again and again stay: those have spaces between them, and Chinese characters are words.
    """
    letters = len(spoken) >= _LETTERS and len(set(spoken)) == 1 and len(spoken[0]) == 1 and spoken[0].isascii()
    return letters or (bool(spoken) and all(_STAMMER.fullmatch(word) for word in spoken))


def _no_speech(signals: Signals, limits: Thresholds) -> bool:
    openai = signals.no_speech_probability > limits.no_speech and signals.avg_logprob < limits.no_speech_logprob
    return openai or limits.weights.of(signals) > limits.doubt


def _too_fast(count: int, seconds: float, limits: Thresholds) -> bool:
    return count > limits.grace_units + limits.units_per_second * seconds
