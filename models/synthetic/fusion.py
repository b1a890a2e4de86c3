"""One verdict out of several detectors': the weighted mean of their log-likelihood ratios, held to the mean thresholds.

The mean, not the sum: detectors hear the same recording and err together, so a second one adds trust in
the first, not evidence of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.synthetic.verdict import Calibration, SyntheticVerdict


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one detector says, and how much it weighs."""

    name: str
    weight: float
    calibration: Calibration
    verdict: SyntheticVerdict


def fused(opinions: Sequence[Opinion]) -> SyntheticVerdict:
    """Return the common verdict with each one's ratio in `scores`; the windows are the first's.

    Insufficient if any detector abstained for want of speech. Raises ValueError without opinions.
    """
    if not opinions:
        raise ValueError("opinions: pass at least one")
    total = sum(opinion.weight for opinion in opinions)

    def mean(values: Sequence[float]) -> float:
        return sum(o.weight * value for o, value in zip(opinions, values, strict=True)) / total

    first = opinions[0]
    llr = mean([o.verdict.llr for o in opinions])
    calibration = Calibration(
        slope=1.0,
        offset=0.0,
        synthetic_from=mean([o.calibration.synthetic_from for o in opinions]),
        human_to=mean([o.calibration.human_to for o in opinions]),
        prior=first.calibration.prior,
    )
    return SyntheticVerdict(
        verdict=calibration.verdict(llr) if all(o.verdict.windows for o in opinions) else "insufficient",
        llr=llr,
        probability=calibration.probability(llr),
        speech_seconds=first.verdict.speech_seconds,
        windows=first.verdict.windows,
        scores=tuple((o.name, o.verdict.llr) for o in opinions),
    )
