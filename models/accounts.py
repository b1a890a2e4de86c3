"""The records that account for what is not an utterance: silence, gaps, what was lost, what came twice."""

from __future__ import annotations

from typing import Literal

from models.segments import Chunk, Output, Position, Reason, Rejected, Span
from models.timeline import PER_MS, Piece, Timeline


def span(
    track: str,
    kind: Literal["silence", "lost", "gap", "duplicate"],
    reason: Reason,
    start_ms: float,
    end_ms: float,
    *,
    accounted: int = 0,
    position: Position | None = None,
) -> Span:
    """A stretch of a track."""
    return Span(
        track=track,
        kind=kind,
        reason=reason,
        start_ms=start_ms,
        end_ms=end_ms,
        accounted=accounted,
        position=position,
    )


def silence(track: str, timeline: Timeline, low: int, high: int) -> list[Output]:
    """What was received in [low, high) of the timeline and not accounted for, as silence."""
    count = timeline.fresh(low, high)
    if not count:
        return []
    start_ms = timeline.time_ms(max(low, timeline.fresh_from))
    return [span(track, "silence", "", start_ms, timeline.time_ms(high), accounted=count)]


def losses(track: str, timeline: Timeline, piece: Piece) -> list[Output]:
    """The records of a bridged piece of the timeline, if it has any to give."""
    if piece.reported or piece.kind in ("received", "pause"):
        return []
    start_ms, end_ms = timeline.time_ms(piece.start), timeline.time_ms(piece.end)
    if piece.error is None or piece.chunk is None:
        return [span(track, "gap", "missing", start_ms, end_ms)]
    chunk, error = piece.chunk, piece.error
    return [
        Rejected(track=track, token=chunk.token, reason=error.reason, detail=error.remedy),
        span(track, "lost", error.reason, start_ms, end_ms, accounted=claimed_samples(chunk)),
    ]


def dismissed(chunk: Chunk, reason: Reason, detail: str = "") -> list[Output]:
    """The records of a chunk that has no place in its track; with a detail it goes to the dead letters."""
    duplicate = reason == "duplicate"
    lost = Span(
        track=chunk.track,
        kind="duplicate" if duplicate else "lost",
        reason=reason,
        start_ms=chunk.time_ms,
        end_ms=chunk.time_ms + chunk.duration_ms,
        accounted=0 if duplicate else claimed_samples(chunk),
        released=(chunk.token,),
    )
    return [Rejected(track=chunk.track, token=chunk.token, reason=reason, detail=detail), lost] if detail else [lost]


def claimed_samples(chunk: Chunk) -> int:
    """What the sender says the chunk holds."""
    return round(chunk.duration_ms * PER_MS)
