"""What goes into the segment engine and what comes out: the vocabulary, and nothing else.

Times are Unix milliseconds of capture; samples are int16 at 16 kHz, 16 to the millisecond.

The ledger: every chunk pushed is accounted for exactly once, in whole samples, by the `accounted` fields of what
comes out: in utterances, in silence, or in what was lost. Zeros that stand in for a gap are heard by the voice
activity detection and by the listener, but were not received and are not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.audio import AudioFault

Reason = Literal[
    AudioFault,
    "sequence-back",  # a lower sequence with a later capture time: the sender started again under the same track
    "late",  # its place had already been given up
    "duplicate",  # taken before
    "missing",  # sequence numbers that never came
    "clock-back",  # capture time went back while the sequence went on
    "admission",  # its tenant sends more tracks than are taken
    "",  # of silence
]
Cause = Literal["partial", "endpoint", "maximum", "idle", "last-chunk", "gap"]


@dataclass(frozen=True, slots=True)
class Chunk:
    """One record of a track as it arrived. `duration_ms` is the sender's claim; `token` is handed back untouched.

    A `refused` chunk is accounted for as lost, and not decoded.
    """

    track: str
    sequence: int
    time_ms: float
    duration_ms: float
    content_type: str
    payload: bytes
    last: bool = False
    token: object = None
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Position:
    """Where a track is to be read from: sample `sample` of decoded chunk `sequence`, captured at `time_ms`.

    Everything before it is accounted for, and so are its first `overlap` samples, which the next utterance repeats.
    """

    sequence: int
    sample: int = 0
    overlap: int = 0
    time_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Common to all that comes out.

    Publish, then acknowledge `released`, and store `position` if there is one. Outputs of one boundary come together;
    the last of them carries the position.
    """

    track: str
    accounted: int = 0  # samples newly accounted for
    released: tuple[object, ...] = ()
    position: Position | None = None
    marked: bool = False  # the audible mark of synthetic speech is in the stretch that ends here


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance(Output):
    """Speech of one track, so far (`partial`, with the latest seconds only) or whole (`final`).

    (`utterance_sequence`, `utterance_sample`) names the chunk and the sample in it where the utterance begins: the same
    in all revisions and in every replay. `first_sequence` to `last_sequence` and the times are of `samples`.
    """

    utterance_sequence: int
    utterance_sample: int
    revision: int
    final: bool
    cause: Cause
    start_ms: float
    end_ms: float
    first_sequence: int
    last_sequence: int
    samples: NDArray[np.int16]
    overlap_ms: float
    speech_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Span(Output):
    """A stretch without an utterance, for the coverage ledger.

    | kind | accounted | reason |
    |---|---|---|
    | silence | its samples | |
    | lost | the claimed duration of a chunk, of several if refused | why it could not be used |
    | gap | 0: never received | missing, clock-back |
    | duplicate | 0: counted before | duplicate |
    """

    kind: Literal["silence", "lost", "gap", "duplicate"]
    reason: Reason
    start_ms: float
    end_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected(Output):
    """A chunk for the dead letters. A Span of kind "lost" follows, accounts for its time, and releases its token."""

    token: object
    reason: Reason
    detail: str
