"""One track: chunks in, boundaries out.

All signal processing state (decoder, gate, Silero, endpointing) belongs to the stretch since the last boundary. A
boundary (end of an utterance, enough silence, a gap) accounts for everything before it; then the track forgets that
state, and reads again the few chunks that reach beyond the boundary, exactly as a worker would that was killed just
there and replays them. So what comes out depends on the position and the chunks alone, not on who read them when. The
one exception is the timer for senders that fall silent, which follows the processing clock.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from models.accounts import claimed_samples, dismissed, losses, silence, span
from models.audio import AudioError
from models.endpointing import Decision, Endpointer, EndpointSettings, quietest
from models.refusals import Refusals
from models.segments import Cause, Chunk, Output, Position, Utterance
from models.synthetic import rhythm
from models.timeline import PER_MS, Timeline, TimelineSettings
from models.vad import CONTEXT, WINDOW, Gate, SpeechModel


@dataclass(frozen=True, slots=True)
class TrackSettings:
    """Of endpointing, of the timeline, and of what belongs to neither."""

    endpoint: EndpointSettings = field(default_factory=EndpointSettings)
    timeline: TimelineSettings = field(default_factory=TimelineSettings)
    partial_window_ms: int = 3_500  # a partial holds at most the last so many ms, so that its cost stays bounded,
    partial_slack_ms: int = 1_000  # and begins at the quietest point of the first so many of these
    idle_ms: float = 600.0  # without a chunk that is due, by the processing clock: the sender fell silent
    gate: bool = True  # False asks Silero about every window

    def __post_init__(self) -> None:
        """Raises ValueError where a partial could begin at its own end."""
        if not 0 <= self.partial_slack_ms < self.partial_window_ms:
            raise ValueError("partial_slack_ms: must be less than partial_window_ms")


class Track:
    """Feed ordered chunks with `push`; `advance` and `deliver` take turns with the speech model."""

    def __init__(
        self, name: str, settings: TrackSettings, model: SpeechModel, position: Position | None = None
    ) -> None:
        self.name = name
        self.slot = model.open()
        self._outputs: list[Output] = []
        self._partial: Utterance | None = None  # the latest, until the utterance is final
        self._settings = settings
        self._model = model
        self._queue: deque[Chunk] = deque()
        self._refusals = Refusals()
        self._arrived_ms = -math.inf
        self._latest_ms = 0.0  # length of the latest chunk
        self._restart(position)

    def _restart(self, position: Position | None) -> None:
        self._timeline = Timeline(self._settings.timeline, position)
        self._endpointer = Endpointer(self._settings.endpoint)
        hangover = -(-self._settings.endpoint.hangover_ms * PER_MS // WINDOW)
        self._gate = Gate(after=max(16, hangover)) if self._settings.gate else None
        self._gated = 0  # windows that the gate has seen
        self._window = 0  # next window to be decided
        self._warm = False  # Silero heard the window before
        self._heard_something = False  # the gate let a window through
        self._ending: Cause | None = None  # close the timeline when all of it is decided

    # The engine's side.

    def push(self, chunk: Chunk, now_ms: float) -> None:
        """Queue the next chunk in order; nothing is decoded yet."""
        self._queue.append(chunk)
        self._arrived_ms = now_ms

    @property
    def pending(self) -> bool:
        """Whether chunks or samples wait to be accounted for."""
        return bool(self._queue or self._timeline.pieces or self._refusals)

    @property
    def deadline_ms(self) -> float:
        """When a sender that sends nothing more counts as silent: a chunk's length and `idle_ms` after the latest."""
        if not self._timeline.pieces and not self._refusals:
            return math.inf
        return self._arrived_ms + self._latest_ms + self._settings.idle_ms

    def advance(self, now_ms: float) -> bool:
        """Work until a window needs the speech model (True) or there is nothing left to do (False)."""
        while True:
            if self._timeline.ready >= (self._window + 1) * WINDOW:
                worth_asking = self._worth_asking()
                if worth_asking:
                    if not self._warm:
                        self._model.reset(self.slot)
                        self._warm = self._heard_something = True
                    return True
                if worth_asking is False:
                    self._warm = False
                    self._decide(0.0)
                    continue
            if self._ending is not None:
                self._end()
            elif self._queue:
                self._take(self._queue[0])
            elif now_ms >= self.deadline_ms and self._refusals:
                self._outputs.append(self._refusals.take(self.name, self._timeline.position))
            elif now_ms >= self.deadline_ms:
                self._timeline.finish()
                self._ending = "idle"
            else:
                return False

    def window(self, row: NDArray[np.float32]) -> None:
        """Write the window in question and its context into a row of 576."""
        start = self._window * WINDOW
        before = min(CONTEXT, start)
        row[: CONTEXT - before] = 0.0
        row[CONTEXT - before :] = self._timeline.samples(start - before, start + WINDOW)

    def deliver(self, probability: float) -> None:
        """The speech model's answer."""
        self._decide(probability)

    def collect(self) -> list[Output]:
        """What came out since the last call; of several partials the latest."""
        outputs, self._outputs = self._outputs, []
        if self._partial is not None:
            outputs.append(self._partial)
            self._partial = None
        return outputs

    # Chunks into the timeline.

    def _take(self, chunk: Chunk) -> None:
        """Fit the next chunk onto the timeline, or arrange for the timeline to end first."""
        timeline = self._timeline
        reason = timeline.leap(chunk)
        if self._refusals and (reason is not None or self._refusals.ends_before(chunk)):
            self._outputs.append(self._refusals.take(self.name, timeline.position))
        if reason is not None:
            clock_ms = timeline.clock_ms
            start_ms = chunk.time_ms if clock_ms is None else min(clock_ms, chunk.time_ms)
            position = Position(chunk.sequence, 0, 0, chunk.time_ms)
            self._outputs.append(span(self.name, "gap", reason, start_ms, chunk.time_ms, position=position))
            self._restart(position)
            return
        ending: Cause | None = timeline.bridge(chunk)
        if ending is None and chunk.refused:
            ending = self._refuse(chunk)
        elif ending is None:
            try:
                timeline.extend(chunk)
            except AudioError as error:
                ending = self._lose(chunk, error)
        if ending is not None:
            timeline.finish()
            self._ending = ending
            return
        self._queue.popleft()
        self._latest_ms = chunk.duration_ms
        if chunk.last and timeline.pieces:
            timeline.finish()
            self._ending = "last-chunk"

    def _refuse(self, chunk: Chunk) -> Cause | None:
        """Pass over a chunk; what is open ends before it. One record accounts for a second of such chunks."""
        if self._timeline.pieces:
            return "gap"
        fresh, overlap = self._timeline.pass_over(claimed_samples(chunk))
        self._refusals.add(chunk, fresh)
        self._restart(Position(chunk.sequence + 1, 0, overlap, chunk.time_ms + chunk.duration_ms))
        return None

    def _lose(self, chunk: Chunk, error: AudioError) -> Cause | None:
        """Zeros for an undecodable chunk; alone, or too long for zeros, it is a boundary of its own."""
        if self._timeline.pieces:
            return None if self._timeline.lose(chunk, error) else "gap"
        position = Position(chunk.sequence + 1, 0, 0, chunk.time_ms + chunk.duration_ms)
        *rejected, lost = dismissed(chunk, error.reason, error.remedy)
        self._outputs += [*rejected, replace(lost, position=position)]
        self._restart(position)
        return None

    # Windows into decisions.

    def _worth_asking(self) -> bool | None:
        """The gate's verdict on the next window; None while it needs later ones that are not here yet."""
        if self._gate is None:
            return True
        while True:
            enough = self._timeline.ready >= (self._gated + 1) * WINDOW
            verdict = self._gate.verdict(self._window, final=not enough and self._ending is not None)
            if verdict is not None or not enough:
                return verdict
            start = self._gated * WINDOW
            self._gate.feed(self._timeline.samples(start, start + WINDOW))
            self._gated += 1

    def _decide(self, probability: float) -> None:
        """One more window: endpointing, and what follows from it."""
        self._window += 1
        endpointer, settings = self._endpointer, self._settings.endpoint
        match endpointer.feed(probability):
            case Decision.PARTIAL:
                low = self._timeline.received_from(self._window_start())
                if low < endpointer.now:
                    self._partial = self._utterance(low, endpointer.now, "partial")
            case Decision.ENDPOINT:
                self._boundary(self._timeline.received_until(endpointer.end), "endpoint")
            case Decision.MAXIMUM:
                low = endpointer.now - settings.cut_window_ms * PER_MS
                cut = low + quietest(self._timeline.samples(low, endpointer.now))
                self._boundary(self._timeline.received_until(cut), "maximum", settings.overlap_ms * PER_MS)
            case Decision.SILENCE:
                kept = settings.silence_kept_ms * PER_MS
                self._boundary(self._timeline.received_until(endpointer.now - kept), None)
            case Decision.NOTHING:
                pass

    def _window_start(self) -> int:
        """Where a partial begins: the open utterance, or of its last part the quietest point, seldom within a word."""
        settings, start, now = self._settings, self._start(), self._endpointer.now
        earliest = now - settings.partial_window_ms * PER_MS
        if start >= earliest:
            return start
        return earliest + quietest(self._timeline.samples(earliest, earliest + settings.partial_slack_ms * PER_MS))

    def _end(self) -> None:
        """Close the whole timeline; an utterance that is open ends with it, if it has enough speech."""
        speech = self._endpointer.open and self._endpointer.long_enough
        self._boundary(self._timeline.length, self._ending if speech else None)

    def _start(self) -> int:
        """First sample of the open utterance: the pre-roll, but not a bridged gap at its beginning."""
        return self._timeline.received_from(self._endpointer.start)

    # Decisions into outputs.

    def _boundary(self, end: int, cause: Cause | None, overlap: int = 0) -> None:
        """Account for everything before `end`, with an utterance in it if there is a cause, and begin anew there."""
        timeline = self._timeline
        end = max(end, timeline.fresh_from)
        start, stop = end, end
        if cause is not None:
            low, high = self._start(), end if cause == "maximum" else min(self._endpointer.end, end)
            if max(low, timeline.fresh_from) < high:  # else it is a repetition of the end of the one before
                start, stop = low, high
        marked = self._heard_something and rhythm.heard(timeline.samples(0, end))
        settled = timeline.settle(end, overlap if end < timeline.length else 0)
        outputs = [output for piece in settled.pieces for output in losses(self.name, timeline, piece)]
        outputs += silence(self.name, timeline, 0, start)
        if start < stop:
            outputs.append(self._utterance(start, stop, cause or "endpoint"))
        outputs += silence(self.name, timeline, stop, end)
        if not outputs:
            outputs.append(span(self.name, "silence", "", timeline.time_ms(0), timeline.time_ms(end)))
        released = tuple(chunk.token for chunk in settled.done)
        outputs[-1] = replace(outputs[-1], released=released, position=settled.position, marked=marked)
        self._outputs += outputs
        self._partial = None
        self._queue.extendleft(reversed(settled.retained))
        self._restart(settled.position)

    def _utterance(self, low: int, high: int, cause: Cause) -> Utterance:
        """[low, high) of the timeline as a revision of the open utterance."""
        timeline = self._timeline
        final = cause != "partial"
        sequence, sample = timeline.origin(self._start())
        first, last = timeline.sequences(low, high)
        return Utterance(
            track=self.name,
            utterance_sequence=sequence,
            utterance_sample=sample,
            revision=self._endpointer.partials - (not final),
            final=final,
            cause=cause,
            start_ms=timeline.time_ms(low),
            end_ms=timeline.time_ms(high),
            first_sequence=first,
            last_sequence=last,
            samples=timeline.samples(low, high).copy(),
            overlap_ms=max(0, min(timeline.fresh_from, high) - low) / PER_MS,
            speech_ms=self._endpointer.speech_ms(high),
            accounted=timeline.fresh(low, high) if final else 0,
        )
