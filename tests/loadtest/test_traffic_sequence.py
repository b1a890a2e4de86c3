"""Traffic: deterministic, ordered, lazy, complete."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import islice

import pytest

from loadtest import codecs, timeline
from loadtest.events import TimedChunk, TimedEvent
from loadtest.scenario import Codec, Impairments, Scenario, load
from loadtest.traffic import traffic


@pytest.fixture(scope="module")
def smoke() -> Scenario:
    return load("smoke").model_copy(update={"codec": Codec(name="pcm", chunk_ms=100)})


def by_track(things: Iterator) -> dict[str, list[TimedChunk]]:
    tracks: dict[str, list[TimedChunk]] = defaultdict(list)
    for thing in things:
        if isinstance(thing, TimedChunk):
            tracks[thing.session].append(thing)
    return tracks


def test_two_runs_with_one_seed_are_identical(smoke: Scenario) -> None:
    noisy = smoke.model_copy(
        update={"impairments": Impairments(jitter_ms=80, loss=0.05, duplicate=0.05, reorder=0.05), "codec": Codec()}
    )
    first, second = list(traffic(noisy, seed=4)), list(traffic(noisy, seed=4))
    assert first == second
    assert first != list(traffic(noisy, seed=5))


def test_everything_is_in_order_and_contiguous(smoke: Scenario) -> None:
    things = list(traffic(smoke))
    assert [thing.at_ms for thing in things] == sorted(thing.at_ms for thing in things)
    tracks = by_track(iter(things))
    assert len(tracks) == 4
    for chunks in tracks.values():
        assert [chunk.sequence for chunk in chunks] == list(range(120))
        assert [chunk.last for chunk in chunks] == [False] * 119 + [True]
        assert all(chunk.at_ms == chunk.capture_offset_ms + chunk.duration_ms for chunk in chunks)
        assert [chunk.capture_offset_ms for chunk in chunks] == pytest.approx([100.0 * i for i in range(120)])


def test_rooms_and_speakers_are_announced(smoke: Scenario) -> None:
    events = [thing for thing in traffic(smoke) if isinstance(thing, TimedEvent)]
    kinds = [event.event for event in events]
    assert kinds == ["room.opened"] * 2 + ["speaker.joined"] * 4 + ["speaker.left"] * 4 + ["room.closed"] * 2
    joined = next(event for event in events if event.event == "speaker.joined")
    assert set(joined.details) == {
        "room_type",
        "role",
        "minor",
        "trusted",
        "client_address",
        "client_port",
        "device",
        "identity_verified",
    }


def test_speakers_come_and_go(smoke: Scenario) -> None:
    room = smoke.rooms[0]
    late = room.speakers[1].model_copy(update={"join_s": 4.0, "leave_s": 9.0})
    scenario = smoke.model_copy(update={"rooms": (room.model_copy(update={"speakers": (late,)}),)})
    things = list(traffic(scenario))
    (chunks,) = by_track(iter(things)).values()
    assert chunks[0].capture_offset_ms == 4000
    assert chunks[-1].at_ms == 9000
    assert chunks[-1].last
    joined = next(thing for thing in things if isinstance(thing, TimedEvent) and thing.event == "speaker.joined")
    assert joined.at_ms == 4000


def test_silence_is_not_sent_with_dtx(smoke: Scenario) -> None:
    quiet = smoke.model_copy(update={"impairments": Impairments(dtx=True)})
    whole, sparse = by_track(traffic(smoke)), by_track(traffic(quiet))
    for session, chunks in sparse.items():
        assert 0 < len(chunks) < len(whole[session]) / 2
        assert [chunk.sequence for chunk in chunks] == list(range(len(chunks)))
        assert not any(chunk.last for chunk in chunks)
        sent = {chunk.capture_offset_ms for chunk in chunks}
        for chunk in whole[session]:
            if chunk.capture_offset_ms not in sent:
                assert max(abs(sample) for sample in memoryview(chunk.payload).cast("h")) < 2000


def test_shards_add_up_to_the_whole(smoke: Scenario) -> None:
    scaled = smoke.scaled(5, stagger_ms=40)
    whole = by_track(traffic(scaled))
    parts = [by_track(traffic(scaled, shard=(index, 3))) for index in range(3)]
    assert sum(map(len, parts)) == len(whole) == 10
    for part in parts:
        for session, chunks in part.items():
            assert chunks == whole[session]
    with pytest.raises(ValueError, match="0 <= index < count"):
        traffic(smoke, shard=(3, 3))


def test_copies_share_one_encoding(smoke: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    encode = codecs.encode
    monkeypatch.setattr(codecs, "encode", lambda *args, **kwargs: calls.append(1) or encode(*args, **kwargs))
    tracks = by_track(traffic(smoke.scaled(40, stagger_ms=7)))
    assert len(tracks) == 80
    assert len(calls) == 4
    first, copy = tracks["smoke-tea-room-seller"], tracks["smoke-tea-room-c2-seller-c2"]
    assert all(one.payload is other.payload for one, other in zip(first, copy, strict=True))
    assert copy[0].capture_offset_ms == 14


def test_generation_is_lazy(smoke: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    pulled = []
    blocks = timeline.blocks

    def counting(*args: object) -> Iterator:
        for block in blocks(*args):
            pulled.append(1)
            yield block

    monkeypatch.setattr(timeline, "blocks", counting)
    day = smoke.model_copy(update={"duration_s": 86_400.0})
    assert len(list(islice(traffic(day), 100))) == 100
    assert len(pulled) < 200


def test_a_run_has_its_own_sessions(smoke: Scenario) -> None:
    assert set(by_track(traffic(smoke, run="r1"))).isdisjoint(by_track(traffic(smoke, run="r2")))


def test_copies_are_impaired_each_in_its_own_way(smoke: Scenario) -> None:
    lossy = smoke.model_copy(update={"impairments": Impairments(loss=0.2)}).scaled(4)
    tracks = by_track(traffic(lossy))
    lost = {tuple(chunk.sequence for chunk in chunks) for chunks in tracks.values()}
    assert len(lost) == 8
