"""How others would hear the same tracks, on the same machine with the same weights: faster-whisper's `transcribe`.

* `stream`: as WhisperLive does it: each stream transcribes all that it has not yet settled, again and again, as soon
  as a second of new audio is there. What is settled (all segments but the last, or everything after half a minute)
  is let go.
* `slices`: fixed slices of ten seconds, as services that moderate recordings do it: a word waits for the end of its
  slice.

Calls are real and timed; the queue of many streams before one model is played out on a virtual clock, which moves by
the measured times. A phrase counts as heard when the call returns that had its last sample.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
STEP_S = 1.0
"""New audio that a stream waits for; WhisperLive's own."""
SLICE_S = 10.0
LONGEST_S = 30.0
Kind = Literal["stream", "slices"]
Wave = NDArray[np.float32]
Hear = Callable[[Wave], list[float]]
"""Transcribe some audio: where each of its segments ends (s)."""


@dataclass(slots=True)
class Stream:
    """One track on its way through a peer; ``phrases`` are the ends (s) of what must be heard."""

    audio: Wave
    phrases: Sequence[float]
    settled_s: float = 0.0
    heard_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list)

    @property
    def length_s(self) -> float:
        """Of the whole track."""
        return len(self.audio) / RATE

    def due_s(self, kind: Kind) -> float:
        """When the next call is worth making: enough new audio, or the end of the slice."""
        step = STEP_S if kind == "stream" else SLICE_S
        return min(self.heard_s + step, self.length_s)

    def take(self, kind: Kind, now_s: float) -> tuple[Wave, float]:
        """The audio of the next call, and where it ends."""
        end = min(now_s, self.length_s) if kind == "stream" else self.due_s(kind)
        begin = self.settled_s if kind == "stream" else self.heard_s
        return self.audio[int(begin * RATE) : int(end * RATE)], end

    def heard(self, kind: Kind, end_s: float, segments: Sequence[float], now_s: float) -> None:
        """A call that had everything up to ``end_s`` has returned."""
        self.latencies_s += [now_s - phrase for phrase in self.phrases if self.heard_s < phrase <= end_s]
        self.heard_s = end_s
        if kind == "slices" or end_s - self.settled_s >= LONGEST_S:
            self.settled_s = end_s
        elif len(segments) > 1:
            self.settled_s += segments[-2]


def whisper(model: Any) -> Hear:
    """``transcribe`` of faster-whisper with its own defaults, but for the greedy search that we use too."""

    def hear(audio: Wave) -> list[float]:
        segments, _ = model.transcribe(audio, beam_size=1)
        return [float(segment.end) for segment in segments]

    return hear


def play(kind: Kind, streams: Sequence[Stream], hear: Hear, timer: Callable[[], float] = time.perf_counter) -> float:
    """Run streams through one model in order of their due times; seconds of computing.

    Latencies are left in the streams. A queue that grows without bound ends at twice the length of the tracks.
    """
    now, busy = 0.0, 0.0
    longest = max(stream.length_s for stream in streams)
    while now < 2 * longest:
        waiting = [stream for stream in streams if stream.heard_s < stream.length_s]
        if not waiting:
            return busy
        chosen = min(waiting, key=lambda stream: stream.due_s(kind))
        now = max(now, chosen.due_s(kind))
        audio, end = chosen.take(kind, now)
        begun = timer()
        segments = hear(audio)
        spent = timer() - begun
        busy += spent
        now += spent
        chosen.heard(kind, end, segments, now)
    for stream in streams:
        stream.latencies_s += [now - phrase for phrase in stream.phrases if phrase > stream.heard_s]
    return busy
