"""Streams for the segment tests: a speech model without weights, short settings, and all that can go wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from models.segmenting import (
    Chunk,
    EndpointSettings,
    Output,
    Position,
    Rejected,
    SegmentEngine,
    SegmentSettings,
    Span,
    TimelineSettings,
    TrackSettings,
    Utterance,
)

FOREVER = 1e9
# What may befall a chunk, and how often where it does.
FAULTS = {
    "missing": 0.06,
    "bad": 0.05,
    "twice": 0.05,
    "pause": 0.04,
    "jitter": 0.1,
    "skew": 0.3,
    "claim": 0.1,
    "refused": 0.1,
}
START_MS = 1_700_000_000_000.0


class Loudness:
    """Stands in for Silero: a smoothed loudness, so that its state matters as Silero's does."""

    def __init__(self) -> None:
        self.states: dict[int, float] = {}
        self.calls = 0

    def open(self) -> int:
        slot = max(self.states, default=-1) + 1
        self.states[slot] = 0.0
        return slot

    def reset(self, slot: int) -> None:
        self.states[slot] = 0.0

    def close(self, slot: int) -> None:
        del self.states[slot]

    def probabilities(self, slots: Sequence[int], windows: np.ndarray) -> np.ndarray:
        self.calls += 1
        loud = np.abs(windows[:, 64:]).mean(axis=1) > 300
        for slot, is_loud in zip(slots, loud.tolist(), strict=True):
            self.states[slot] = 0.6 * self.states[slot] + 0.4 * is_loud
        return np.array([self.states[slot] for slot in slots], np.float32)


def short_settings(*, gate: bool = False, **track: object) -> SegmentSettings:
    """Everything happens sooner, so that ten seconds of stream see every kind of boundary."""
    endpoint = EndpointSettings(
        pre_roll_ms=100,
        hangover_ms=200,
        tail_ms=100,
        minimum_speech_ms=96,
        maximum_ms=2_000,
        cut_window_ms=700,
        overlap_ms=200,
        partial_ms=320,
        short_hangover_ms=200,
        silence_ms=1_000,
        silence_kept_ms=200,
    )
    timeline = TimelineSettings(fill_ms=120.0, pause_ms=200.0)
    return SegmentSettings(
        track=TrackSettings(
            endpoint=endpoint, timeline=timeline, partial_window_ms=1_000, partial_slack_ms=200, gate=gate, **track
        ),
        reorder_ms=300.0,
    )


def engine(settings: SegmentSettings | None = None) -> SegmentEngine:
    return SegmentEngine(settings or short_settings(), Loudness())


def pcm(
    samples: np.ndarray, sequence: int, time_ms: float, *, track: str = "t", last: bool = False, token: object = None
) -> Chunk:
    token = sequence if token is None else token
    payload = samples.astype("<i2").tobytes()
    return Chunk(track, sequence, time_ms, len(samples) / 16, "audio/pcm", payload, last, token)


def drain(segments: SegmentEngine, now_ms: float = 0.0) -> list[Output]:
    outputs = segments.step(now_ms)
    while segments.busy:
        outputs += segments.step(now_ms)
    return outputs


def run(segments: SegmentEngine, chunks: Iterable[Chunk], *, every: int = 1) -> list[Output]:
    """Push and step; in the end let all timers fire."""
    outputs: list[Output] = []
    for index, chunk in enumerate(chunks):
        segments.push(chunk)
        if index % every == every - 1:
            outputs += segments.step(0.0)
    outputs += drain(segments)
    outputs += drain(segments, FOREVER)
    return outputs + drain(segments, 2 * FOREVER)


def finals(outputs: Iterable[Output]) -> list[Utterance]:
    return [o for o in outputs if isinstance(o, Utterance) and o.final]


def spans(outputs: Iterable[Output], kind: str) -> list[Span]:
    return [o for o in outputs if isinstance(o, Span) and o.kind == kind]


def rejected(outputs: Iterable[Output]) -> list[Rejected]:
    return [o for o in outputs if isinstance(o, Rejected)]


