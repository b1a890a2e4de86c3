"""Files through the same segment engine and recogniser as live rooms: what ``listen`` would say of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agents.rehearing import Rehearing
from loadtest import clips, cutting
from models.heads import NOTHING
from models.segments import Utterance
from models.speech import Recogniser, SpeechJob, SpeechResult
from models.synthetic import SyntheticVerdict, rhythm
from models.synthetic.declared import Status, of_file, strongest
from models.synthetic.head import SyntheticHead
from models.synthetic.windows import FRAME, loud_frames

PER_MS = clips.RATE // 1000


@dataclass(frozen=True, slots=True)
class HeardUtterance:
    """One utterance of a file; times in seconds from its start."""

    start_s: float
    end_s: float
    result: SpeechResult


def utterances(path: Path) -> list[Utterance]:
    """The final utterances of a file, as ``segment`` cuts them.

    Raises:
        clips.UnreadableClipError: when the file cannot be decoded.
    """
    return cutting.utterances(clips.read(path))


def hear(recogniser: Recogniser, path: Path, rehearing: Rehearing | None = None) -> list[HeardUtterance]:
    """What the recogniser says of each utterance of a file, near misses included where they are asked for."""
    cut = utterances(path)
    jobs = [
        SpeechJob(id=str(index), samples=utterance.samples, speech_seconds=utterance.speech_ms / 1000.0)
        for index, utterance in enumerate(cut)
    ]
    results = recogniser.transcribe(jobs) if jobs else []
    if rehearing is not None:
        results = rehearing.settled(recogniser, jobs, results, [NOTHING] * len(jobs), busy=False)
    return [
        HeardUtterance(utterance.start_ms / 1000.0, utterance.end_ms / 1000.0, result)
        for utterance, result in zip(cut, results, strict=True)
    ]


def score(head: SyntheticHead, path: Path) -> SyntheticVerdict:
    """What the detectors say of a whole file; speech is what `segment` would cut out of it.

    Raises:
        clips.UnreadableClipError: when the file cannot be decoded.
    """
    samples = clips.read(path).astype(np.float32) / 32768.0
    cut = utterances(path)
    mask = loud_frames(samples)
    spoken = np.zeros_like(mask)
    for utterance in cut:
        spoken[int(utterance.start_ms * PER_MS / FRAME) : int(utterance.end_ms * PER_MS / FRAME) + 1] = True
    return head.score(samples, mask & spoken, speech_seconds=sum(part.speech_ms for part in cut) / 1000.0)


def declared(path: Path) -> Status:
    """What the voice in a file says of itself: by a label in the tags, or by the audible mark.

    Raises:
        clips.UnreadableClipError: when the file cannot be decoded.
    """
    return strongest((of_file(path), "suspected" if rhythm.heard(clips.read(path)) else ""))
