"""judge as the watch for incidents, under Faust's test context: sightings out, sightings in, incidents out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agents.judge import Judging, load_judge
from models.takeover import Judging as AnyJudge
from streams import records
from streams.metrics import Metrics
from streams.settings import Settings
from tests.support import samples
from tests.support.fakes import ScriptedJudge
from tests.support.samples import T0_MS
from tests.support.stages import running

SCRIPT = "姐妹们快来加我微信，每天带你刷单赚三百块"


def stage_of(tmp_path: Path, judge: AnyJudge) -> Judging:
    return Judging(Settings(state_dir=tmp_path, group_prefix="rw"), Metrics(), judge)


@pytest.fixture
def stage(tmp_path: Path) -> Judging:
    return stage_of(tmp_path, ScriptedJudge())


def found(number: int, text: str = SCRIPT, **changes: Any) -> records.Finding:
    end_ms = T0_MS + number * 1000
    fields = {"transcript": text, "utterance_id": f"ut_{number}", "room": f"room-{number}", "speaker": f"s{number}"}
    return samples.finding(**(fields | {"alternatives": [], "start_ms": end_ms - 900, "end_ms": end_ms} | changes))


async def test_a_raid_over_rooms_on_all_partitions_becomes_one_incident(stage: Judging) -> None:
    """As the broker would: sightings of a tenant go to one partition, whatever partitions the rooms are on."""
    async with running(stage) as run:
        for number in range(6):
            await run.put(found(number), partition=number)
        await run.until(lambda: all(run.acked), "the findings")
        sightings = run.of(records.Sighting)
        for sighting in [*sightings, sightings[-1]]:
            await run.put(sighting, partition=7)
        await run.until(lambda: all(run.acked), "the sightings")
    assert {p.key for p in run.producer.sent if p.topic == "judge.sightings"} == {b"demo"}
    incidents = run.of(records.Incident)
    assert len({i.incident_id for i in incidents}) == 1
    assert [(i.revision, len(i.rooms)) for i in incidents] == [(4, 4), (5, 5), (6, 6)]
    last = incidents[-1]
    assert (last.category, last.severity, last.quote) == ("ads/contact/off-platform", 2, "微信")
    assert [(room.room, room.speakers) for room in last.rooms] == [(f"room-{n}", [f"s{n}"]) for n in range(6)]
    assert (last.first_ms, last.last_ms) == (T0_MS, T0_MS + 5000)
    written = {p.partition for p in run.producer.changelog if p.topic == "rw-judge-incidents-changelog"}
    assert written == {7}
    counted = stage.metrics.registry.get_sample_value(
        "roomwarden_incident_updates_total", {"category": "ads/contact/off-platform"}
    )
    assert counted == 3.0


async def test_what_is_no_offence_not_final_or_too_short_is_no_sighting(stage: Judging) -> None:
    async with running(stage) as run:
        for number, changes in enumerate([{"text": "大家晚上好呀"}, {"final": False}, {"text": "微信"}]):
            await run.put(found(number, **changes))
        await run.until(lambda: all(run.acked), "the findings")
    assert run.of(records.Sighting) == []


async def test_voices_and_noise_are_no_scripts(tmp_path: Path) -> None:
    voice = records.Synthetic(verdict="synthetic", llr=4.0)
    async with running(stage_of(tmp_path, load_judge(None, []))) as run:
        for number in range(3):
            await run.put(found(number, "大家晚上好呀", synthetic=voice, room="r", speaker="s"))
        await run.until(lambda: all(run.acked), "the findings")
    assert {r.category for r in run.of(records.Risk)} == {"synthetic/voice/undeclared"}
    assert run.of(records.Sighting) == []


async def test_tenants_are_kept_apart(stage: Judging) -> None:
    async with running(stage) as run:
        for number in range(8):
            await run.put(found(number, tenant=f"tenant-{number % 4}"))
        await run.until(lambda: all(run.acked), "the findings")
        for sighting in run.of(records.Sighting):
            await run.put(sighting)
        await run.until(lambda: all(run.acked), "the sightings")
    assert run.of(records.Incident) == []


async def test_a_worker_that_takes_over_goes_on_with_the_incident(stage: Judging, tmp_path: Path) -> None:
    async with running(stage) as run:
        for number in range(5):
            await run.put(found(number))
        await run.until(lambda: all(run.acked), "the findings")
        sightings = run.of(records.Sighting)
        for sighting in sightings[:4]:
            await run.put(sighting)
        await run.until(lambda: all(run.acked), "the sightings")
    successor = stage_of(tmp_path, ScriptedJudge())
    async with running(successor) as again:
        for table in successor.app.tables.values():
            table.data.update({p.key: p.value for p in run.producer.changelog if p.topic == table.changelog_topic_name})
        await again.put(sightings[4])
        await again.until(lambda: all(again.acked), "the sighting")
    (before,), (after,) = run.of(records.Incident), again.of(records.Incident)
    assert (after.incident_id, len(after.rooms)) == (before.incident_id, 5)
