"""segment under Faust's test context, with a scripted engine."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.segment import Segment
from streams import records
from streams.codec import Message, encode
from streams.identifiers import utterance_id
from streams.metrics import Metrics
from streams.settings import Settings
from tests.support import samples
from tests.support.fakes import ScriptedEngine, as_text
from tests.support.samples import T0_MS
from tests.support.stages import running
from tests.support.wire import replaced


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path, group_prefix="rw", dead_letter_minimum=50)


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def stage(settings: Settings, engine: ScriptedEngine) -> Segment:
    return Segment(settings, Metrics(), engine)  # type: ignore[arg-type]  # scripted


def chunk(sequence: int, command: str, **changes: Any) -> records.Chunk:
    """The command as the chunk of that number, 100 ms each."""
    return samples.chunk(
        sequence=sequence, time_ms=T0_MS + 100.0 * sequence, audio=command.encode(), **({"room": "tea-room"} | changes)
    )


AT = (T0_MS + 50.0) / 1000.0  # Kafka's timestamp, close to capture


async def test_chunks_become_an_utterance_and_its_coverage(stage: Segment) -> None:
    async with running(stage) as run:
        for n, command in enumerate(["say:加我", "say:微信", "end"]):
            await run.put(chunk(n, command, declared_synthetic=True), partition=3, timestamp=AT)
        await run.until(lambda: all(run.acked), "the acknowledgements")
    (utterance,) = run.of(records.Utterance)
    (covered,) = run.of(records.Coverage)
    assert as_text(_int16(utterance.audio)) == "加我 微信"
    assert utterance.utterance_id == utterance_id("demo", "s-1", "seller", 0, 0)
    assert (utterance.revision, utterance.final, utterance.cause) == (0, True, "endpoint")
    assert (utterance.first_sequence, utterance.last_sequence) == (0, 2)
    assert (utterance.start_ms, utterance.end_ms) == (T0_MS, T0_MS + 300.0)
    assert (utterance.tenant, utterance.room, utterance.speaker, utterance.session) == (
        "demo",
        "tea-room",
        "seller",
        "s-1",
    )
    assert utterance.declared_synthetic is True
    assert (covered.stage, covered.kind, covered.milliseconds) == ("segment", "speech", 300.0)
    assert covered.utterance_id == utterance.utterance_id


async def test_partials_are_published_and_acknowledge_nothing(stage: Segment) -> None:
    async with running(stage) as run:
        await run.put(chunk(0, "say:你好"), timestamp=AT)
        await run.put(chunk(1, "partial"), timestamp=AT)
        await run.until(lambda: run.of(records.Utterance), "the partial")
        assert run.acked == [False, False]
        assert run.of(records.Coverage) == []
        await run.put(chunk(2, "end"), timestamp=AT)
        await run.until(lambda: all(run.acked), "the acknowledgements")
    partial, final = run.of(records.Utterance)
    assert (partial.revision, partial.final) == (0, False)
    assert (final.revision, final.final) == (1, True)
    assert partial.utterance_id == final.utterance_id


async def test_nothing_is_acknowledged_before_the_broker_has_confirmed_the_result(stage: Segment) -> None:
    async with running(stage) as run:
        run.producer.confirming = False
        await run.put(chunk(0, "say:你好"), timestamp=AT)
        await run.put(chunk(1, "end"), timestamp=AT)
        await run.until(lambda: run.producer.sent, "the utterance to be sent")
        for _ in range(20):
            await asyncio.sleep(0)
        assert run.acked == [False, False]
        assert run.producer.changelog == []  # nor is the position moved
        run.producer.confirm()
        await run.until(lambda: all(run.acked), "the acknowledgements")


async def test_a_partition_is_acknowledged_in_order_across_its_tracks(stage: Segment) -> None:
    """The second track ends first, but its chunks lie behind an open one of the first."""
    async with running(stage) as run:
        await run.put(chunk(0, "say:甲"), timestamp=AT)
        await run.put(chunk(0, "say:乙", speaker="guest"), timestamp=AT)
        await run.put(chunk(1, "end", speaker="guest"), timestamp=AT)
        await run.put(chunk(0, "silence", room="other"), partition=1, timestamp=AT)
        await run.until(lambda: len(run.of(records.Coverage)) == 2, "the guest's utterance and the silence")
        await run.until(lambda: run.acked[3], "the other partition")
        assert run.acked == [False, False, False, True]
        await run.put(chunk(1, "end"), timestamp=AT)
        await run.until(lambda: all(run.acked), "the acknowledgements")


async def test_silence_is_accounted_for_and_acknowledged(stage: Segment) -> None:
    async with running(stage) as run:
        await run.put(chunk(4, "silence"), timestamp=AT)
        await run.until(lambda: all(run.acked), "the acknowledgement")
    (covered,) = run.of(records.Coverage)
    assert (covered.kind, covered.milliseconds, covered.start_ms) == ("silence", 100.0, T0_MS + 400.0)
    assert run.of(records.Utterance) == []


async def test_an_undecodable_chunk_is_dead_lettered_and_lost_and_the_stream_goes_on(stage: Segment) -> None:
    async with running(stage) as run:
        await run.put(chunk(0, "say:你好"), timestamp=AT)
        await run.put(chunk(1, "bad"), timestamp=AT)
        await run.put(chunk(2, "end"), timestamp=AT)
        await run.until(lambda: all(run.acked), "the acknowledgements")
    assert [(d["rw_reason"], d["rw_detail"], d["rw_offset"]) for d in run.producer.dead] == [
        ("undecodable", "send whole packets", "1")
    ]
    assert {c.kind: c.reason for c in run.of(records.Coverage)} == {"lost": "undecodable", "speech": "endpoint"}
    assert len(run.of(records.Utterance)) == 1
    lost = {"stage": "segment", "reason": "undecodable"}
    counted = stage.metrics.registry.get_sample_value("roomwarden_lost_seconds_total", lost)
    assert counted == sum(c.milliseconds for c in run.of(records.Coverage) if c.kind == "lost") / 1000.0


async def test_lag_is_the_age_of_what_was_read_last_and_not_of_an_open_utterance(stage: Segment) -> None:
    async with running(stage) as run:
        await run.put(chunk(0, "say:你好"), timestamp=AT)
        await run.until(lambda: stage.lag_s(0.0) > 1_000_000.0, "a chunk that lay in Kafka for months")
        now = time.time()
        await run.put(msgspec.structs.replace(chunk(1, "say:你好"), time_ms=now * 1000.0), timestamp=now)
        await run.until(lambda: stage.lag_s(0.0) < 1_000.0, "a fresh one")
        await run.put(chunk(2, "end"), timestamp=AT)
        await run.until(lambda: all(run.acked), "the acknowledgements")
    assert stage.lag_s(0.0) == 0.0


def spoilt(kind: str) -> Message:
    """A record of a track of its own that can never be read."""
    message = encode(chunk(0, "say:x", session="broken"))
    changes: dict[str, Any] = {
        "missing-attribute": {"sequence": None},
        "invalid-attribute": {"sequence": b"minus one"},
        "unknown-type": {"type": b"io.roomwarden.chunk.v9"},
        "unknown-content-type": {"content_type": b"text/plain"},
        "clock-skew": {"time": b"2026-01-02T00:00:01Z"},
    }
    value = {"empty-value": b"", "oversized": bytes(1_100_000)}.get(kind, message.value)
    return Message(message.topic, message.key, value, replaced(message.headers, **changes.get(kind, {})))


@pytest.mark.parametrize(
    "kind",
    [
        "missing-attribute",
        "invalid-attribute",
        "unknown-type",
        "unknown-content-type",
        "clock-skew",
        "empty-value",
        "oversized",
    ],
)
async def test_bad_input_goes_to_the_dead_letters_and_the_stream_goes_on(
    stage: Segment, engine: ScriptedEngine, kind: str
) -> None:
    async with running(stage) as run:
        await run.put(chunk(0, "say:你好"), timestamp=AT)
        await run.put(spoilt(kind), timestamp=AT)
        await run.put(chunk(1, "end"), timestamp=AT)
        await run.until(lambda: all(run.acked), "the acknowledgements")
    assert [d["rw_reason"] for d in run.producer.dead] == [kind]
    assert [d["rw_topic"] for d in run.producer.dead] == ["voice.chunks"]
    assert len(run.of(records.Utterance)) == 1
    assert not any("broken" in track for track in engine.tracks)
    counted = stage.metrics.registry.get_sample_value(
        "roomwarden_dead_letters_total", {"stage": "segment", "reason": kind}
    )
    assert counted == 1.0


async def test_capture_times_are_checked_against_kafka_and_not_against_now(stage: Segment) -> None:
    """A replay of last year's chunks, sent when they were captured, is fine."""
    async with running(stage) as run:
        await run.put(chunk(0, "silence", room="old"), timestamp=AT)
        await run.until(lambda: all(run.acked), "the acknowledgement")
    assert run.producer.dead == []


