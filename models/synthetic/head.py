"""The detector as a head of `listen`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from models.heads import Assessment
from models.synthetic.detector import SyntheticDetector


class SyntheticHead:
    """Scores whole utterances; a partial is not worth its cost, for the final says it better soon after."""

    name = "synthetic"

    def __init__(self, detector: SyntheticDetector | None = None) -> None:
        """Load the shipped detector unless one is given. Raises DetectorError if it cannot be used."""
        self._detector = detector or SyntheticDetector()
        self.versions: Mapping[str, str] = MappingProxyType({"synthetic-voice": self._detector.version})

    def assess(self, samples: NDArray[np.int16], *, partial: bool, speech_seconds: float | None) -> Assessment:
        """Return the verdict on a final utterance, nothing on a partial."""
        if partial:
            return Assessment()
        verdict = self._detector.score(samples.astype(np.float32) / 32768.0, speech_seconds=speech_seconds)
        return Assessment(synthetic=verdict, models=tuple(self.versions.items()))
