"""What a person watching the rooms needs to know, kept up to date from the output topics; no drawing in here."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from streams import records
from streams.reading import Observed

SPEAKING_MS = 1_800.0
"""A speaker counts as speaking while the last finding is younger than this."""


@dataclass(slots=True)
class Speaker:
    """The latest of one speaker."""

    name: str
    words: str = ""
    partial: bool = False
    language: str = ""
    guard: str = ""
    voice: str = ""
    heard_at_ms: float = 0.0
    verdict: str = ""
    action: str = ""
    category: str = ""


@dataclass(slots=True)
class RoomBoard:
    """One room and its speakers, in order of appearance."""

    tenant: str
    room: str
    room_type: str = ""
    speakers: dict[str, Speaker] = field(default_factory=dict)


@dataclass(slots=True)
class Board:
    """All rooms, the latest alerts, latencies, and the ledger's totals."""

    rooms: dict[tuple[str, str], RoomBoard] = field(default_factory=dict)
    takedowns: list[records.Takedown] = field(default_factory=list)
    risks: list[records.Risk] = field(default_factory=list)
    arrivals_ms: dict[str, float] = field(default_factory=dict)
    """When each takedown's record was written, by its id."""
    finals: set[tuple[str, int]] = field(default_factory=set)
    """Utterance and revision of the findings that were final."""
    takedown_latency_ms: list[float] = field(default_factory=list)
    finding_latency_ms: deque[float] = field(default_factory=lambda: deque(maxlen=500))
    milliseconds: dict[str, float] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    speech: set[str] = field(default_factory=set)
    analysed: set[str] = field(default_factory=set)
    deferred: dict[str, float] = field(default_factory=dict)
    """Milliseconds of utterances that are to be heard later."""

    def note(self, observed: Observed) -> None:
        """Take one record in; duplicates of computed ids change nothing."""
        record = observed.record
        if isinstance(record, records.Room):
            self._room(record)
        elif isinstance(record, records.Finding):
            self._finding(record, observed.arrived_ms)
        elif isinstance(record, records.Risk):
            self._risk(record)
        elif isinstance(record, records.Takedown):
            self._takedown(record, observed.arrived_ms)
        elif isinstance(record, records.Coverage):
            self._coverage(record)

    def settled(self) -> bool:
        """Every utterance that segment accounted for has been analysed."""
        return self.speech == self.analysed

    def _of(self, tenant: str, room: str) -> RoomBoard:
        return self.rooms.setdefault((tenant, room), RoomBoard(tenant, room))

    def _speaker(self, tenant: str, room: str, speaker: str) -> Speaker:
        speakers = self._of(tenant, room).speakers
        return speakers.setdefault(speaker, Speaker(speaker or "(mixed)"))

    def _room(self, record: records.Room) -> None:
        room = self._of(record.tenant, record.room)
        if record.event == "room.opened":
            room.room_type = record.room_type
        elif record.event == "speaker.joined":
            self._speaker(record.tenant, record.room, record.speaker)

    def _finding(self, record: records.Finding, arrived_ms: float) -> None:
        speaker = self._speaker(record.tenant, record.room, record.speaker)
        speaker.heard_at_ms = arrived_ms
        if record.final:
            self.finals.add((record.utterance_id, record.revision))
        speaker.partial = not record.final
        speaker.guard = record.guard or ""
        speaker.voice = _voice(record) or speaker.voice
        speaker.language = record.language
        if record.transcript:
            speaker.words = record.transcript
        self.finding_latency_ms.append(arrived_ms - record.end_ms)

    def _risk(self, record: records.Risk) -> None:
        if record.risk_id not in self.seen:
            self.seen.add(record.risk_id)
            self.risks.append(record)
            self._speaker(record.tenant, record.room, record.speaker).category = record.category

    def _takedown(self, record: records.Takedown, arrived_ms: float) -> None:
        if record.takedown_id in self.seen:
            return
        self.seen.add(record.takedown_id)
        target = record.target
        speaker = self._speaker(target.tenant, target.room, target.speaker)
        speaker.action = record.action
        speaker.category = record.category
        speaker.verdict = record.reason.get("zh", "")
        self.takedowns.append(record)
        self.arrivals_ms[record.takedown_id] = arrived_ms
        self.takedown_latency_ms.append(arrived_ms - record.stages.captured_ms)

    def _coverage(self, record: records.Coverage) -> None:
        if record.coverage_id in self.seen:
            return
        self.seen.add(record.coverage_id)
        label = f"{record.stage}.{record.kind}"
        self.milliseconds[label] = self.milliseconds.get(label, 0.0) + record.milliseconds
        if label == "segment.speech":
            self.speech.add(record.utterance_id)
        elif record.kind == "deferred":
            self.deferred[record.utterance_id] = record.milliseconds
        elif record.stage == "listen":
            self.analysed.add(record.utterance_id)
        # What is heard after all is no longer deferred, in whatever order the two records come.
        if record.utterance_id in self.analysed and record.utterance_id in self.deferred:
            self.milliseconds["listen.deferred"] -= self.deferred.pop(record.utterance_id)


def _voice(record: records.Finding) -> str:
    """What a viewer is told of the voice; nothing where it was not assessed or the evidence does not suffice."""
    if record.declared_synthetic:
        return "declared AI"
    return record.synthetic.verdict if record.synthetic.verdict in ("synthetic", "human") else ""


def percentile(values: list[float], share: float) -> float:
    """Nearest-rank percentile; 0 of nothing."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]
