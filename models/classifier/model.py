"""The text model: a linear layer of int8 weights over hashed n-grams, calibrated per head and language.

``text.npz`` holds, per language, the weights [buckets, heads]; ``text.json`` beside it their SHA-256, the scales, the
calibration and thresholds, and what was measured. Only NumPy runs them.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.classifier.features import BUCKETS, FEWEST, features, languages, normalised

Weights = NDArray[np.int8]

# Head -> the category that it proposes; the order is that of the columns of the weights.
CATEGORIES = {
    "abuse": "abuse/insult/personal",
    "threat": "threat/violence/person",
    "sexual": "sexual/solicitation/service",
    "fraud": "fraud/pitch/general",
}
_UNDERSTOOD = {"", "zh", "en", "mixed"}
_WEIGHTS = Path(__file__).parent / "weights"
_CARD = "text.json"
_ARRAYS = "text.npz"


class TextModelError(ValueError):
    """The weights cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the model takes a text for.

    ``probability`` is the calibrated posterior at the card's prior, ``llr`` the log-likelihood ratio behind it in nats,
    ``span`` the half-open range of the text it is about: the whole text, because the model judges sentences.
    """

    head: str
    category: str
    language: str
    probability: float
    llr: float
    span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Head:
    """Calibration of one head in one language.

    The score is ``scale`` times the summed weights over the root of the number of n-grams (64 at least), plus ``bias``;
    its log-likelihood ratio is affine in it. From ``threshold`` (an LLR) up the head proposes, unless it ``abstains``:
    then the text says why.
    """

    scale: float
    bias: float
    slope: float
    offset: float
    threshold: float
    abstains: str = ""

    def __post_init__(self) -> None:
        if self.slope <= 0.0:
            raise TextModelError(f"slope: {self.slope} would turn the score round; train the model again")

    def llr(self, total: float, count: int) -> float:
        """Log-likelihood ratio for the summed weights of ``count`` n-grams."""
        return self.slope * (self.scale * total / math.sqrt(max(FEWEST, count)) + self.bias) + self.offset


class TextModel:
    """Judges sentences. Immutable and safe to share between threads; loading checks the weights' hash.

    Raises TextModelError where the files are missing, damaged or of another shape.
    """

    def __init__(self, folder: Path = _WEIGHTS) -> None:
        try:
            card = json.loads((folder / _CARD).read_text(encoding="utf-8"))
            packed = (folder / _ARRAYS).read_bytes()
        except FileNotFoundError as missing:
            name = Path(str(missing.filename)).name
            raise TextModelError(f"{name}: not found; reinstall, or train the text model") from None
        except ValueError as error:
            raise TextModelError(f"{_CARD}: not JSON; reinstall, or train the text model") from error
        if hashlib.sha256(packed).hexdigest() != card.get("sha256"):
            raise TextModelError(f"{_ARRAYS}: SHA-256 differs from the card; reinstall, or train the text model")
        with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
            self._weights: dict[str, Weights] = {language: arrays[language] for language in arrays.files}
        self.version: str = card["sha256"]
        try:
            self.prior = float(card["prior"])
            self.heads: Mapping[str, Mapping[str, Head]] = {
                language: {name: Head(**fields) for name, fields in heads.items()}
                for language, heads in card["heads"].items()
            }
            self.measured: Mapping[str, Any] = card["measured"]
        except (KeyError, TypeError) as error:
            raise TextModelError(f"{_CARD}: a field is missing; reinstall, or train the text model") from error
        for language, weights in self._weights.items():
            if weights.shape != (BUCKETS, len(CATEGORIES)) or list(self.heads.get(language, ())) != list(CATEGORIES):
                raise TextModelError(f"{_ARRAYS}: {language} has another shape than this version reads; train it again")

    def ratios(self, text: str, language: str) -> dict[str, float]:
        """Log-likelihood ratio of each head for a text taken as ``zh`` or ``en``, thresholds and abstention aside."""
        buckets = features(normalised(text), language)
        totals = self._weights[language][buckets].sum(axis=0, dtype=np.int64)
        heads = self.heads[language]
        return {name: heads[name].llr(float(totals[i]), len(buckets)) for i, name in enumerate(CATEGORIES)}

    def probability(self, llr: float) -> float:
        """Posterior of an offence at the card's prior."""
        return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, llr + math.log(self.prior / (1.0 - self.prior))))))

    def classify(self, text: str, language: str = "") -> tuple[Proposal, ...]:
        """Proposals for a sentence, likeliest first; none for texts too short to judge or in other languages.

        ``language`` is what the recogniser heard (``zh``, ``en``, ``mixed``, or "" where unknown). The script decides
        which weights read the text; one in both scripts is read by both, and the surer speaks.
        """
        if language not in _UNDERSTOOD:
            return ()
        best: dict[str, Proposal] = {}
        for tongue in languages(normalised(text)):
            for name, llr in self.ratios(text, tongue).items():
                head = self.heads[tongue][name]
                if head.abstains or llr < head.threshold or (name in best and best[name].llr >= llr):
                    continue
                best[name] = Proposal(name, CATEGORIES[name], tongue, self.probability(llr), llr, (0, len(text)))
        return tuple(sorted(best.values(), key=lambda p: (-p.llr, p.head)))


@cache
def load_text_model() -> TextModel:
    """The model that comes with the package, loaded once."""
    return TextModel()


def classify(text: str, language: str = "") -> tuple[Proposal, ...]:
    """``TextModel.classify`` of the model that comes with the package."""
    return load_text_model().classify(text, language)
