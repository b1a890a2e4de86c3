"""Evidence about one speaker, gathered utterance by utterance until a decision can be stated with its error rates.

Utterances of one speaker are not independent: the microphone, the room and the voice stay the same, so
they err together. With n utterances whose errors share a correlation r, their sum carries the evidence of
n / (1 + (n - 1) r) independent ones (the variance of a mean of equally correlated terms), which is how the
sum is discounted here. The thresholds are those of Wald's sequential probability ratio test.

A. Wald, Sequential Tests of Statistical Hypotheses, Annals of Mathematical Statistics 16 (1945).
"""

import math
from dataclasses import dataclass
from typing import Literal

Decision = Literal["synthetic", "human", "undecided"]


@dataclass(frozen=True, slots=True)
class SequentialTest:
    """What a decision may cost and how alike utterances of one speaker err.

    `false_alarm_rate` is the share of human speakers that may be called synthetic, `miss_rate` the share of
    synthetic ones that may be called human, `correlation` the r above, `clip` the most that one utterance
    counts (natural logarithm), so that a single confident mistake cannot decide alone. The default correlation
    is the one measured on held-out sources.
    Raises ValueError if a rate is not in (0, 0.5) or the correlation not in [0, 1].
    """

    false_alarm_rate: float = 0.01
    miss_rate: float = 0.05
    correlation: float = 0.5
    clip: float = 4.0

    def __post_init__(self) -> None:
        for field, rate in (("false_alarm_rate", self.false_alarm_rate), ("miss_rate", self.miss_rate)):
            if not 0.0 < rate < 0.5:
                raise ValueError(f"{field}: {rate} is not an error rate; give a number between 0 and 0.5")
        if not 0.0 <= self.correlation <= 1.0:
            raise ValueError(f"correlation: {self.correlation} is out of range; give a number from 0 to 1")
        if self.clip <= 0.0:
            raise ValueError(f"clip: {self.clip} would ignore every utterance; give a positive number")

    @property
    def upper(self) -> float:
        """Evidence (natural log) from which a speaker is called synthetic."""
        return math.log((1.0 - self.miss_rate) / self.false_alarm_rate)

    @property
    def lower(self) -> float:
        """Evidence (natural log) down to which a speaker is called human."""
        return math.log(self.miss_rate / (1.0 - self.false_alarm_rate))


@dataclass(frozen=True, slots=True)
class SpeakerEvidence:
    """The sum of log-likelihood ratios of `utterances` scored utterances; immutable, so it can live in a table."""

    total: float = 0.0
    utterances: int = 0

    def add(self, llr: float, test: SequentialTest) -> "SpeakerEvidence":
        """Return the evidence after one more utterance. Raises ValueError if `llr` is not a finite number."""
        if not math.isfinite(llr):
            raise ValueError("llr: not a finite number; leave out utterances whose verdict is insufficient")
        bounded = max(-test.clip, min(test.clip, llr))
        return SpeakerEvidence(self.total + bounded, self.utterances + 1)

    def llr(self, test: SequentialTest) -> float:
        """Return the log-likelihood ratio of all utterances together, discounted for their correlation."""
        return self.total / (1.0 + max(0, self.utterances - 1) * test.correlation)

    def decide(self, test: SequentialTest) -> Decision:
        """Return the decision that the evidence so far supports at the test's error rates."""
        llr = self.llr(test)
        if llr >= test.upper:
            return "synthetic"
        return "human" if llr <= test.lower else "undecided"
