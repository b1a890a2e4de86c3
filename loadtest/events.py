"""What a replay sends, each thing with the time at which it is due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

EventName = Literal["room.opened", "speaker.joined", "speaker.left", "room.closed"]
"""In the order in which they come where they come at one time."""


@dataclass(frozen=True, slots=True)
class TimedChunk:
    """One chunk of a track. All times in ms from the start of the scenario.

    ``at_ms`` is when it reaches the broker, ``capture_offset_ms`` when its first sample was captured.
    """

    at_ms: float
    tenant: str
    room: str
    speaker: str
    session: str
    sequence: int
    content_type: str
    payload: bytes
    duration_ms: float
    capture_offset_ms: float
    last: bool
    declared_synthetic: bool


@dataclass(frozen=True, slots=True)
class TimedEvent:
    """A room opens or closes, a speaker joins or leaves.

    ``details`` holds what the platform knows, in the names of ``voice.rooms``: room_type, role, minor, trusted,
    client_address, client_port, device, identity_verified.
    """

    at_ms: float
    event: EventName
    tenant: str
    room: str
    speaker: str
    session: str
    details: Mapping[str, str | int | bool]


Timed = TimedChunk | TimedEvent
