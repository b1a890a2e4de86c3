"""A scenario over and over: the same sound, other people."""

from __future__ import annotations

import pytest

from loadtest.endless import Endless
from loadtest.events import TimedChunk
from loadtest.scenario import load
from loadtest.verdict import judge

ENDLESS = Endless(load("smoke"), rooms=3, rounds=2)


def test_every_round_is_the_same_but_for_the_names_and_the_time() -> None:
    chunks = [each for each in ENDLESS.traffic(ENDLESS.recorded()) if isinstance(each, TimedChunk)]
    assert [each.at_ms for each in chunks] == sorted(each.at_ms for each in chunks)
    first, second = (
        [each for each in chunks if (each.room, each.speaker) == (f"tea-room{n}", f"guest{n}")] for n in ("-r0", "-r1")
    )
    assert [each.payload for each in first] == [each.payload for each in second]
    assert [each.sequence for each in first] == list(range(len(first)))
    assert {round(b.capture_offset_ms - a.capture_offset_ms) for a, b in zip(first, second, strict=True)} == {13_000}
    assert len({each.session for each in chunks}) == 2 * ENDLESS.tracks == 12


def test_rooms_begin_one_after_another_until_all_are_open() -> None:
    opened = {each.room: each.at_ms for each in ENDLESS.traffic(ENDLESS.recorded()) if each.room.endswith("-r0")}
    begun = [
        min(each.at_ms for each in ENDLESS.traffic(ENDLESS.recorded()) if each.room == room)
        for room in ("tea-room-r0", "band-room-r0", "tea-room-c2-r0")
    ]
    assert set(opened) == {"tea-room-r0", "band-room-r0", "tea-room-c2-r0"}
    assert begun == pytest.approx([0.0, 13_000 / 3, 26_000 / 3])
    assert max(begun) < 1000.0 * ENDLESS.round_s <= 1000.0 * ENDLESS.steady_s


def test_what_is_due_is_due_in_each_round() -> None:
    seller = {"tenant": "demo", "room": "tea-room-c2-r1", "speaker": "seller-c2-r1"}
    takedown = {"target": seller, "category": "ads/contact", "action": "warn", "takedown_id": "t"}
    assert len(judge(ENDLESS.round(1), [takedown]).found) == 1
    assert not judge(ENDLESS.round(0), [takedown]).found
    assert len(ENDLESS.round(0).dues()) == 3


def test_the_load_is_what_is_said_in_a_second() -> None:
    lines = [line for room in load("smoke").rooms for each in room.speakers for line in each.utterances]
    assert Endless(load("smoke"), 2, 1).speech == pytest.approx(sum(line.duration_ms for line in lines) / 13_000)
