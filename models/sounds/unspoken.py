"""Whether an utterance is singing or music rather than somebody talking: then its words are nobody's statement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from models.sounds.melody import Melody
from models.sounds.types import Label

Unspoken = Literal["singing", "music"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits by inspection of the fitting half and of speech; see docs/models.md, "Sound events".

    By the detector's shares of time: `speech` with `other`: hardly any talk, and so much singing or music. `sung` with
    `speech_while_singing`: mostly singing, and little talk.
    By the voice's own notes, where music fills less than `accompanied` (else they are the instruments', in the pauses
    of talk): `span`: the least tune, in semitones from the lowest note to the highest. `held`: the share of the voice
    in the notes of a tune of at least `notes`, and `held_by_two` of two. `held_by_one`: the share in notes of any kind,
    where the detector hears talk for less than `clear_speech`. `drone`: `notes` or more that lie no further apart, for
    at least `held`, are a voice that talks on one note, as changed by a machine: the detector takes it for singing.
    """

    speech: float = 0.15
    other: float = 0.3
    sung: float = 0.5
    speech_while_singing: float = 0.3
    span: float = 1.8
    notes: int = 3
    held: float = 0.25
    held_by_two: float = 0.6
    held_by_one: float = 0.65
    clear_speech: float = 0.7
    drone: float = 0.5
    accompanied: float = 0.3


DEFAULT = Limits()


def unspoken(shares: Mapping[Label, float], tune: Melody, limits: Limits = DEFAULT) -> Unspoken | None:
    """Return what an utterance is if nobody talks in it, from the shares of its time and its notes, else None."""
    speech, singing, music = shares["speech"], shares["singing"], shares["music"]
    alone = music < limits.accompanied
    if alone and tune.notes >= limits.notes and tune.held >= limits.held and tune.span < limits.drone:
        return None
    if singing >= limits.sung and speech < limits.speech_while_singing:
        return "singing"
    if speech < limits.speech and singing + music >= limits.other:
        return "singing" if singing >= music / 2 else "music"
    return "singing" if alone and _is_sung(tune, speech, limits) else None


def _is_sung(tune: Melody, speech: float, limits: Limits) -> bool:
    least = limits.held if tune.notes >= limits.notes else limits.held_by_two
    if tune.span >= limits.span and tune.held >= least:
        return True
    return tune.held >= limits.held_by_one and speech < limits.clear_speech
