"""What judgement needs to know of rooms and of those in them, kept in a table."""

from __future__ import annotations

import msgspec

from models.findings import Heard
from models.sounds import SoundEvent
from models.speech.timing import WordTime
from streams import records
from streams.delivery import Received
from streams.state import StateTable


class Member(msgspec.Struct, omit_defaults=True):
    """What judgement needs to know of one speaker in a room."""

    role: str = ""
    minor: bool = False
    trusted: bool = False


class RoomState(msgspec.Struct, omit_defaults=True):
    """What judgement needs to know of a room."""

    room_type: str = "default"
    members: dict[str, Member] = {}


class Rooms:
    """Rooms by tenant and id; ``note`` follows voice.rooms."""

    def __init__(self, table: StateTable) -> None:
        self._table = table

    def get(self, tenant: str, room: str) -> RoomState:
        """What is known of a room; the defaults where nothing is."""
        stored = self._table.get(f"{tenant}\x1f{room}")
        return msgspec.json.decode(stored, type=RoomState) if stored else RoomState()

    def note(self, event: Received, record: records.Room) -> None:
        """Take in one room event."""
        key = f"{record.tenant}\x1f{record.room}"
        if record.event == "room.closed":
            self._table.drop(event, key)
            return
        state = self.get(record.tenant, record.room)
        if record.event == "room.opened":
            state.room_type = record.room_type
        elif record.event == "speaker.joined":
            state.members[record.speaker] = Member(record.role, record.minor, record.trusted)
        else:
            state.members.pop(record.speaker, None)
        self._table.put(event, key, msgspec.json.encode(state))

    def heard(self, finding: records.Finding) -> Heard:
        """What judgement hears: a finding, with what is known of its room and speaker."""
        room = self.get(finding.tenant, finding.room)
        member = room.members.get(finding.speaker, Member())
        return Heard(
            tenant=finding.tenant,
            room=finding.room,
            room_type=room.room_type,
            role=member.role,
            minor=member.minor,
            trusted=member.trusted,
            speaker=finding.speaker,
            session=finding.session,
            utterance_id=finding.utterance_id,
            revision=finding.revision,
            final=finding.final,
            text=finding.transcript,
            language=finding.language,
            start_ms=finding.start_ms,
            end_ms=finding.end_ms,
            alternatives=tuple(finding.alternatives),
            log_ratios=tuple(finding.log_ratios),
            guarded=finding.guard,
            synthetic=msgspec.to_builtins(finding.synthetic),
            declared_synthetic=finding.declared_synthetic,
            sounds=tuple(
                SoundEvent(sound.label, sound.start_ms, sound.end_ms, sound.score) for sound in finding.sounds
            ),
            words=tuple(WordTime(word.begin, word.end, word.start_ms, word.end_ms) for word in finding.words),
        )
