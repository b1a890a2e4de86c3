"""How many words the recogniser puts into sound without words, and how many of them get past the guard.

Everything goes the way of live sound: cut by ``segment``, recognised in batches, guarded by the recogniser's own
signals, then by the sound events. What passes counts as a false utterance, sung words too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from loadtest import cutting
from loadtest.clips import RATE
from loadtest.nonspeech.collection import Clip
from models.sounds.head import SoundsHead
from models.speech import Recogniser, SpeechJob

_BATCH = 16


@dataclass(slots=True)
class Row:
    """One kind of sound."""

    seconds: float = 0.0
    utterances: int = 0
    cut_seconds: float = 0.0
    guarded: Counter[str] = field(default_factory=Counter)
    words_only: int = 0
    """Passed the recogniser's guard; what would come through without the sound events."""
    passed: list[dict[str, str]] = field(default_factory=list)


def measure(clips: Iterable[Clip], recogniser: Recogniser, head: SoundsHead) -> dict[str, Row]:
    """Send ``clips`` through; a row a kind, in the order of the clips."""
    rows: dict[str, Row] = {}
    for group in _batches(clips, rows):
        results = recogniser.transcribe([job for _, job in group])
        for (clip, job), result in zip(group, results, strict=True):
            row = rows[clip.kind]
            samples = np.asarray(job.samples, np.int16)
            unspoken = head.assess(samples, partial=False, speech_seconds=job.speech_seconds).unspoken
            reason = result.guard or unspoken
            row.words_only += result.guard is None
            if reason:
                row.guarded[reason] += 1
            else:
                row.passed.append({"clip": clip.name, "text": result.text, "language": result.language})
    return rows


def _batches(clips: Iterable[Clip], rows: dict[str, Row]) -> Iterator[Sequence[tuple[Clip, SpeechJob]]]:
    def cut() -> Iterator[tuple[Clip, SpeechJob]]:
        for clip in clips:
            row = rows.setdefault(clip.kind, Row())
            row.seconds += len(clip.samples) / RATE
            for number, utterance in enumerate(cutting.utterances(clip.samples)):
                row.utterances += 1
                row.cut_seconds += len(utterance.samples) / RATE
                spoken = utterance.speech_ms / 1000.0
                yield clip, SpeechJob(f"{clip.name}/{number}", utterance.samples, speech_seconds=spoken)

    pieces = cut()
    while group := list(islice(pieces, _BATCH)):
        yield group


def summary(rows: dict[str, Row], half: str, missing: Sequence[str]) -> dict[str, Any]:
    """The figures as JSON."""
    minutes = sum(row.seconds for row in rows.values()) / 60
    passed = sum(len(row.passed) for row in rows.values())
    return {
        "half": half,
        "minutes": round(minutes, 1),
        "utterances": sum(row.utterances for row in rows.values()),
        "passed": passed,
        "passed_per_hour": round(60 * passed / minutes, 2) if minutes else None,
        "without_sound_events_per_hour": (
            round(60 * sum(row.words_only for row in rows.values()) / minutes, 2) if minutes else None
        ),
        "missing_packages": list(missing),
        "kinds": {
            kind: {
                "minutes": round(row.seconds / 60, 1),
                "utterances": row.utterances,
                "cut_minutes": round(row.cut_seconds / 60, 1),
                "guarded": dict(row.guarded.most_common()),
                "without_sound_events": row.words_only,
                "passed": row.passed,
            }
            for kind, row in rows.items()
        },
    }


def table(result: dict[str, Any]) -> str:
    """The figures as a table in Markdown."""
    lines = [
        "| sound | minutes | utterances cut | guarded, by reason | passed | without sound events |",
        "|---|---|---|---|---|---|",
    ]
    for kind, row in result["kinds"].items():
        reasons = ", ".join(f"{reason} {count}" for reason, count in row["guarded"].items()) or "-"
        lines.append(
            f"| {kind} | {row['minutes']} | {row['utterances']} | {reasons} | {len(row['passed'])} "
            f"| {row['without_sound_events']} |"
        )
    lines.append(
        f"| all | {result['minutes']} | {result['utterances']} | | {result['passed']} "
        f"({result['passed_per_hour']} an hour) | {result['without_sound_events_per_hour']} an hour |"
    )
    if result["missing_packages"]:
        lines.append(f"\nNot installed, so left out: {', '.join(result['missing_packages'])}.")
    return "\n".join(lines)
