"""The segment engine: chunks of many tracks in, utterances and an account of everything else out.

Sans-IO: `push`, `resume` and `forget` only queue and may be called from another thread than `step`, which does the work
of all tracks and is called by one thread at a time. `now_ms` is the processing clock and drives timers only; see
models/tracks.py for why a replay gives the same utterances.

    engine.resume(track, stored_position)     # if there is one, before the track's first chunk
    engine.push(chunk)
    for output in engine.step(now_ms):        # publish, acknowledge output.released, store output.position
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from models.accounts import dismissed
from models.endpointing import EndpointSettings
from models.reordering import Reorderer
from models.segments import (
    Cause,
    Chunk,
    Output,
    Position,
    Reason,
    Rejected,
    Span,
    Utterance,
)
from models.timeline import TimelineSettings
from models.tracks import Track, TrackSettings
from models.vad import CONTEXT, WINDOW, ModelMissingError, Silero, SpeechModel

__all__ = [
    "Cause",
    "Chunk",
    "EndpointSettings",
    "ModelMissingError",
    "Output",
    "Position",
    "Reason",
    "Rejected",
    "SegmentEngine",
    "SegmentSettings",
    "Span",
    "TimelineSettings",
    "TrackSettings",
    "Utterance",
]

_SEQUENCE_BACK = "use a new session when a sender starts counting again"


@dataclass(frozen=True, slots=True)
class SegmentSettings:
    """Everything that can be set; durations in ms."""

    track: TrackSettings = field(default_factory=TrackSettings)
    reorder_ms: float = 500.0
    forget_ms: float = 60_000.0  # without a chunk and with nothing open: drop the track's state
    windows_per_step: int = 64  # of each track (2 s), so that one backlog does not hold up the others' outputs
    most_duration_ms: float = 60_000.0  # a longer claimed duration is cut to this


@dataclass(slots=True)
class _Open:
    """A track and the chunks that wait for earlier ones."""

    track: Track
    reorderer: Reorderer
    touched_ms: float

    def deadline_ms(self) -> float:
        """When the processing clock alone gives it something to do."""
        return self.reorderer.deadline_ms if self.reorderer.waiting else self.track.deadline_ms

    def advance(self, now_ms: float) -> bool:
        """See `Track.advance`; no sender is taken for silent while chunks of its wait for an earlier one."""
        return self.track.advance(-math.inf if self.reorderer.waiting else now_ms)


class SegmentEngine:
    """Turns the chunks of all tracks it was given into utterances, in batches over the tracks."""

    def __init__(self, settings: SegmentSettings | None = None, vad: SpeechModel | None = None) -> None:
        """Loads Silero if no other model is given; raises ModelMissingError."""
        self.settings = settings or SegmentSettings()
        self._model = vad or Silero()
        self._inbox: deque[tuple[str, Chunk | Position | None]] = deque()
        self._positions: dict[str, Position] = {}  # of tracks that were resumed and have no chunk yet
        self._tracks: dict[str, _Open] = {}
        self._busy: dict[str, _Open] = {}  # tracks with work left
        self._rows = np.zeros((64, CONTEXT + WINDOW), np.float32)

    def resume(self, track: str, position: Position) -> None:
        """Skip everything of the track before the position. Call before its first `push`."""
        self._inbox.append((track, position))

    def push(self, chunk: Chunk) -> None:
        """Queue a chunk; the next `step` looks at it."""
        self._inbox.append((chunk.track, chunk))

    def forget(self, tracks: Iterable[str]) -> None:
        """Drop these tracks with all they hold (their partition went to another worker); nothing is released."""
        self._inbox.extend((track, None) for track in tracks)

    def knows(self, track: str) -> bool:
        """Whether the track is open; if not, `resume` it (with the stored position) before pushing."""
        return track in self._tracks

    @property
    def open_tracks(self) -> int:
        """Tracks held in memory."""
        return len(self._tracks)

    @property
    def busy(self) -> bool:
        """Whether another `step` would find work without waiting for chunks or timers."""
        return bool(self._inbox or self._busy)

    def idle(self) -> bool:
        """Whether nothing is held that is not accounted for."""
        return not self.busy and not any(o.reorderer.waiting or o.track.pending for o in self._tracks.values())

    def step(self, now_ms: float) -> list[Output]:
        """Work on everything that is due, at most `windows_per_step` windows of each track; see `busy`."""
        outputs: list[Output] = []
        while self._inbox:
            outputs += self._receive(*self._inbox.popleft(), now_ms)
        for name, opened in self._tracks.items():
            if opened.deadline_ms() <= now_ms:
                self._order(opened, now_ms)
                self._busy[name] = opened
        worked = list(self._busy.values())
        self._segment(now_ms)
        for opened in worked:
            outputs += opened.track.collect()
        self._drop(now_ms)
        return outputs

    def _receive(self, name: str, item: Chunk | Position | None, now_ms: float) -> list[Output]:
        """One item of the inbox; what comes out are the records of chunks that have no place in their track."""
        if not isinstance(item, Chunk):
            self._close(name)
            if item is not None:
                self._positions[name] = item
            return []
        if not 0.0 <= item.duration_ms <= self.settings.most_duration_ms:  # nor is NaN
            longest = self.settings.most_duration_ms if item.duration_ms > 0.0 else 0.0
            item = replace(item, duration_ms=longest)
        opened = self._tracks.get(name)
        if opened is None:
            position = self._positions.pop(name, None)
            opened = self._tracks[name] = _Open(
                Track(name, self.settings.track, self._model, position),
                Reorderer(self.settings.reorder_ms, position),
                now_ms,
            )
        opened.touched_ms = now_ms
        refusal = opened.reorderer.push(item, now_ms)
        if refusal is not None:
            return dismissed(item, refusal, _SEQUENCE_BACK if refusal == "sequence-back" else "")
        self._order(opened, now_ms)
        return []

    def _order(self, opened: _Open, now_ms: float) -> None:
        """Hand over the chunks whose turn has come."""
        while (chunk := opened.reorderer.pop(now_ms)) is not None:
            opened.track.push(chunk, now_ms)
            self._busy[chunk.track] = opened

    def _segment(self, now_ms: float) -> None:
        """Rounds of one window of each busy track, one call of the speech model a round."""
        for _ in range(self.settings.windows_per_step):
            waiting = {name: opened for name, opened in self._busy.items() if opened.advance(now_ms)}
            self._busy = waiting
            if not waiting:
                return
            tracks = [opened.track for opened in waiting.values()]
            if len(tracks) > len(self._rows):
                self._rows = np.zeros((2 * len(tracks), CONTEXT + WINDOW), np.float32)
            rows = self._rows[: len(tracks)]
            for track, row in zip(tracks, rows, strict=True):
                track.window(row)
            answers = self._model.probabilities([track.slot for track in tracks], rows)
            for track, probability in zip(tracks, answers.tolist(), strict=True):
                track.deliver(probability)

    def _drop(self, now_ms: float) -> None:
        """Close the tracks that have been quiet for long and hold nothing."""
        oldest = now_ms - self.settings.forget_ms
        stale = [
            name
            for name, opened in self._tracks.items()
            if opened.touched_ms <= oldest and not (opened.track.pending or opened.reorderer.waiting)
        ]
        for name in stale:
            self._close(name)

    def _close(self, name: str) -> None:
        opened = self._tracks.pop(name, None)
        self._busy.pop(name, None)
        self._positions.pop(name, None)
        if opened is not None:
            self._model.close(opened.track.slot)