async def test_an_engine_that_breaks_stops_the_stage_and_acknowledges_nothing(stage: Segment) -> None:
    async with running(stage) as run:
        await run.put(chunk(0, "say:你好"), timestamp=AT)
        await run.put(chunk(1, "boom"), timestamp=AT)
        assert "the engine broke" in str(await run.crashed())
        assert run.acked == [False, False]
        assert run.producer.dead == []


async def test_a_broker_that_refuses_a_result_stops_the_stage_and_acknowledges_nothing(stage: Segment) -> None:
    async with running(stage) as run:
        run.producer.failure = ConnectionError("the broker is gone")
        await run.put(chunk(0, "silence"), timestamp=AT)
        await run.crashed()
        assert run.acked == [False]


async def test_the_position_is_saved_to_the_partition_of_the_track_and_resumed_from(
    stage: Segment, settings: Settings
) -> None:
    async with running(stage) as run:
        await run.put(chunk(0, "say:你好"), partition=5, timestamp=AT)
        await run.put(chunk(1, "end"), partition=5, timestamp=AT)
        await run.until(lambda: all(run.acked), "the acknowledgements")
    (saved,) = run.producer.changelog
    assert (saved.topic, saved.partition) == ("rw-segment-positions-changelog", 5)

    engine = ScriptedEngine()
    restarted = Segment(settings, Metrics(), engine)  # type: ignore[arg-type]  # scripted
    async with running(restarted) as again:
        restarted._positions._table.data[saved.key] = saved.value  # as recovery from the changelog leaves it
        await again.put(chunk(2, "say:再见"), partition=5, timestamp=AT)
        await again.put(chunk(3, "end"), partition=5, timestamp=AT)
        await again.until(lambda: all(again.acked), "the acknowledgements")
    ((_, position),) = engine.resumed
    assert (position.sequence, position.sample, position.time_ms) == (2, 0, T0_MS + 200.0)


