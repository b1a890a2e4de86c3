"""What a scenario says: rooms, speakers, lines, and the takedowns that are due.

Times: ``at_s``, ``join_s``, ``leave_s`` and ``duration_s`` count seconds from the opening of the room; rooms open
``offset_ms`` after the start of the scenario.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Language = Literal["zh", "en", "mixed"]
Sanction = Literal["warn", "mute", "kick", "suspend", "close_room"]
CodecName = Literal["pcm", "opus", "opus-length16", "ogg", "ogg-stream", "flac", "mp3", "aac"]

Duty = Literal["label_required", Sanction]
SANCTIONS: tuple[Sanction, ...] = ("warn", "mute", "kick", "suspend", "close_room")
"""Actions that touch somebody, mildest first; ``review`` and ``label_required`` do not."""
DUTIES: tuple[Duty, ...] = ("label_required", *SANCTIONS)
"""What can be due, mildest first."""

SCENARIOS = Path(__file__).with_name("scenarios")
"""The bundled scenarios."""
_MARK = re.compile(r"\{([^{}]+)\}")


class ScenarioError(ValueError):
    """A scenario that cannot be used; the text names file, field and remedy."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Voice(_Model):
    """A synthetic voice: engine and name as ``loadtest.voices`` knows them; speed 1.0 is the voice's own pace."""

    engine: Literal["kokoro", "piper", "hibari", "flite", "espeak"] = "kokoro"
    name: str
    speed: float = Field(default=1.0, ge=0.5, le=2.0)


class Codec(_Model):
    """How a track travels: ``chunk_ms`` of audio per record, rounded up to whole codec frames."""

    name: CodecName = "opus-length16"
    chunk_ms: int = Field(default=100, ge=10, le=2000)
    rate: Literal[8000, 16000, 24000, 44100, 48000] = 16000
    channels: Literal[1, 2] = 1
    bitrate: int = Field(default=24_000, ge=6_000, le=320_000)


class Impairments(_Model):
    """What the way from the microphone to the broker does to chunks; shares are of 1, times in ms.

    jitter_ms: longest extra delay of a chunk. reorder: share of chunks that the next one or two overtake.
    dtx: silent chunks are not sent (sequence numbers go on, capture times jump), nor is a last chunk announced.
    """

    jitter_ms: float = Field(default=0.0, ge=0.0, le=2000.0)
    loss: float = Field(default=0.0, ge=0.0, le=1.0)
    duplicate: float = Field(default=0.0, ge=0.0, le=1.0)
    reorder: float = Field(default=0.0, ge=0.0, le=1.0)
    dtx: bool = False


class Background(_Model):
    """Generated sound under a track, at ``level_dbfs`` (RMS)."""

    kind: Literal["white", "pink", "music"]
    level_dbfs: float = Field(default=-50.0, ge=-90.0, le=-10.0)


class Due(_Model):
    """The takedown that an utterance must bring: a category prefix, and at least this action."""

    category: str = Field(min_length=1)
    action: Sanction = "warn"


class Mark(_Model):
    """A marked phrase, in ms from the start of its clip; ``end_ms`` is where its last sample lies."""

    phrase: str
    start_ms: float
    end_ms: float


class Utterance(_Model):
    """One line. ``{braces}`` in the text mark the words that matter; with ``split`` they are rendered as pieces of
    their own, so that their times are exact to the sample. ``audio`` is a path beside the scenario, or
    ``recordings:`` and a path in a folder of recordings; by default ``audio/<scenario>/<room>-<speaker>-<n>.opus``.
    ``after_s`` instead of ``at_s`` starts the line that long after the one before it has ended.
    """

    at_s: float = Field(default=0.0, ge=0.0)
    after_s: float | None = Field(default=None, ge=0.0)
    text: str = Field(min_length=1)
    audio: str = ""
    language: Language | None = None
    due: Due | None = None
    split: bool = False
    gain_db: float = Field(default=0.0, ge=-40.0, le=12.0)
    duration_ms: float = Field(default=0.0, exclude=True)
    marks: tuple[Mark, ...] = Field(default=(), exclude=True)

    @property
    def spoken(self) -> str:
        """The text without its braces."""
        return _MARK.sub(r"\1", self.text)

    @property
    def phrases(self) -> tuple[str, ...]:
        """The marked phrases, in order."""
        return tuple(_MARK.findall(self.text))


class Speaker(_Model):
    """One track of a room. ``clean`` says that nothing may happen to the speaker.

    ``label_due`` is the category for which the voice must be asked for a label, such as synthetic/voice/undeclared.
    ``declared_synthetic`` is the scenario's where it is not set.
    """

    id: str = Field(min_length=1, max_length=64)
    voice: Voice | None = None
    language: Language | None = None
    clean: bool = False
    codec: Codec | None = None
    impairments: Impairments | None = None
    background: Background | None = None
    role: str = ""
    minor: bool = False
    trusted: bool = False
    device: str = ""
    identity_verified: bool = True
    declared_synthetic: bool | None = None
    label_due: str = ""
    join_s: float = Field(default=0.0, ge=0.0)
    leave_s: float | None = None
    utterances: tuple[Utterance, ...] = ()

    @model_validator(mode="after")
    def _clean_or_due(self) -> Self:
        due = bool(self.label_due) or any(utterance.due for utterance in self.utterances)
        if due == self.clean:
            raise ValueError(
                "a speaker is either `clean: true` or has an utterance with `due` or a `label_due`; set exactly one"
            )
        return self


