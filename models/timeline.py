"""The audio of one track since its last boundary: decoded samples, and which chunk each of them came from.

Sample 0 is the boundary. Pieces follow each other without holes: received chunks, and zeros in the place of what is
missing, could not be decoded, or was not sent. Zeros keep the timeline true to capture time; only received samples and
the claimed length of undecodable chunks count in the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.audio import AudioError, Decoder, open_decoder
from models.segments import Chunk, Position, Reason

PER_MS = 16  # samples a millisecond
_NOTHING: NDArray[np.int16] = np.zeros(0, np.int16)


@dataclass(frozen=True, slots=True)
class TimelineSettings:
    """Tolerances, in ms, and limits of one chunk."""

    fill_ms: float = 300.0  # a gap up to this is bridged with zeros, a longer one ends the utterance
    drift_ms: float = 50.0  # capture times may disagree with the count of samples by so much
    pause_ms: float = 500.0  # a sender that stops sending (DTX) ends the utterance after so long
    clock_back_ms: float = 2_000.0  # capture time going back by more is a new start
    most_bytes: int = 1 << 20
    most_seconds: float = 60.0


@dataclass(slots=True)
class Piece:
    """One stretch of the timeline.

    Of a received piece the first `head` samples were accounted for before; of the others, all or (`reported`) nothing.
    """

    kind: Literal["received", "lost", "missing", "pause"]
    sequence: int
    start: int  # negative for the first chunk, whose beginning lies before the boundary
    length: int
    chunk: Chunk | None = None
    head: int = 0
    error: AudioError | None = None
    reported: bool = False

    @property
    def end(self) -> int:
        """The sample after its last."""
        return self.start + self.length

    def fresh(self, low: int, high: int) -> int:
        """Received samples in [low, high) that are not accounted for yet."""
        if self.kind != "received":
            return 0
        return max(0, min(self.end, high) - max(self.start + self.head, low))


@dataclass(frozen=True, slots=True)
class Settled:
    """What a boundary leaves: the pieces done with, the chunks to read again, and from where."""

    pieces: list[Piece]
    done: list[Chunk]
    retained: list[Chunk]
    position: Position


class Timeline:
    """A pure function of its position and of the chunks fed since; `settle` says how the next one begins."""

    def __init__(self, settings: TimelineSettings, position: Position | None) -> None:
        self._settings = settings
        self.position = position  # from which it goes on
        self.pieces: list[Piece] = []
        self._anchor_ms: float | None = None  # capture time of sample 0
        self._expected = None if position is None else position.sequence
        self._discard = 0 if position is None else position.sample  # samples of the next chunk before the boundary
        self._overlap = 0 if position is None else position.overlap  # samples still to come that were accounted for
        self._decoder: Decoder | None = None
        self._content_type = ""
        self._buffer = np.empty(16_000, np.int16)
        self._filled = 0
        self._drop = 0  # decoded samples to throw away, for `_discard`
        self.length = 0  # samples that the pieces stand for
        self.fresh_from = 0  # everything before this sample was accounted for already

    @property
    def ready(self) -> int:
        """Samples that can be read; a decoder may hold back the latest few."""
        return min(self._filled, self.length)

    @property
    def clock_ms(self) -> float | None:
        """Capture time at which the next chunk should begin."""
        if self._anchor_ms is not None:
            return self.time_ms(self.length)
        return None if self.position is None else self.position.time_ms

    def time_ms(self, sample: int) -> float:
        """Capture time of a sample."""
        return (self._anchor_ms or 0.0) + sample / PER_MS

    def samples(self, low: int, high: int) -> NDArray[np.int16]:
        """[low, high), a view that is good until the next chunk."""
        return self._buffer[low:high]

    # Growing.

    def leap(self, chunk: Chunk) -> Reason | None:
        """Before the first piece: why this chunk does not follow on from the position, if it does not."""
        if self.pieces or self.position is None:
            return None
        if chunk.sequence > self.position.sequence:
            return "missing"
        clock = self.position.time_ms
        begins = chunk.time_ms + self._discard / PER_MS
        return "clock-back" if clock is not None and begins < clock - self._settings.clock_back_ms else None

    def bridge(self, chunk: Chunk) -> Literal["gap", "idle"] | None:
        """Between pieces: fill what is missing before this chunk, or say why the timeline must end instead."""
        if not self.pieces:
            return None
        jump = chunk.time_ms - self.time_ms(self.length)
        missing = self._expected is not None and chunk.sequence > self._expected
        if jump < -self._settings.clock_back_ms or (missing and jump > self._settings.fill_ms):
            return "gap"
        if missing:
            self._fill(Piece("missing", self._expected or 0, self.length, _at_least_one(jump)))
        elif jump > self._settings.pause_ms:
            return "idle"
        elif jump > self._settings.drift_ms:
            self._fill(Piece("pause", chunk.sequence, self.length, _at_least_one(jump)))
        self._expected = chunk.sequence
        return None

    def extend(self, chunk: Chunk) -> None:
        """Decode the next chunk. Raises AudioError; then nothing is added, and the next chunk gets a new decoder."""
        try:
            span, samples = self._decode(chunk)
        except AudioError:
            self._end_decoder()
            raise
        discard, self._discard = min(self._discard, span), 0
        repeated = min(self._overlap, span - discard)
        if not self.pieces:
            self._anchor_ms = chunk.time_ms + discard / PER_MS
        piece = Piece("received", chunk.sequence, self.length - discard, span, chunk, head=discard + repeated)
        self.pieces.append(piece)
        self.length = piece.end
        self._expected = chunk.sequence + 1
        if repeated:
            self._overlap -= repeated
            self.fresh_from = piece.start + piece.head
        self._drop += discard
        self._append(samples)

    def lose(self, chunk: Chunk, error: AudioError) -> bool:
        """Zeros for a chunk that cannot be decoded; False if it is too long for that."""
        if chunk.duration_ms > self._settings.fill_ms:
            return False
        length = _at_least_one(chunk.duration_ms)
        self._fill(Piece("lost", chunk.sequence, self.length, length, chunk, error=error))
        self._expected = chunk.sequence + 1
        return True

    def pass_over(self, samples: int) -> tuple[int, int]:
        """Before the first piece: how many of a chunk's samples, which nobody decodes, are not accounted for yet.

        Also how many of the chunks after it are.
        """
        rest = samples - min(self._discard, samples)
        repeated = min(self._overlap, rest)
        return rest - repeated, self._overlap - repeated

    def finish(self) -> None:
        """Fetch what the decoder holds back: `ready` is `length` after that."""
        self._end_decoder()

    def _decode(self, chunk: Chunk) -> tuple[int, NDArray[np.int16]]:
        """Samples the chunk stands for, and those ready now."""
        if not chunk.payload and chunk.last:
            return 0, _NOTHING  # a bare end marker
        if len(chunk.payload) > self._settings.most_bytes:
            raise AudioError("oversized", f"send at most {self._settings.most_bytes} bytes in a chunk")
        if chunk.content_type != self._content_type:
            self._end_decoder()
        if self._decoder is None:
            self._decoder = open_decoder(chunk.content_type, most_seconds=self._settings.most_seconds)
            self._content_type = chunk.content_type
        before = self._decoder.due
        samples = self._decoder.feed(chunk.payload)
        return self._decoder.due - before, samples

    def _fill(self, piece: Piece) -> None:
        """Zeros; the decoder starts anew behind them."""
        self._end_decoder()
        piece.reported = self._overlap > 0
        self.pieces.append(piece)
        self._append(np.zeros(piece.length, np.int16))
        self.length = piece.end

    def _end_decoder(self) -> None:
        if self._decoder is not None:
            self._append(self._decoder.flush())
            self._decoder = None
        self._filled = self.length

    def _append(self, samples: NDArray[np.int16]) -> None:
        if self._drop:
            dropped = min(self._drop, len(samples))
            self._drop -= dropped
            samples = samples[dropped:]
        end = self._filled + len(samples)
        if end > len(self._buffer):
            larger = np.empty(max(end, 2 * len(self._buffer)), np.int16)
            larger[: self._filled] = self._buffer[: self._filled]
            self._buffer = larger
        self._buffer[self._filled : end] = samples
        self._filled = end

    # Looking up, and closing.

    def received_from(self, sample: int) -> int:
        """The first received sample at or after `sample`; `length` if there is none."""
        for piece in self.pieces:
            if piece.kind == "received" and piece.end > sample:
                return max(sample, piece.start)
        return self.length

    def received_until(self, sample: int) -> int:
        """The end of what was received before `sample`, so that a boundary there does not end in zeros.

        `length` if nothing was, so that every boundary makes progress.
        """
        for piece in reversed(self.pieces):
            if piece.kind == "received" and piece.length and piece.start < sample:
                return min(sample, piece.end)
        return self.length

    def fresh(self, low: int, high: int) -> int:
        """Received samples in [low, high) that are not accounted for yet."""
        return sum(piece.fresh(low, high) for piece in self.pieces)

    def origin(self, sample: int) -> tuple[int, int]:
        """Sequence of the received chunk that holds `sample`, and the sample within it."""
        for piece in self.pieces:
            if piece.kind == "received" and piece.start <= sample < piece.end:
                return piece.sequence, sample - piece.start
        raise ValueError("sample: lies in no received piece")

    def sequences(self, low: int, high: int) -> tuple[int, int]:
        """First and last sequence received in [low, high), which must hold some."""
        found = [p.sequence for p in self.pieces if p.kind == "received" and p.start < high and p.end > low]
        return found[0], found[-1]

    def settle(self, end: int, overlap: int = 0) -> Settled:
        """Account for everything before `end`, and begin again `overlap` samples before it."""
        start = min(self.received_from(end - overlap), end) if overlap else end
        pieces = [piece for piece in self.pieces if piece.end <= end]
        later = [piece for piece in self.pieces if piece.end > start]
        if later:
            first = later[0]
            repeated = sum(
                min(p.end, end) - max(p.start, start) for p in later if p.kind == "received" and p.start < end
            )
            sample = max(0, start - first.start)
            position = Position(first.sequence, sample, repeated, self.time_ms(start))
        else:
            position = Position(self._expected or 0, 0, 0, self.clock_ms)
        done = [piece.chunk for piece in self.pieces if piece.chunk is not None and piece.end <= start]
        return Settled(pieces, done, [p.chunk for p in later if p.chunk is not None], position)


def _at_least_one(ms: float) -> int:
    """Milliseconds as samples; a piece of zeros has one at least, so that it lies on one side of any boundary."""
    return max(1, round(ms * PER_MS))