async def test_a_track_that_was_quiet_for_long_goes_on_from_its_position(
    stage: Segment, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine forgets quiet tracks; without their position it would take a late duplicate for something new."""
    async with running(stage) as run:
        await run.put(chunk(0, "silence"), timestamp=AT)
        await run.put(chunk(0, "say:字", room="open"), timestamp=AT)
        await run.until(lambda: run.acked[0], "the acknowledgement")
        monkeypatch.setattr("agents.segment.RESUME_AFTER_S", -1.0)
        await run.put(chunk(1, "silence"), timestamp=AT)
        await run.put(chunk(1, "end", room="open"), timestamp=AT)  # still held: not quiet, however old
        await run.until(lambda: all(run.acked), "the acknowledgements")
    assert [(track.split("\x1f")[1], position.sequence) for track, position in engine.resumed] == [("tea-room", 1)]
    assert [as_text(_int16(u.audio)) for u in run.of(records.Utterance)] == ["字"]


async def test_quiet_tracks_and_old_positions_are_swept(
    stage: Segment, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(stage) as run:
        await run.put(chunk(0, "silence"), timestamp=AT)
        await run.put(chunk(0, "say:字", room="open"), timestamp=AT)
        await run.put(chunk(0, "silence", room="other"), partition=1, timestamp=AT)
        await run.until(lambda: run.acked == [True, False, True], "the acknowledgements")
        monkeypatch.setattr("agents.segment.RESUME_AFTER_S", -1.0)
        monkeypatch.setattr("agents.segment.FORGET_AFTER_MS", -1e15)
        await run.revoke(1)  # its positions belong to another worker now
        stage._sweep(T0_MS)
        assert [key.split("\x1f")[1] for key in stage._tracks] == ["open"]
        assert [key.split("\x1f")[1] for key, _ in stage._positions.items()] == ["other"]
        await run.put(chunk(1, "end", room="open"), timestamp=AT)
        await run.until(lambda: run.acked[1], "what was open is still put out")


async def test_a_revoked_partition_loses_its_tracks_and_is_read_again_from_the_start(
    stage: Segment, engine: ScriptedEngine
) -> None:
    async with running(stage) as run:
        await run.put(chunk(0, "say:你好"), partition=2, timestamp=AT)
        await run.put(chunk(0, "say:留下", room="kept"), partition=4, timestamp=AT)
        await run.until(lambda: len(engine.tracks) == 2, "both tracks")
        await run.revoke(2)
        assert [track.split("\x1f")[1] for track in engine.forgotten] == ["tea-room"]
        assert stage.window.outstanding == 1
        # The next owner, here the same worker, reads it all again.
        await run.put(chunk(0, "say:你好"), partition=2, timestamp=AT)
        await run.put(chunk(1, "end"), partition=2, timestamp=AT)
        await run.put(chunk(1, "end", room="kept"), partition=4, timestamp=AT)
        await run.until(lambda: run.acked == [False, True, True, True, True], "all but the revoked record")
    assert sorted(as_text(_int16(u.audio)) for u in run.of(records.Utterance)) == ["你好", "留下"]


async def test_what_was_in_the_engine_when_its_partition_went_away_is_not_acknowledged(
    stage: Segment, engine: ScriptedEngine
) -> None:
    async with running(stage) as run:
        engine.gate.clear()
        await run.put(chunk(0, "silence"), partition=2, timestamp=AT)
        await run.until(lambda: engine.inbox, "the chunk in the engine")
        revocation = asyncio.create_task(run.revoke(2))
        await asyncio.sleep(0)
        engine.gate.set()
        await revocation
        await run.put(chunk(0, "silence", room="other"), partition=3, timestamp=AT)
        await run.until(lambda: run.acked[1], "the other partition")
        assert run.acked == [False, True]


async def test_a_full_window_stops_reading_until_there_is_room(tmp_path: Path, engine: ScriptedEngine) -> None:
    stage = Segment(Settings(state_dir=tmp_path, window=16), Metrics(), engine)  # type: ignore[arg-type]  # scripted
    async with running(stage) as run:
        for n in range(16):
            await run.put(chunk(n, "say:字"), timestamp=AT)
        await run.put(chunk(0, "silence", room="late"), partition=1, timestamp=AT)
        await run.put(chunk(1, "silence", room="late"), partition=1, timestamp=AT)
        await run.until(lambda: stage.window.outstanding == 17, "a full window")
        for _ in range(50):
            await asyncio.sleep(0)
        assert stage.window.outstanding == 17  # the one that waits, and none behind it
        assert not any("late" in track for track in engine.tracks)
        await run.revoke(0)
        await run.until(lambda: run.acked[-2:] == [True, True], "the records that waited")


async def test_a_record_that_waits_for_room_goes_away_with_its_partition(
    tmp_path: Path, engine: ScriptedEngine
) -> None:
    """It would else be taken after the partition came back, before records with lower offsets."""
    stage = Segment(Settings(state_dir=tmp_path, window=16), Metrics(), engine)  # type: ignore[arg-type]  # scripted
    async with running(stage) as run:
        for n in range(17):
            await run.put(chunk(n, "say:字"), timestamp=AT)
        await run.until(lambda: stage.window.outstanding == 17, "a full window")
        await run.revoke(0)
        assert stage.window.outstanding == 0
        await run.put(chunk(0, "silence", room="next"), timestamp=AT)
        await run.until(lambda: run.acked[-1], "the next record")
        assert run.acked[:-1] == [False] * 17
        assert not any("tea-room" in track for track in engine.tracks)


async def test_health_says_what_is_missing(settings: Settings, stage: Segment) -> None:
    fresh = Segment(settings, Metrics())
    assert (fresh.health().ready, fresh.health().detail) == (False, "loading models")
    await stage.load()
    assert (stage.health().ready, stage.health().detail) == (False, "starting")


def _int16(audio: bytes) -> Any:
    import numpy as np

    return np.frombuffer(audio, dtype="<i2")


LABEL = 'say:AIGC={"Label":"1","ContentProducer":"x"}'


@pytest.mark.parametrize(
    ("first", "changes", "status"),
    [
        (LABEL, {"content_type": "audio/ogg"}, "confirmed"),
        (LABEL, {"content_type": "audio/ogg", "declared_synthetic": True}, "confirmed"),
        (LABEL, {}, ""),  # bare samples hold no label, whatever they look like
        ("mark", {}, "suspected"),
        ("mark", {"declared_synthetic": True}, "suspected"),
        ("say:one", {"declared_synthetic": True}, ""),
    ],
)
async def test_labels_and_marks_stay_with_the_track_declarations_with_the_chunk(
    stage: Segment, first: str, changes: dict[str, Any], status: str
) -> None:
    async with running(stage) as run:
        await run.put(chunk(0, first, **changes), timestamp=AT)
        for n, command in enumerate(["say:one", "end", "say:two", "end"], 1):
            await run.put(chunk(n, command), timestamp=AT)
        await run.until(lambda: all(run.acked), "the acknowledgements")
    found = run.of(records.Utterance)
    assert [(u.declared_synthetic, u.synthetic_status) for u in found] == [(bool(status), status)] * 2


async def test_what_the_engine_has_left_to_do_is_done_at_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catching up, a track has more audio than one step takes: waiting for a fuller batch would only lose time."""

    class OneAStep(ScriptedEngine):
        def step(self, now_ms: float) -> list[Any]:
            waiting, self.inbox = self.inbox[1:], self.inbox[:1]
            outputs = super().step(now_ms)
            self.inbox = waiting + self.inbox
            return outputs

    monkeypatch.setattr("agents.segment.STEP_S", 3600.0)
    stage = Segment(settings, Metrics(), OneAStep())  # type: ignore[arg-type]  # it has what a stage needs
    async with running(stage, pump=False) as run:
        for sequence in range(4):
            await run.put(chunk(sequence, "silence"), timestamp=AT)
        await run.until(lambda: len(stage.engine.inbox) == 4, "the chunks to be queued")  # type: ignore[union-attr]
        pump = asyncio.create_task(stage.pump())
        await run.until(lambda: all(run.acked), "the acknowledgements")
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)
