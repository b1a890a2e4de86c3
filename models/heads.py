"""Optional heads: what else is said of an utterance beside its words, one model each, put together here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.sounds.types import SoundEvent
from models.speech.timing import WordTime
from models.synthetic.verdict import SyntheticVerdict

NOT_SPEECH = frozenset({"music", "singing"})
"""Sounds under which a voice is not judged: singing and instruments are out of the detector's domain."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What heads say of one utterance.

    `words`: times of the transcript's words, in ms from the start of the utterance, where they were asked for.
    `hit`: whether the transcript has a hit of the worker's lexicon.
    `unspoken` names what the utterance is instead of talk ("singing", "music"): its words must not be believed then.
    `models` maps each head that ran to the SHA-256 of its weights; `degraded` names what was left out.
    """

    synthetic: SyntheticVerdict | None = None
    sounds: tuple[SoundEvent, ...] = ()
    unspoken: str | None = None
    words: tuple[WordTime, ...] = ()
    hit: bool = False
    models: tuple[tuple[str, str], ...] = ()
    degraded: tuple[str, ...] = ()


NOTHING = Assessment()
"""What no head says."""


class Head(Protocol):
    """A model beside the recogniser. One thread makes all calls."""

    @property
    def name(self) -> str:
        """Name in settings, in the finding's `models`, and, after "no-", in `degraded`."""

    @property
    def partials(self) -> bool:
        """Whether it also looks at partial revisions."""

    @property
    def versions(self) -> Mapping[str, str]:
        """SHA-256 of each set of weights in use, by name."""

    def assess(self, samples: NDArray[np.int16], *, partial: bool, speech_seconds: float | None) -> Assessment:
        """Say what this head knows of an utterance: 16 kHz, mono, with so much speech in it, if that is known."""


def combined(parts: Iterable[Assessment]) -> Assessment:
    """One assessment out of several heads'; where one hears music or singing, no voice is called anything."""
    whole = NOTHING
    for part in parts:
        whole = Assessment(
            synthetic=part.synthetic or whole.synthetic,
            sounds=(*whole.sounds, *part.sounds),
            unspoken=part.unspoken or whole.unspoken,
            words=(*whole.words, *part.words),
            models=(*whole.models, *part.models),
            degraded=(*whole.degraded, *part.degraded),
        )
    if whole.synthetic is not None and NOT_SPEECH.intersection(event.label for event in whole.sounds):
        return replace(whole, synthetic=replace(whole.synthetic, verdict="insufficient"))
    return whole
