"""Silero in batches, and the gate before it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from models.audio import open_decoder
from models.vad import CONTEXT, HIDDEN, SETTLING, WINDOW, Gate, ModelMissingError, Silero, batched_graph, silero_path
from tests.models.audio_makers import noise, phrase

VOICES = Path(__file__).parents[3] / "shared" / "data" / "voices"


def windows_of(samples: np.ndarray) -> np.ndarray:
    """[n, 576] with context, as the tracks make them."""
    padded = np.concatenate([np.zeros(CONTEXT, np.int16), samples])
    count = len(samples) // WINDOW
    return np.stack([padded[i * WINDOW : i * WINDOW + CONTEXT + WINDOW] for i in range(count)]).astype(np.float32)


def one_by_one(model: Silero, rows: np.ndarray) -> np.ndarray:
    slot = model.open()
    return np.array([model.probabilities([slot], row[None].copy())[0] for row in rows])


def test_a_batch_gives_bit_by_bit_what_each_track_gets_alone():
    model = Silero(batch=16)
    rng = np.random.default_rng(1)
    tracks = [windows_of(np.roll(phrase(), int(rng.integers(0, 40_000)))[:20_480]) for _ in range(37)]
    alone = np.stack([one_by_one(model, rows) for rows in tracks], axis=1)
    slots = [model.open() for _ in tracks]
    order = list(range(len(tracks)))
    for step in range(len(alone)):
        rng.shuffle(order)
        batch = np.stack([tracks[i][step] for i in order])
        together = model.probabilities([slots[i] for i in order], batch)
        assert np.array_equal(together, alone[step, order])
    assert alone.max() > 0.9


def test_the_batched_graph_is_the_published_one():
    session = onnxruntime.InferenceSession(silero_path().read_bytes(), providers=["CPUExecutionProvider"])
    rows = windows_of(np.concatenate([np.zeros(SETTLING * WINDOW, np.int16), phrase()]))
    zeros = np.zeros((1, 1, HIDDEN), np.float32)
    published = session.run(None, {"input": rows / 32768.0, "h": zeros, "c": zeros})[0]
    assert np.allclose(one_by_one(Silero(), rows[SETTLING:]), published[SETTLING:], atol=1e-6)


def test_slots_are_fresh_and_can_be_reset():
    model = Silero()
    rows = windows_of(phrase())
    first = one_by_one(model, rows)
    slots = [model.open() for _ in range(200)]  # more than there are to begin with
    assert len(set(slots)) == 200
    assert np.array_equal(one_by_one(model, rows), first)
    slot = slots[7]
    model.probabilities([slot], rows[:1].copy())
    model.reset(slot)
    again = [model.probabilities([slot], row[None].copy())[0] for row in rows]
    assert np.array_equal(again, first)
    model.close(slot)
    assert model.open() == slot


def test_missing_or_foreign_weights_are_one_clear_sentence(tmp_path):
    with pytest.raises(ModelMissingError, match=r"pip install faster-whisper==1\.2\.1"):
        Silero(tmp_path / "none.onnx")
    with pytest.raises(ModelMissingError, match="SHA-256"):
        batched_graph(silero_path().read_bytes()[:-1])


def open_windows(samples: np.ndarray) -> np.ndarray:
    gate = Gate()
    count = len(samples) // WINDOW
    for index in range(count):
        gate.feed(samples[index * WINDOW : (index + 1) * WINDOW])
    return np.array([gate.verdict(index, final=True) for index in range(count)])


@pytest.mark.parametrize("level", [0.0, 0.4, 10.0, 300.0])
def test_steady_noise_keeps_the_gate_shut(level):
    assert open_windows(noise(20_000, level)).mean() < 0.05


@pytest.mark.parametrize("gain_db", [0, -20, -35, -45])
def test_the_gate_lets_all_speech_through_however_soft(gain_db):
    soft = phrase() * 10 ** (gain_db / 20)
    stream = np.concatenate(
        [noise(2_000, 1.0), (soft + noise(len(soft) / 16, 1.0, 1)).astype(np.int16), noise(2_000, 1.0)]
    )
    speech = one_by_one(Silero(), windows_of(stream)) >= 0.5
    assert speech.sum() > 40
    assert open_windows(stream)[speech].all()
    assert not open_windows(stream)[:50].any()


def test_the_gate_says_when_it_needs_later_windows():
    gate = Gate(before=2, after=1)
    quiet, loud = np.zeros(WINDOW, np.int16), phrase()[8_000 : 8_000 + WINDOW]
    assert gate.verdict(0) is None
    for _ in range(3):
        gate.feed(quiet)
    assert gate.verdict(0) is False
    assert gate.verdict(1) is None
    gate.feed(loud)
    assert [gate.verdict(index) for index in (0, 1, 3, 4)] == [False, True, True, True]
    assert gate.verdict(5) is None
    assert gate.verdict(5, final=True) is False


@pytest.mark.skipif(not VOICES.is_dir(), reason="needs the recordings of ../shared/data/voices")
def test_the_gate_loses_no_soft_recording():
    with (VOICES / "manifest.csv").open() as manifest:
        rows = [row for row in csv.DictReader(manifest) if row["label"] == "bonafide"][::60]
    model = Silero()
    heard = lost = 0
    for row in rows:
        decoder = open_decoder("audio/ogg" if row["path"].endswith(".opus") else "audio/flac")
        soft = decoder.feed((VOICES / row["path"]).read_bytes()) * 10 ** (-35 / 20)
        stream = (soft + noise(len(soft) / 16, 5.0)[: len(soft)]).astype(np.int16)
        speech = one_by_one(model, windows_of(stream)) >= 0.5
        heard += speech.sum()
        lost += (speech & ~open_windows(stream)).sum()
    assert heard > 1_000
    assert lost / heard < 0.01
