"""What sounds an utterance holds beside its words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Label = Literal["speech", "singing", "music", "scream", "blast"]
DISRUPTIONS = ("scream", "blast")
"""Labels that are a risk of their own, category ``disruption/noise/<label>``."""


@dataclass(frozen=True, slots=True)
class SoundEvent:
    """One stretch of one kind of sound; events of different labels may overlap.

    Times are ms: from the start of the audio where it is heard, of capture where it is judged.
    `score`: mean probability over the stretch (speech, singing, music) or share of its frames that fulfil the
    detector's conditions (scream, blast), 0 to 1.
    """

    label: Label
    start_ms: float
    end_ms: float
    score: float
