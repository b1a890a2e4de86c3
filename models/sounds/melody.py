"""Whether a voice sings: it holds notes and steps between them, where talk glides.

A note is a stretch of pitch that, once vibrato is smoothed away, stays within half a semitone for 200 ms (Gerhard
2003; Tsai and Ma 2014: intervals and held pitches tell song from speech). In talk, Mandarin's level tone included, the
pitch is so still for less than a tenth of the voiced time; a voice that drones holds its pitch, but has one note only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.sounds.pitch import HOP_MS, Contour

_VIBRATO: Final = round(150 / HOP_MS)
"""A period of vibrato of 6 to 7 Hz."""
_LEAST: Final = round(200 / HOP_MS)
_RANGE: Final = 0.5
_LEAP: Final = 1.0
"""Semitones between two frames that no voice glides in: there a new stretch begins."""


@dataclass(frozen=True, slots=True)
class Melody:
    """`held`: share of the voiced time in notes. `notes`: how many. `span`: semitones from lowest to highest."""

    held: float = 0.0
    notes: int = 0
    span: float = 0.0


def melody(contour: Contour) -> Melody:
    """Return what is sung in a contour."""
    semitones = contour.semitones
    voiced = np.isfinite(semitones)
    notes = [note for stretch in _stretches(semitones, voiced) for note in _notes(stretch)]
    if not notes:
        return Melody()
    pitches = [float(np.median(note)) for note in notes]
    held = sum(len(note) for note in notes) / int(voiced.sum())
    return Melody(held, len(notes), max(pitches) - min(pitches))


def _stretches(semitones: NDArray[np.float64], voiced: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Voiced stretches that may hold a note, cut at leaps."""
    linked = voiced[1:] & voiced[:-1] & (np.abs(np.diff(semitones, prepend=np.nan)[1:]) < _LEAP)
    pieces = np.split(semitones, np.flatnonzero(~linked) + 1)
    return [piece for piece in pieces if len(piece) >= _LEAST and np.isfinite(piece[0])]


def _notes(stretch: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Parts of a voiced stretch in which the smoothed pitch stays within the range, longest first from the left."""
    half = _VIBRATO // 2
    smooth = np.convolve(np.pad(stretch, half, mode="edge"), np.ones(2 * half + 1) / (2 * half + 1), mode="valid")
    notes, begin, low, high = [], 0, smooth[0], smooth[0]
    for at, pitch in enumerate([*smooth[1:], np.inf], 1):
        low, high = min(low, pitch), max(high, pitch)
        if high - low > _RANGE:
            if at - begin >= _LEAST:
                notes.append(stretch[begin:at])
            begin, low, high = at, pitch, pitch
    return notes
