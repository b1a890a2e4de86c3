"""Endpointing: from one speech probability per window to where an utterance begins, pauses and ends.

    closed ──p ≥ onset──▶ open ──hangover without p ≥ release──▶ endpoint, or closed again if the speech was too short
                            └──maximum──▶ cut

Positions are samples at 16 kHz since the track's last boundary, where a fresh `Endpointer` starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from models.vad import WINDOW

PER_MS = 16  # samples a millisecond


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """Thresholds (probabilities) and durations (ms) of endpointing.

    0.5 and 0.35 are Silero's own defaults; hangover, minimum and maximum are the project's.
    """

    onset: float = 0.5
    release: float = 0.35
    pre_roll_ms: int = 250
    hangover_ms: int = 500
    short_hangover_ms: int = 160  # what the hangover shrinks to, in a straight line,
    patient_ms: int = 1_500  # from utterances of this length
    hurried_ms: int = 3_000  # to those of this: the longer somebody talks, the smaller a pause ends the utterance
    tail_ms: int = 250  # of the hangover, what stays with the utterance; the rest is the next one's pre-roll
    minimum_speech_ms: int = 250
    maximum_ms: int = 12_000
    cut_window_ms: int = 3_000  # a cut at the maximum looks for the quietest point in the last so many ms
    overlap_ms: int = 400  # and the next utterance begins so much before it
    partial_ms: int = 500  # of speech between two partials
    silence_ms: int = 5_000  # without speech: account for it,
    silence_kept_ms: int = 500  # but for the last so many ms

    def __post_init__(self) -> None:
        """Raises ValueError where two durations contradict each other."""
        if not 0.0 < self.release <= self.onset < 1.0:
            raise ValueError("release: must be above 0 and at most onset, which must be below 1")
        if self.tail_ms > self.hangover_ms:
            raise ValueError("tail_ms: must not exceed hangover_ms")
        if not 0 < self.short_hangover_ms <= self.hangover_ms or self.hurried_ms <= self.patient_ms:
            raise ValueError("short_hangover_ms: must not exceed hangover_ms; hurried_ms: must exceed patient_ms")
        if min(self.minimum_speech_ms, self.partial_ms, self.hangover_ms) < WINDOW // PER_MS:
            raise ValueError("minimum_speech_ms, partial_ms, hangover_ms: must be at least one window of 32 ms")
        if self.maximum_ms <= self.cut_window_ms + 2 * self.overlap_ms + self.pre_roll_ms:
            raise ValueError("maximum_ms: must exceed cut_window_ms, pre_roll_ms and twice overlap_ms together")
        if self.silence_ms <= self.silence_kept_ms + self.overlap_ms:
            raise ValueError("silence_ms: must exceed silence_kept_ms and overlap_ms together")


class Decision(Enum):
    """What the latest window means."""

    NOTHING = "nothing"
    PARTIAL = "partial"  # another second of speech: say what was said so far
    ENDPOINT = "endpoint"  # the utterance [start, end) is over
    MAXIMUM = "maximum"  # it is too long: cut it
    SILENCE = "silence"  # long enough without speech to account for it


class Endpointer:
    """Feed one probability per window; read `open`, `start`, `end`, `partials` when the decision calls for it."""

    def __init__(self, settings: EndpointSettings) -> None:
        self._settings = settings
        self._windows = 0
        self._onset = 0  # window
        self._last = 0  # latest window with speech
        self._flags = bytearray()  # 1 for each window with speech since the onset
        self._speech = 0  # their number
        self.open = False
        self.partials = 0

    def feed(self, probability: float) -> Decision:
        """The next window."""
        index = self._windows
        self._windows += 1
        if not self.open:
            if probability < self._settings.onset:
                silent = self._windows * WINDOW >= self._settings.silence_ms * PER_MS
                return Decision.SILENCE if silent else Decision.NOTHING
            self.open, self._onset, self._flags, self._speech, self.partials = True, index, bytearray(), 0, 0
        speech = probability >= self._settings.release
        self._flags.append(speech)
        if speech:
            self._last = index
            self._speech += 1
        elif (index - self._last) * WINDOW >= self._hangover:
            if self.long_enough:
                return Decision.ENDPOINT
            self.open = False
            return Decision.NOTHING
        if self.now - self.start >= self._settings.maximum_ms * PER_MS:
            return Decision.MAXIMUM
        if self._speech * WINDOW >= (self.partials + 1) * self._settings.partial_ms * PER_MS:
            self.partials += 1
            return Decision.PARTIAL
        return Decision.NOTHING

    @property
    def now(self) -> int:
        """End of the latest window."""
        return self._windows * WINDOW

    @property
    def start(self) -> int:
        """First sample of the open utterance, pre-roll included."""
        return max(0, self._onset * WINDOW - self._settings.pre_roll_ms * PER_MS)

    @property
    def end(self) -> int:
        """End of the open utterance if nothing more is said: its last speech and the tail.

        Of a short hangover half stays with the utterance, so that the next one has a pre-roll too.
        """
        return (self._last + 1) * WINDOW + min(self._settings.tail_ms * PER_MS, self._hangover // 2)

    @property
    def _hangover(self) -> int:
        """Samples without speech that end the open utterance, by its length up to its last speech."""
        settings = self._settings
        length_ms = ((self._last + 1) * WINDOW - self.start) / PER_MS
        hurry = min(1.0, max(0.0, (length_ms - settings.patient_ms) / (settings.hurried_ms - settings.patient_ms)))
        return round((settings.hangover_ms - hurry * (settings.hangover_ms - settings.short_hangover_ms)) * PER_MS)

    @property
    def long_enough(self) -> bool:
        """Whether the open utterance has its minimum of speech."""
        return self._speech * WINDOW >= self._settings.minimum_speech_ms * PER_MS

    def speech_ms(self, end: int) -> float:
        """Speech in the open utterance up to sample `end`."""
        windows = max(0, -(-end // WINDOW) - self._onset)
        return sum(self._flags[:windows]) * WINDOW / PER_MS


def quietest(samples: NDArray[np.int16]) -> int:
    """The middle of the quietest 90 ms (in steps of 10 ms); the first of equals. Half-way where there is less."""
    step, span = 160, 9
    blocks = len(samples) // step
    if blocks < span:
        return len(samples) // 2
    values = samples[: blocks * step].astype(np.int64).reshape(blocks, step)
    sums = np.concatenate([[0], np.cumsum((values * values).sum(axis=1))])
    return (int(np.argmin(sums[span:] - sums[:-span])) * 2 + span) * step // 2
