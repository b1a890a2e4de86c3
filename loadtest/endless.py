"""A scenario over and over, as long as one likes: every round in new rooms with new people, of whom nothing is known.

A platform opens rooms and closes them all day; whatever a worker keeps of a room or a speaker must end with them. Rooms
begin one after another, spread over a round, so that the load is the same at every moment once all have begun.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from loadtest.events import Timed, TimedChunk
from loadtest.schema import Room, Scenario
from loadtest.traffic import traffic

REST_S = 1.0
"""Between two rounds of a room; more than any impairment delays a chunk."""


@dataclass(frozen=True, slots=True)
class Endless:
    """``rooms`` rooms of a scenario, each played ``rounds`` times, begun one after another within ``spread_s``.

    ``spread_s`` 0: within a round.
    """

    scenario: Scenario
    rooms: int
    rounds: int
    spread_s: float = 0.0

    @property
    def round_s(self) -> float:
        """From the opening of a room to that of the one that follows it; after this all rooms are open."""
        return self.scenario.duration_s + REST_S

    @property
    def steady_s(self) -> float:
        """When the first room closes for good: from here on there is less to do."""
        return self.rounds * self.round_s

    @property
    def tracks(self) -> int:
        """Tracks at once, when all rooms are open."""
        return sum(len(room.speakers) for room in self.scenario.scaled(self.rooms).rooms)

    @property
    def speech(self) -> float:
        """Seconds that are said in a second, over all rooms."""
        return self.said(self.rooms)

    def said(self, rooms: int) -> float:
        """Seconds that are said in a second in the first so many rooms."""
        speakers = [each for room in self.scenario.scaled(self.rooms).rooms[:rooms] for each in room.speakers]
        return sum(line.duration_ms for each in speakers for line in each.utterances) / 1000.0 / self.round_s

    def open(self, at_s: float) -> int:
        """How many rooms have begun."""
        return min(self.rooms, 1 + int(at_s * self.rooms / (self.spread_s or self.round_s)))

    def round(self, number: int) -> Scenario:
        """The rooms of one round; what is due in them is due in each."""
        rooms = self.scenario.scaled(self.rooms).rooms
        return self.scenario.model_copy(update={"rooms": tuple(_renamed(room, f"-r{number}") for room in rooms)})

    def recorded(self) -> list[list[Timed]]:
        """What is sent of each kind of room, decoded and encoded once; takes a while."""
        kinds = self.scenario.rooms[: self.rooms]
        return [list(traffic(self.scenario.model_copy(update={"rooms": (room,)}))) for room in kinds]

    def traffic(self, recorded: Sequence[Sequence[Timed]]) -> Iterator[Timed]:
        """Everything, by ``at_ms``: every round of a room is the same but for the names."""
        return heapq.merge(*(self._room(index, recorded) for index in range(self.rooms)), key=lambda timed: timed.at_ms)

    def _room(self, index: int, recorded: Sequence[Sequence[Timed]]) -> Iterator[Timed]:
        copy, kind = divmod(index, len(recorded))
        begin_ms = 1000.0 * (self.spread_s or self.round_s) * index / self.rooms
        for number in range(self.rounds):
            ending = f"{f'-c{copy + 1}' if copy else ''}-r{number}"
            shift_ms = begin_ms + 1000.0 * self.round_s * number
            for timed in recorded[kind]:
                yield _moved(timed, shift_ms, ending)


def _renamed(room: Room, ending: str) -> Room:
    people = tuple(each.model_copy(update={"id": f"{each.id}{ending}"}) for each in room.speakers)
    return room.model_copy(update={"id": f"{room.id}{ending}", "speakers": people})


def _moved(timed: Timed, shift_ms: float, ending: str) -> Timed:
    """Later by ``shift_ms``, in another room, by another person."""
    if isinstance(timed, TimedChunk):
        timed = replace(timed, capture_offset_ms=timed.capture_offset_ms + shift_ms)
    return replace(
        timed,
        at_ms=timed.at_ms + shift_ms,
        room=timed.room + ending,
        speaker=timed.speaker and timed.speaker + ending,
        session=timed.session and timed.session + ending,
    )
