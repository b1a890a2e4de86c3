"""segment with an admission limit: what is refused is on record, to the millisecond, and stops nobody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from agents.segment import Segment
from models.segmenting import SegmentEngine
from streams import records
from streams.ledger import Ledger
from streams.metrics import Metrics
from streams.settings import Settings
from tests.models.segment_streams import Loudness, short_settings
from tests.support import samples
from tests.support.samples import T0_MS
from tests.support.stages import Running, running

TALK = (3000 * np.sin(np.arange(1600) / 3.0)).astype("<i2").tobytes()
"""100 ms that the stub of the speech model takes for speech."""


def stage_of(tmp_path: Path, **admission: int) -> Segment:
    settings = Settings(state_dir=tmp_path, admission=admission or {"*": 1}, dead_letter_minimum=4)
    return Segment(settings, Metrics(), SegmentEngine(short_settings(idle_ms=300.0), Loudness()))


async def send(run: Running, speaker: str, sequences: range, **changes: Any) -> None:
    for sequence in sequences:
        fields: dict[str, Any] = {"speaker": speaker, "session": speaker, "audio": TALK} | changes
        at_ms = T0_MS + 100.0 * sequence
        await run.put(samples.chunk(sequence=sequence, time_ms=at_ms, **fields), timestamp=at_ms / 1000.0)


def value(of: Segment, name: str, **labels: str) -> float | None:
    return of.metrics.registry.get_sample_value(name, labels)


async def test_a_track_beyond_the_limit_is_refused_and_accounted_for(tmp_path: Path) -> None:
    stage = stage_of(tmp_path)
    async with running(stage) as run:
        await send(run, "first", range(25))
        await send(run, "second", range(25))
        await run.until(lambda: all(run.acked), "the acknowledgements")
    spoken = run.of(records.Utterance)
    assert {utterance.speaker for utterance in spoken} == {"first"}
    lost = [covered for covered in run.of(records.Coverage) if covered.kind == "lost"]
    assert {(covered.speaker, covered.reason) for covered in lost} == {("second", "admission")}
    assert [covered.milliseconds for covered in lost] == [1000.0, 1000.0, 500.0]  # a record a second
    ledger = Ledger()
    ledger.add_all(run.of(records.Coverage))
    assert ledger.total().received == 5000.0
    assert ledger.total().lost == {"admission": 2500.0}
    assert value(stage, "roomwarden_refused_total", tenant="demo") == 25.0
    assert value(stage, "roomwarden_lost_seconds_total", stage="segment", reason="admission") == 2.5


async def test_one_letter_a_track_and_minute_names_limit_and_remedy_and_stops_no_worker(tmp_path: Path) -> None:
    stage = stage_of(tmp_path)
    async with running(stage) as run:
        await send(run, "first", range(2))
        for speaker in ("second", "third", "fourth", "fifth", "sixth"):
            await send(run, speaker, range(3))
        await send(run, "first", range(95, 600, 95))  # the others come and go, it stays
        await send(run, "second", range(600, 602))
        await run.until(lambda: all(run.acked), "the acknowledgements")
    assert [letter["rw_reason"] for letter in run.producer.dead] == ["admission"] * 6
    detail = run.producer.dead[0]["rw_detail"]
    assert "1 tracks" in detail
    assert "ROOMWARDEN_ADMISSION" in detail


async def test_who_ends_makes_room(tmp_path: Path) -> None:
    stage = stage_of(tmp_path)
    async with running(stage) as run:
        await send(run, "first", range(5))
        await send(run, "second", range(5))
        await send(run, "first", range(5, 6), last=True)
        await send(run, "second", range(5, 15))
        await run.until(lambda: all(run.acked), "the acknowledgements")
    kinds = {(c.speaker, c.kind, c.reason) for c in run.of(records.Coverage)}
    assert ("second", "lost", "admission") in kinds
    assert "second" in {utterance.speaker for utterance in run.of(records.Utterance)}
    ledger = Ledger()
    ledger.add_all(run.of(records.Coverage))
    assert (ledger.total().received, ledger.total().lost) == (2100.0, {"admission": 500.0})


async def test_a_refused_track_that_is_read_again_counts_once(tmp_path: Path) -> None:
    """Its position is kept, as for what was heard."""
    stage = stage_of(tmp_path)
    async with running(stage) as run:
        await send(run, "first", range(12))
        await send(run, "second", range(12))
        await run.until(lambda: all(run.acked), "the acknowledgements")
        await send(run, "second", range(12))
        await run.until(lambda: all(run.acked), "the acknowledgements")
    ledger = Ledger()
    ledger.add_all(run.of(records.Coverage))
    assert ledger.total().lost == {"admission": 1200.0}
