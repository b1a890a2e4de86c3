"""Sounds beside words: speech, singing and music, screams and blasts, each with its place in the utterance."""

from models.sounds.types import DISRUPTIONS, Label, SoundEvent

__all__ = ["DISRUPTIONS", "Label", "SoundEvent"]
