"""Capacity figures: where a curve ends, what follows for a platform, and that table and picture say it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from deploy.bench_capacity import carried, segment_alone, speech
from deploy.capacity import Assumptions, extrapolate, picture, table


def step(tracks: int, p95: float, held: bool) -> dict[str, Any]:
    return {"tracks": tracks, "p50": p95 / 2, "p95": p95, "due": 4, "found": 4, "lag_s": 0.1, "held": held}


STEPS = [step(2, 900.0, True), step(4, 1900.0, True), step(6, 2500.0, False), step(10, 1000.0, True)]


def test_a_curve_ends_at_the_first_step_that_does_not_hold() -> None:
    assert carried(STEPS) == 4
    assert carried(STEPS[2:]) == 0


def test_extrapolation_is_arithmetic_with_its_assumptions() -> None:
    assumed = Assumptions(headroom=0.5, worker_cores=4, core_hour_usd=0.1, broker_mb_s=60.0, partition_mb_s=5.0)
    thousand, _, most = extrapolate({"segment": 100.0, "listen": 10.0}, 80_000.0, assumed)
    assert thousand["cores"] == {"segment": 20, "listen": 200}
    assert thousand["cores_total"] == 220
    assert thousand["listen_workers"] == 50
    assert thousand["partitions"] == 100
    assert thousand["mb_s"] == 80.0
    assert thousand["brokers"] == 4
    assert thousand["usd_per_speaking_hour"] == pytest.approx(0.022)
    assert most["tracks"] == 100_000
    assert most["cores_total"] == 100 * 220


def test_table_and_picture() -> None:
    row = {"records_s": 20.0, "cpu": 0.1, "tracks_per_core": 40.0, "memory_mb": 160.0, "bytes_s": 12_000.0}
    curves = [{"name": "roomwarden", "steps": STEPS, "carried": 4}, {"name": "peer", "steps": STEPS[:1], "carried": 2}]
    shown = table(
        {
            "cores": 2,
            "seconds": 30.0,
            "bound_ms": 2000.0,
            "curves": curves,
            "stages": {"segment": row},
            "segment_alone": {"speaking": 200.0},
            "extrapolation": extrapolate({"listen": 10.0}, 80_000.0),
            "assumed": Assumptions().sentences(),
        }
    )
    assert "carried by roomwarden: 4" in shown
    assert "| roomwarden | 6 | 1.25 | 2.50 | 4 | 4 | 0.1 | no |" in shown
    assert "segment alone, speaking: 200 tracks per core" in shown
    drawn = ET.fromstring(picture(curves, 2000.0))  # noqa: S314  # our own
    lines = [each for each in drawn if each.tag.endswith("polyline")]
    assert [len(each.attrib["points"].split()) for each in lines] == [4, 1]


def test_every_track_of_the_load_speaks() -> None:
    scenario = speech(3, 12.0)
    assert sum(len(room.speakers) for room in scenario.rooms) == 6
    assert all(speaker.utterances for room in scenario.rooms for speaker in room.speakers)
    assert scenario.dues()


def test_segment_alone_counts_tracks_per_core() -> None:
    assert all(value > 1.0 for value in segment_alone(10.0, rooms=1).values())