def released(outputs: Iterable[Output]) -> list[object]:
    return [token for output in outputs for token in output.released]


def record(output: Output) -> tuple[object, ...]:
    """What must be equal in every replay."""
    match output:
        case Utterance():
            name = (output.utterance_sequence, output.utterance_sample, output.revision, output.cause)
            extent = (output.start_ms, output.end_ms, output.first_sequence, output.last_sequence)
            counts = (output.accounted, output.overlap_ms, output.speech_ms)
            return ("utterance", output.track, *name, *extent, *counts, output.samples.tobytes())
        case Span():
            return (output.kind, output.track, output.reason, output.start_ms, output.end_ms, output.accounted)
        case Rejected():
            return ("rejected", output.track, output.reason, output.token)
    raise TypeError(type(output))


def last_position(outputs: Iterable[Output]) -> Position | None:
    return next((o.position for o in reversed(list(outputs)) if o.position is not None), None)


class Stream:
    """Chunks of one track in order of arrival (token: that order), and the samples that the ledger must show."""

    def __init__(self, chunks: list[Chunk], received: int) -> None:
        self.chunks, self.received = chunks, received

    def __repr__(self) -> str:
        """Without the payloads."""
        rows = [(c.sequence, c.time_ms - START_MS, c.duration_ms, len(c.payload)) for c in self.chunks]
        return f"Stream({rows}, received={self.received})"


@st.composite
def streams(draw: st.DrawFn, *, trouble: bool = True) -> Stream:
    """A stream of speech and silence, and unless told otherwise with some kinds of trouble in it."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    parts = draw(
        st.lists(
            st.tuples(st.booleans(), st.sampled_from([40, 90, 150, 300, 500, 1_300, 2_600])), min_size=1, max_size=8
        )
    )
    audio = np.concatenate(
        [
            (rng.standard_normal(16 * ms) * (3_000 if loud else 3) * (1 + 0.5 * np.sin(np.arange(16 * ms) / 3_000)))
            for loud, ms in parts
        ]
    ).astype(np.int16)
    sizes = draw(st.sampled_from([(20,), (20, 60), (100,), (37, 11), (700, 20), (1_000,)]))
    wanted = {name: share for name, share in (FAULTS if trouble else {}).items() if draw(st.booleans())}
    if "jitter" in wanted:  # a chunk that comes too late counts with its claim
        wanted.pop("claim", None)

    def happens(name: str) -> bool:
        return rng.random() < wanted.get(name, 0.0)

    arrivals: list[tuple[float, Chunk]] = []
    received = 0
    at = sequence = 0
    refusing = False
    time_ms = START_MS
    while at < len(audio):
        size = 16 * sizes[sequence % len(sizes)]
        part = audio[at : at + size]
        at += size
        if happens("pause"):
            time_ms += float(rng.choice([30, 90, 150, 190, 250, 4_000]))
        chunk = pcm(part, sequence, time_ms, last=at >= len(audio))
        time_ms += chunk.duration_ms
        sequence += 1
        refusing = happens("refused") or (refusing and rng.random() < 0.9)
        if happens("missing"):
            continue
        if happens("skew"):
            chunk = replace(chunk, time_ms=chunk.time_ms + float(rng.integers(-45, 46)))
        if happens("claim"):
            chunk = replace(
                chunk, duration_ms=float(rng.choice([0.0, chunk.duration_ms / 2, 200.0, 1e12, float("nan")]))
            )
        elif refusing:
            chunk = replace(chunk, refused=True)
        elif happens("bad"):
            chunk = replace(chunk, payload=chunk.payload[:-1] if rng.random() < 0.5 else b"", last=False)
        received += len(part)
        delay = float(rng.integers(0, 200)) if happens("jitter") else 0.0
        arrivals.append((chunk.time_ms + delay, chunk))
        if happens("twice"):
            arrivals.append((chunk.time_ms + float(rng.integers(0, 2_000)), chunk))
    arrivals.sort(key=lambda pair: pair[0])
    return Stream([replace(chunk, token=index) for index, (_, chunk) in enumerate(arrivals)], received)
