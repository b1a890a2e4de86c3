"""Peers on a virtual clock with a scripted model: who waits for what, and when a queue runs away."""

from __future__ import annotations

import numpy as np
import pytest

from loadtest.peers import RATE, Kind, Stream, Wave, play


class Model:
    """Takes ``cost`` seconds a call, whatever the audio, by its own timer; hears a segment every two seconds."""

    def __init__(self, cost: float) -> None:
        self.cost = cost
        self.now = 0.0
        self.lengths: list[float] = []

    def hear(self, audio: Wave) -> list[float]:
        seconds = len(audio) / RATE
        self.lengths.append(seconds)
        self.now += self.cost
        return [float(end) for end in np.arange(2.0, seconds + 0.01, 2.0)] or [seconds]

    def timer(self) -> float:
        return self.now


def run(kind: Kind, tracks: int, cost: float, phrases: tuple[float, ...]) -> tuple[Model, list[Stream], float]:
    model = Model(cost)
    streams = [Stream(np.zeros(30 * RATE, np.float32), phrases) for _ in range(tracks)]
    return model, streams, play(kind, streams, model.hear, model.timer)


def test_a_slice_keeps_its_words_until_it_ends() -> None:
    model, (stream,), busy = run("slices", 1, 0.5, (1.0, 9.0, 29.0))
    assert model.lengths == [10.0, 10.0, 10.0]
    assert stream.latencies_s == pytest.approx([9.5, 1.5, 1.5])
    assert busy == pytest.approx(1.5)


def test_a_stream_hears_its_words_again_and_again_and_soon() -> None:
    model, (stream,), _ = run("stream", 1, 0.2, (5.0, 5.5))
    assert stream.latencies_s == pytest.approx([0.2, 0.7])
    assert max(model.lengths) <= 5.0  # settled segments are let go
    assert len(model.lengths) == 30


def test_streams_that_share_a_model_wait_for_each_other() -> None:
    _, few, _ = run("stream", 2, 0.2, (5.0,))
    _, many, _ = run("stream", 4, 0.4, (5.0,))
    assert max(late for stream in few for late in stream.latencies_s) <= 0.5
    assert max(late for stream in many for late in stream.latencies_s) > 0.7


def test_a_queue_that_runs_away_is_counted_as_late_and_ends() -> None:
    _, streams, _ = run("stream", 40, 1.0, (5.0, 25.0))
    assert sum(len(stream.latencies_s) for stream in streams) == 80
    assert max(late for stream in streams for late in stream.latencies_s) > 20.0
