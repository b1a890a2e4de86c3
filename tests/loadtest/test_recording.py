"""Recordings: nothing is lost on the way into the file and out of it, and what is redacted is gone."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from loadtest.processes import merged
from loadtest.recording import Recorded, RecordingError, play, read, record
from loadtest.replayer import Drift, ReplayReport
from streams import records, topics
from streams.codec import decode, encode
from tests.support import samples


class Message:
    """As aiokafka has it."""

    def __init__(self, item: Any, timestamp: int) -> None:
        message = encode(item)
        self.topic, self.key, self.value, self.headers = message.topic, message.key, message.value, message.headers
        self.timestamp = timestamp


async def some(*messages: Message) -> AsyncIterator[Message]:
    for message in messages:
        yield message


CHUNK = samples.chunk(audio=b"\x01\x02" * 1600, duration_ms=100.0, content_type="audio/pcm;rate=16000")


async def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    file = tmp_path / "a.rwrec"
    given = [Message(samples.room(), 5), Message(CHUNK, 7), Message(samples.finding(), 9)]
    assert await record(some(*given), file) == {"voice.rooms": 1, "voice.chunks": 1, "voice.findings": 1}
    assert [(r.topic, r.key, r.value, r.headers, r.timestamp_ms) for r in read(file)] == [
        (m.topic, m.key, m.value, m.headers, m.timestamp) for m in given
    ]


async def test_redaction_leaves_time_and_nothing_that_was_said(tmp_path: Path) -> None:
    file = tmp_path / "a.rwrec"
    opus = samples.chunk(audio=b"secret" * 9, content_type="audio/opus", duration_ms=60.0, sequence=4)
    given = [Message(samples.room(), 5), Message(opus, 7), Message(samples.finding(transcript="secret"), 9)]
    assert await record(some(*given, Message(samples.utterance(), 11)), file, redact=True) == {
        "voice.rooms": 1,
        "voice.chunks": 1,
    }
    assert b"secret" not in gzip.decompress(file.read_bytes())
    (kept,) = [r for r in read(file) if r.topic == topics.CHUNKS.name]
    chunk = decode(records.Chunk, kept.headers, kept.value)
    assert (chunk.sequence, chunk.duration_ms, chunk.content_type) == (4, 60.0, "audio/pcm;rate=16000")
    assert chunk.audio == bytes(2 * 960)


class Virtual:
    """A clock that goes on only in sleep."""

    def __init__(self) -> None:
        self.now = 0.0

    def wall_ms(self) -> float:
        return 0.0

    def now_ms(self) -> float:
        return self.now

    async def sleep_ms(self, duration: float) -> None:
        self.now += duration


@pytest.mark.parametrize(("speed", "times"), [(1.0, [0.0, 100.0, 350.0]), (2.0, [0.0, 50.0, 175.0])])
async def test_distances_in_time_are_kept(tmp_path: Path, speed: float, times: list[float]) -> None:
    file, clock, sent = tmp_path / "a.rwrec", Virtual(), []
    await record(some(*(Message(CHUNK, 1000 + ms) for ms in (350, 0, 100))), file)

    async def send(kept: Recorded) -> None:
        sent.append((clock.now, kept.timestamp_ms))

    assert await play(file, send, clock=clock, speed=speed) == 3
    assert sent == list(zip(times, [1000, 1100, 1350], strict=True))


@pytest.mark.parametrize("spoilt", [b"no gzip at all", gzip.compress(b"\x00\x00\x00\x05abc")])
def test_what_is_no_recording_is_named(tmp_path: Path, spoilt: bytes) -> None:
    file = tmp_path / "a.rwrec"
    file.write_bytes(spoilt)
    with pytest.raises(RecordingError, match=r"a\.rwrec is no recording"):
        list(read(file))


async def test_a_recording_that_was_cut_off_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.rwrec"
    await record(some(*(Message(CHUNK, n) for n in range(50))), file)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(RecordingError, match="cut off"):
        list(read(file))


def test_reports_of_shards_add_up() -> None:
    def report(begun: float, late: float) -> ReplayReport:
        drift = Drift()
        drift.add(late)
        made = ReplayReport(begun, 1.0, chunks=2, events=1, audio_ms=200.0, rooms=1, tracks=1, elapsed_ms=begun)
        made.drift = drift
        made.content_types["audio/opus"] = 2
        return made

    total = merged([report(5.0, 1.0), report(3.0, 9.0)])
    assert (total.start_unix_ms, total.elapsed_ms, total.chunks, total.rooms) == (3.0, 5.0, 4, 2)
    assert (total.drift.count, total.drift.max_ms) == (2, 9.0)
    assert total.content_types == {"audio/opus": 4}
