"""How hard the recogniser listens, and where it stops."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from models.speech import guard
from models.speech.language import LanguagePolicy
from models.speech.mel import HOP, MAX_FRAMES, SAMPLE_RATE

MAX_SECONDS: Final = MAX_FRAMES * HOP / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard to listen: silence added after the speech, the least length encoded, beam width (1: greedy)."""

    pad_seconds: float
    least_seconds: float
    beam: int

    def padded_seconds(self, seconds: float) -> float:
        """Return the length that an utterance of `seconds` is padded to."""
        return min(MAX_SECONDS, max(self.least_seconds, seconds + self.pad_seconds))


@dataclass(frozen=True, slots=True)
class WhisperOptions:
    """Everything that can be set. Sources of the values: docs/models.md, "Recogniser".

    `first`, `second`: efforts for finals; `partial`: for revisions of open utterances. `retry_logprob`: a result
    below it is tried again with effort `second`; `retry_share`: at most this share of a batch (and at least one) is.
    `partial_agreement`: a doubtful partial is believed where it shares so much of its words with the revision before:
    two windows of 3 s, one second apart, have two thirds of their speech in common, half of which must be heard alike.
    `split_share`: at most this share of a batch is decoded in two languages. A transcript may have `tokens_base`
    + `tokens_per_second` times its seconds in tokens (partials: `partial_tokens_per_second`).
    `silence_dbfs`: an utterance whose peak is below is not decoded at all.
    """

    first: Effort = Effort(pad_seconds=1.5, least_seconds=4.0, beam=1)
    second: Effort = Effort(pad_seconds=3.0, least_seconds=10.0, beam=5)
    partial: Effort = Effort(pad_seconds=1.0, least_seconds=2.5, beam=1)
    partial_agreement: float = 1 / 3
    max_batch: int = 16
    stretch: float = 1.6
    language: LanguagePolicy = field(default_factory=LanguagePolicy)
    guard: guard.Thresholds = guard.DEFAULT
    retry_logprob: float = -1.0
    retry_share: float = 0.25
    split_share: float = 0.5
    tokens_base: int = 10
    tokens_per_second: float = 12.0
    partial_tokens_per_second: float = 8.0
    silence_dbfs: float = -60.0

    def token_cap(self, seconds: float, *, partial: bool = False) -> int:
        """Return how many tokens an utterance of `seconds` may have."""
        rate = self.partial_tokens_per_second if partial else self.tokens_per_second
        return self.tokens_base + int(rate * seconds)
