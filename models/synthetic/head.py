"""The detectors as a head of `listen`: the shipped one, and whatever others are brought along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from models.heads import NOTHING, Assessment
from models.synthetic.detector import SyntheticDetector
from models.synthetic.external import ExternalDetector
from models.synthetic.fusion import Opinion, fused
from models.synthetic.verdict import SyntheticVerdict
from models.synthetic.windows import Mask, Samples

OWN = "synthetic-voice"
"""The shipped detector's name in findings."""


class SyntheticHead:
    """Scores whole utterances; a partial is not worth its cost, for the final says it better soon after."""

    name = "synthetic"
    partials = False

    def __init__(self, others: Sequence[Path] = (), threads: int = 1) -> None:
        """Load the shipped detector and those described by `others`. Raises DetectorError if one cannot be used."""
        self._own = SyntheticDetector(threads=threads)
        self._others = [ExternalDetector(file, threads) for file in others]
        versions = {OWN: self._own.version}
        for other in self._others:
            versions |= other.versions
        self.versions: Mapping[str, str] = MappingProxyType(versions)

    def assess(self, samples: NDArray[np.int16], *, partial: bool, speech_seconds: float | None) -> Assessment:
        """Return the verdict on a final utterance, nothing on a partial."""
        if partial:
            return NOTHING
        verdict = self.score(samples.astype(np.float32) / 32768.0, speech_seconds=speech_seconds)
        return Assessment(synthetic=verdict, models=tuple(self.versions.items()))

    def score(
        self, samples: Samples, speech_mask: Mask | None = None, *, speech_seconds: float | None = None
    ) -> SyntheticVerdict:
        """Return the verdict on samples in [-1, 1]; see `SyntheticDetector.score`."""
        own = self._own.score(samples, speech_mask, speech_seconds=speech_seconds)
        if not self._others:
            return own
        opinions = [Opinion(OWN, 1.0, self._own.card.calibration, own)]
        for other in self._others:
            verdict = other.score(samples, speech_seconds=own.speech_seconds)
            opinions.append(Opinion(other.name, other.weight, other.calibration, verdict))
        return fused(opinions)