class Room(_Model):
    """A room; ``optional`` rooms are left out where their recordings are not installed."""

    id: str = Field(min_length=1, max_length=64)
    kind: str
    title: str = ""
    language: Language = "zh"
    tenant: str | None = None
    optional: bool = False
    codec: Codec | None = None
    impairments: Impairments | None = None
    offset_ms: int = Field(default=0, ge=0)
    speakers: tuple[Speaker, ...] = Field(min_length=1)


class Scenario(_Model):
    """A whole scenario; ``directory`` is where its audio paths start, ``notes`` say what was left out and why."""

    name: str = Field(pattern=r"^[a-z0-9_-]+$")
    description: str = ""
    seed: int = 0
    tenant: str = "demo"
    duration_s: float = Field(gt=0.0, le=86_400.0)
    codec: Codec = Codec()
    impairments: Impairments = Impairments()
    declared_synthetic: bool = False
    rooms: tuple[Room, ...] = Field(min_length=1)
    directory: Path = Field(default=SCENARIOS, exclude=True)
    notes: tuple[str, ...] = Field(default=(), exclude=True)

    @model_validator(mode="after")
    def _unique(self) -> Self:
        rooms = Counter(room.id for room in self.rooms)
        for room in self.rooms:
            if rooms[room.id] > 1:
                raise ValueError(f"room id {room.id!r} is used twice; ids must be unique in a scenario")
            speakers = Counter(speaker.id for speaker in room.speakers)
            for speaker in room.speakers:
                if speakers[speaker.id] > 1:
                    raise ValueError(f"speaker id {speaker.id!r} is used twice in room {room.id!r}; rename one")
        return self

    def dues(self) -> list[DueTakedown]:
        """The takedowns due, by the time at which their words end; labels by the speaker's last word."""
        found = [
            DueTakedown(
                tenant=room.tenant or self.tenant,
                room=room.id,
                speaker=speaker.id,
                category=utterance.due.category,
                action=utterance.due.action,
                spoken_ms=room.offset_ms + utterance.at_s * 1000.0 + spoken_end(utterance),
            )
            for room, speaker, utterance in self.lines()
            if utterance.due
        ]
        found += [
            DueTakedown(
                tenant=room.tenant or self.tenant,
                room=room.id,
                speaker=speaker.id,
                category=speaker.label_due,
                action="label_required",
                spoken_ms=room.offset_ms + max(line.at_s * 1000.0 + line.duration_ms for line in speaker.utterances),
            )
            for room in self.rooms
            for speaker in room.speakers
            if speaker.label_due
        ]
        return sorted(found, key=lambda due: (due.spoken_ms, due.room, due.speaker))

    def clean_speakers(self) -> set[tuple[str, str]]:
        """(room, speaker) of everybody to whom nothing may happen."""
        return {(room.id, speaker.id) for room in self.rooms for speaker in room.speakers if speaker.clean}

    def declares(self, speaker: Speaker) -> bool:
        """Whether the speaker's chunks say that the voice is synthetic."""
        return self.declared_synthetic if speaker.declared_synthetic is None else speaker.declared_synthetic

    def lines(self) -> Iterator[tuple[Room, Speaker, Utterance]]:
        """Every utterance with its room and speaker, in file order."""
        for room in self.rooms:
            for speaker in room.speakers:
                for utterance in speaker.utterances:
                    yield room, speaker, utterance

    def scaled(self, rooms: int, *, stagger_ms: int = 0) -> Scenario:
        """The same scenario in ``rooms`` rooms: copies and their speakers get ids ``<id>-c2``…, ``stagger_ms`` apart.

        Other people in each room: strikes follow a speaker through the rooms of a tenant.

        Raises:
            ScenarioError: when ``rooms`` is less than 1.
        """
        if rooms < 1:
            raise ScenarioError("rooms must be 1 or more")
        copies = []
        for index in range(rooms):
            turn, base = divmod(index, len(self.rooms))
            room = self.rooms[base]
            ending = "" if turn == 0 else f"-c{turn + 1}"
            people = tuple(s.model_copy(update={"id": f"{s.id}{ending}"}) for s in room.speakers)
            opened = {"id": f"{room.id}{ending}", "offset_ms": room.offset_ms + index * stagger_ms}
            copies.append(room.model_copy(update=opened | {"speakers": people}))
        return self.model_copy(update={"rooms": tuple(copies)})


@dataclass(frozen=True, slots=True)
class DueTakedown:
    """One takedown that must come; ``spoken_ms`` after the start of the scenario its words have been said."""

    tenant: str
    room: str
    speaker: str
    category: str
    action: Duty
    spoken_ms: float


def spoken_end(utterance: Utterance) -> float:
    """When the first marked phrase ends, in ms from the start of the clip; without marks, the end of the clip."""
    return utterance.marks[0].end_ms if utterance.marks else utterance.duration_ms
