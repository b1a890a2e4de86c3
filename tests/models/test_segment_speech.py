"""Real Silero, real codecs: a burst of speech is found wherever it lies, once, and a killed worker finds it again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.segmenting import SegmentEngine
from models.vad import Silero
from tests.models.audio_makers import CODECS, chunks_of, noise, phrase, silence, word
from tests.models.segment_streams import drain, finals, last_position, record, released, run

OFFSETS_MS = range(0, 2_000, 100)
CUTS_MS = (20, 60, 200, 500, 2_000)


@pytest.fixture(scope="module")
def silero() -> Silero:
    return Silero()


def streams(codec: str):
    """A burst at every offset, each cut in one way, all ways in turn; one track each."""
    for number, offset_ms in enumerate(OFFSETS_MS):
        sound = np.concatenate([noise(offset_ms, 3.0), word(), noise(2_400 - offset_ms, 3.0, seed=1)])
        cut_ms = CUTS_MS[(number + sorted(CODECS).index(codec)) % len(CUTS_MS)]
        yield offset_ms, chunks_of(sound, codec, cut_ms, start_ms=0.0, track=f"{codec} {offset_ms} {cut_ms}")


@pytest.mark.parametrize("codec", CODECS)
def test_a_burst_at_any_offset_in_any_cut_is_found_once(codec, silero):
    segments = SegmentEngine(vad=silero)
    expected = {}
    for offset_ms, chunks in streams(codec):
        expected[chunks[0].track] = offset_ms
        for chunk in chunks:
            segments.push(chunk)
    outputs = drain(segments)
    assert segments.idle()
    found = {u.track: u for u in finals(outputs)}
    assert len(found) == len(finals(outputs))
    assert found.keys() == expected.keys()
    for track, utterance in found.items():
        offset_ms = expected[track]
        assert utterance.start_ms <= offset_ms + 30
        assert utterance.start_ms >= offset_ms - 350
        assert utterance.end_ms >= offset_ms + 700
        assert utterance.end_ms <= offset_ms + 1_200
        size = 1 << 17
        spectrum = np.fft.rfft(utterance.samples, size) * np.conj(np.fft.rfft(word(), size))
        likeness = np.fft.irfft(spectrum, size).max()
        norms = np.linalg.norm(utterance.samples.astype(float)) * np.linalg.norm(word().astype(float))
        assert likeness / norms > 0.85, track


@pytest.mark.parametrize("codec", CODECS)
def test_a_worker_killed_at_any_chunk_makes_the_same_utterances(codec, silero):
    sound = np.concatenate([noise(300, 3.0), phrase(), silence(900), word(), noise(400, 3.0)] + [phrase()] * 4)
    chunks = chunks_of(sound, codec, 200)
    chunks = [replace(chunk, token=index) for index, chunk in enumerate(chunks)]
    whole = SegmentEngine(vad=silero)
    expected = {record(u): u for u in finals(run(whole, chunks))}
    assert {"endpoint", "maximum", "last-chunk"} <= {u.cause for u in expected.values()}
    for kill_at in range(7, len(chunks), max(1, len(chunks) // 4)):
        killed = SegmentEngine(vad=silero)
        outputs = []
        for chunk in chunks[:kill_at]:
            killed.push(chunk)
            outputs += killed.step(0.0)
        killed.forget(["t"])
        drain(killed)
        successor = SegmentEngine(vad=silero)
        position = last_position(outputs)
        if position is not None:
            successor.resume("t", position)
        done = set(released(outputs))
        replayed = run(successor, [chunk for chunk in chunks if chunk.token not in done])
        assert {record(u) for u in [*finals(outputs), *finals(replayed)]} == expected.keys()


def test_silence_noise_and_clicks_are_no_speech(silero):
    clicks = np.zeros(16 * 4_000, np.int16)
    clicks[::8_000] = 20_000
    hum = (np.sin(np.arange(16 * 4_000) * 2 * np.pi * 50 / 16_000) * 2_000).astype(np.int16)
    for number, sound in enumerate((silence(4_000), noise(4_000, 300.0), clicks, hum)):
        segments = SegmentEngine(vad=silero)
        outputs = run(segments, chunks_of(sound, "pcm16k", 100, track=f"{number}"))
        assert finals(outputs) == []
        assert sum(output.accounted for output in outputs) == len(sound)
