"""Chunks of a track that were refused: passed over one by one, and accounted for by the second."""

from __future__ import annotations

from models.segments import Chunk, Position, Span

SECOND_MS = 1000.0


class Refusals:
    """Those that came one after the other since the last record of them; false when there are none."""

    def __init__(self) -> None:
        self._chunks: list[Chunk] = []
        self._samples = 0

    def __bool__(self) -> bool:
        return bool(self._chunks)

    def add(self, chunk: Chunk, samples: int) -> None:
        """One more, of which so many samples were not accounted for yet."""
        self._chunks.append(chunk)
        self._samples += samples

    def ends_before(self, chunk: Chunk) -> bool:
        """Whether the record must be made before this chunk is looked at."""
        if not self._chunks:
            return False
        return not chunk.refused or chunk.time_ms // SECOND_MS != self._chunks[0].time_ms // SECOND_MS

    def take(self, track: str, position: Position | None) -> Span:
        """The record of all of them; ``position``: where the track goes on."""
        first, last = self._chunks[0], self._chunks[-1]
        span = Span(
            track=track,
            kind="lost",
            reason="admission",
            start_ms=first.time_ms,
            end_ms=last.time_ms + last.duration_ms,
            accounted=self._samples,
            released=tuple(chunk.token for chunk in self._chunks),
            position=position,
        )
        self._chunks, self._samples = [], 0
        return span
