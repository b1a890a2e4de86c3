"""A load that can be counted: people who talk by turns, and a recogniser that takes a stated time and hears nothing.

Nothing here says how well speech is recognised; it is for what becomes of a queue, in real time or in virtual.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from models.speech.types import SpeechJob, SpeechResult, Word

HANGOVER_S = 0.5
"""Silence after which an utterance ends."""
PAD_SECONDS = 1.5
LONGEST_PARTIAL_S = 4.0
CARRIED = 15
"""Tracks of ``talk`` that two lanes at ``cost_s`` carry: so many load them to nine tenths."""


def cost_s(count: int, padded_seconds: float, *, partial: bool) -> float:
    """Seconds that one lane takes for a batch of ``count`` utterances padded to the same length.

    The encoder by the second; the decoder by its steps, which a batch shares. Near Whisper base, int8, on a core each
    (docs/models.md: 10 ms a step alone, 17 ms for 8).
    """
    return padded_seconds * (0.016 * count + (0.5 if partial else 1.0) * (0.036 + 0.004 * count))


@dataclass(frozen=True, slots=True)
class Said:
    """One revision of an utterance, and when it comes (s)."""

    at_s: float
    tenant: str
    track: str
    number: int
    """Of the utterance in its track."""
    revision: int
    seconds: float
    partial: bool

    @property
    def utterance(self) -> str:
        """Name of the utterance."""
        return f"{self.track}-{self.number}"


def talk(tracks: Mapping[str, int], seconds: float, seed: int, *, begin_s: float = 0.0, label: str = "") -> list[Said]:
    """Speakers of each tenant who talk by turns of 1.5 to 6 s with short pauses, a partial a second.

    Tracks are named by tenant, ``label`` and number; they begin within 4 s of ``begin_s``.
    """
    draw = random.Random(seed)
    said: list[Said] = []
    for tenant, count in tracks.items():
        for index in range(count):
            track = f"{tenant}-{label}{index}"
            at_s, number = 4.0 * draw.random(), 0
            while at_s < seconds:
                length, start_s = draw.uniform(1.5, 6.0), begin_s + at_s
                for n in range(1, int(length) + 1):
                    heard = min(float(n), LONGEST_PARTIAL_S)
                    said.append(Said(start_s + n, tenant, track, number, n - 1, heard, True))
                ends_s = start_s + length + HANGOVER_S
                said.append(Said(ends_s, tenant, track, number, int(length), length, False))
                at_s += length + draw.uniform(0.5, 2.0)
                number += 1
    return sorted(said, key=lambda each: each.at_s)


class StatedCost:
    """A recogniser that takes ``cost_s`` and says nothing of what was said."""

    name = "stated-cost"
    versions: Mapping[str, str] = {"stated-cost": "0" * 64}

    def transcribe(self, jobs: Sequence[SpeechJob], *, thorough: bool = True) -> list[SpeechResult]:
        """Take the time that the jobs cost, kind by kind."""
        del thorough
        for partial, group in groupby(jobs, key=lambda job: job.partial):
            batch = list(group)
            time.sleep(cost_s(len(batch), max(job.seconds for job in batch) + PAD_SECONDS, partial=partial))
        return [
            SpeechResult(
                id=job.id,
                text="",
                language="",
                language_probability=0.0,
                posterior={},
                avg_logprob=0.0,
                no_speech_probability=0.0,
                compression_ratio=0.0,
                guard="not-heard",
            )
            for job in jobs
        ]

    def word_times(self, job: SpeechJob, result: SpeechResult) -> list[Word]:
        """None are known."""
        del job, result
        return []

    def close(self) -> None:
        """Nothing to free."""
