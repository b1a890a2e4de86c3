"""What listen says of an utterance in the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from streams import records
from streams.identifiers import coverage_id

SHED = frozenset({"partials-skipped", "no-second-pass", "no-word-times", "no-near-misses", "no-sounds", "no-synthetic"})
"""What is left out for want of capacity, as findings name it in ``degraded``."""


def accounted(utterance: records.Utterance, degraded: Sequence[str]) -> records.Coverage:
    """An utterance in the ledger, once it is heard: analysed, or degraded by what was left out."""
    steps = [step for step in degraded if step in SHED]
    return coverage(utterance, "degraded" if steps else "analysed", " ".join(steps))


def coverage(
    utterance: records.Utterance, kind: Literal["analysed", "degraded", "deferred"], reason: str = ""
) -> records.Coverage:
    """One record; of an utterance that is heard twice, however well, the first counts."""
    parts = ("listen", kind) if kind == "deferred" else ("listen",)
    return records.Coverage(
        coverage_id=coverage_id(utterance.tenant, utterance.utterance_id, *parts),
        stage="listen",
        kind=kind,
        tenant=utterance.tenant,
        room=utterance.room,
        speaker=utterance.speaker,
        session=utterance.session,
        start_ms=utterance.start_ms + utterance.overlap_ms,
        end_ms=utterance.end_ms,
        milliseconds=utterance.accounted_ms,
        reason=reason,
        utterance_id=utterance.utterance_id,
    )
