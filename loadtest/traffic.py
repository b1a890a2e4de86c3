"""A scenario as the sequence of records that a platform's back ends would publish.

Lazy, in the order of sending, and deterministic: one seed, one sequence, byte for byte. Rooms that are copies of each
other (``Scenario.scaled``) share one decoding and one encoding, so that a thousand rooms cost little more than one.
"""

from __future__ import annotations

import heapq
import random
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import tee
from typing import get_args

from loadtest import codecs, timeline
from loadtest.codecs import EncodedChunk
from loadtest.events import EventName, Timed, TimedChunk, TimedEvent
from loadtest.impairments import impair
from loadtest.schema import Codec, Impairments, Room, Scenario, Speaker


@dataclass(frozen=True, slots=True)
class _Track:
    room: Room
    speaker: Speaker
    tenant: str
    session: str
    codec: Codec
    impairments: Impairments
    declared_synthetic: bool
    seed: str


def traffic(
    scenario: Scenario, *, run: str | None = None, seed: int | None = None, shard: tuple[int, int] = (0, 1)
) -> Iterator[Timed]:
    """Everything that the scenario sends, by ``at_ms``.

    ``run`` goes into the session ids (default: the scenario's name); give each replay against one broker its own, or
    its chunks are taken for replays of the first. ``seed`` replaces the scenario's. ``shard`` = (index, count) keeps
    every count-th room, for replays from several processes.

    Raises:
        ValueError: when the shard is not within its count.
    """
    index, count = shard
    if not 0 <= index < count:
        raise ValueError("shard must be (index, count) with 0 <= index < count")
    rooms = scenario.rooms[index::count]
    chosen = scenario.seed if seed is None else seed
    tracks = [
        _track(scenario, room, speaker, run or scenario.name, chosen) for room in rooms for speaker in room.speakers
    ]
    streams: list[Iterable[Timed]] = [_events(scenario, rooms, tracks)]
    for group in _alike(tracks).values():
        first = group[0]
        blocks = timeline.blocks(first.speaker, scenario.duration_s * 1000.0)
        encoded = codecs.encode(blocks, first.codec, serial=zlib.crc32(first.seed.encode()))
        begin_ms, _ = timeline.track_ms(first.speaker, scenario.duration_s * 1000.0)
        for track, chunks in zip(group, tee(encoded, len(group)), strict=True):
            sent = _chunks(track, chunks, track.room.offset_ms + begin_ms)
            streams.append(impair(sent, track.impairments, track.seed))
    return heapq.merge(*streams, key=lambda timed: timed.at_ms)


def _track(scenario: Scenario, room: Room, speaker: Speaker, run: str, seed: int) -> _Track:
    return _Track(
        room=room,
        speaker=speaker,
        tenant=room.tenant or scenario.tenant,
        session=f"{run}-{room.id}-{speaker.id}",
        codec=speaker.codec or room.codec or scenario.codec,
        impairments=speaker.impairments or room.impairments or scenario.impairments,
        declared_synthetic=scenario.declares(speaker),
        seed=f"{seed}/{room.id}/{speaker.id}",
    )


def _alike(tracks: Iterable[_Track]) -> Mapping[tuple[Speaker, Codec], list[_Track]]:
    """Tracks of equal sound and codec, together; whose they are does not matter."""
    groups: dict[tuple[Speaker, Codec], list[_Track]] = {}
    for track in tracks:
        groups.setdefault((track.speaker.model_copy(update={"id": ""}), track.codec), []).append(track)
    return groups


def _chunks(track: _Track, encoded: Iterable[EncodedChunk], begin_ms: float) -> Iterator[TimedChunk]:
    """The track's records; one chunk is held back to know the last."""
    media = codecs.content_type(track.codec)
    sequence = 0
    held: TimedChunk | None = None
    for chunk in encoded:
        if chunk.silent and track.impairments.dtx:
            continue
        if held:
            yield held
        captured = begin_ms + chunk.offset_ms
        held = TimedChunk(
            at_ms=captured + chunk.duration_ms,
            tenant=track.tenant,
            room=track.room.id,
            speaker=track.speaker.id,
            session=track.session,
            sequence=sequence,
            content_type=media,
            payload=chunk.payload,
            duration_ms=chunk.duration_ms,
            capture_offset_ms=captured,
            last=False,
            declared_synthetic=track.declared_synthetic,
        )
        sequence += 1
    if held:
        yield held if track.impairments.dtx else replace(held, last=True)


def _events(scenario: Scenario, rooms: Iterable[Room], tracks: Iterable[_Track]) -> list[TimedEvent]:
    """Rooms opening and closing, speakers coming and going, by time."""
    length_ms = scenario.duration_s * 1000.0
    events = []

    def add(at_ms: float, event: EventName, room: Room, track: _Track | None) -> None:
        details = _details(track) if track else {"room_type": room.kind}
        speaker, session = (track.speaker.id, track.session) if track else ("", "")
        tenant = room.tenant or scenario.tenant
        events.append(TimedEvent(room.offset_ms + at_ms, event, tenant, room.id, speaker, session, details))

    for room in rooms:
        add(0.0, "room.opened", room, None)
        add(length_ms, "room.closed", room, None)
    for track in tracks:
        begin_ms, end_ms = timeline.track_ms(track.speaker, length_ms)
        add(begin_ms, "speaker.joined", track.room, track)
        add(end_ms, "speaker.left", track.room, track)
    order = get_args(EventName)
    return sorted(events, key=lambda event: (event.at_ms, order.index(event.event)))


def _details(track: _Track) -> dict[str, str | int | bool]:
    """What a platform would know of the speaker; addresses are from TEST-NET-1 and -2 (RFC 5737)."""
    dice = random.Random(track.seed)
    speaker = track.speaker
    return {
        "room_type": track.room.kind,
        "role": speaker.role,
        "minor": speaker.minor,
        "trusted": speaker.trusted,
        "client_address": f"{dice.choice(('192.0.2', '198.51.100'))}.{dice.randrange(1, 255)}",
        "client_port": dice.randrange(1024, 65536),
        "device": speaker.device or dice.choice(("android", "ios", "web")),
        "identity_verified": speaker.identity_verified,
    }
