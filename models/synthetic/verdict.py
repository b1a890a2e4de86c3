"""What a raw score means: calibration to a log-likelihood ratio, thresholds with stated error rates, a verdict."""

import math
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["synthetic", "human", "insufficient"]


@dataclass(frozen=True, slots=True)
class Window:
    """One scored stretch of an utterance: its place in ms from the utterance's start, and its log-likelihood ratio."""

    start_ms: int
    end_ms: int
    llr: float


@dataclass(frozen=True, slots=True)
class SyntheticVerdict:
    """What the detector says of one utterance.

    `llr` is the natural log of P(audio | synthetic) / P(audio | human), 0 if nothing could be scored;
    `probability` the posterior at the calibration's prior. Both are given with an `insufficient` verdict too,
    for the record; only `verdict` may be acted upon. `speech_seconds` is the speech the verdict rests on.
    """

    verdict: Verdict
    llr: float
    probability: float
    speech_seconds: float
    windows: tuple[Window, ...] = ()
    scores: tuple[tuple[str, float], ...] = ()
    """The ratio by detector, where there are several."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """An affine map from the graph's logit to a log-likelihood ratio, and the thresholds on it.

    Fitted by logistic regression on scores of held-out sources. From `synthetic_from` up a voice is called
    synthetic, down to `human_to` human; between them the evidence does not suffice. `prior` is the share of
    synthetic utterances that `probability` assumes. Raises ValueError if the numbers contradict each other.
    """

    slope: float
    offset: float
    synthetic_from: float
    human_to: float
    prior: float = 0.5

    def __post_init__(self) -> None:
        if self.slope <= 0.0:
            raise ValueError(f"slope: {self.slope} would turn the score round; swap the classes and refit")
        if self.human_to > self.synthetic_from:
            raise ValueError("human_to: lies above synthetic_from; a voice cannot be both human and synthetic")
        if not 0.0 < self.prior < 1.0:
            raise ValueError(f"prior: {self.prior} is not a probability; give a number between 0 and 1")

    def llr(self, logit: float) -> float:
        """Return the log-likelihood ratio for a logit of the graph."""
        return self.slope * logit + self.offset

    def probability(self, llr: float) -> float:
        """Return P(synthetic | audio) at the prior."""
        return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, llr + math.log(self.prior / (1.0 - self.prior))))))

    def verdict(self, llr: float) -> Verdict:
        """Return what `llr` supports; call it only for utterances with enough speech."""
        if llr >= self.synthetic_from:
            return "synthetic"
        return "human" if llr <= self.human_to else "insufficient"
