"""judge: findings in, risk events and takedowns out; remembers speakers in a table, rooms in another."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import cast

import msgspec

from agents.stage import Stage
from models.judgement import Decision, Heard, Judge, Risk, SpeakerState, Takedown
from models.lexicon import load_lexicon
from models.policy import load_policy
from streams import records
from streams.codec import decode, encode
from streams.delivery import Received, Slot
from streams.envelope import Headers
from streams.metrics import Metrics
from streams.settings import Settings
from streams.state import StateTable
from streams.topics import FINDINGS, ROOMS, Topic

SIGNATURE_HEADER = "rw_signature"


class _Member(msgspec.Struct, omit_defaults=True):
    """What judgement needs to know of one speaker in a room."""

    role: str = ""
    minor: bool = False
    trusted: bool = False


class _RoomState(msgspec.Struct, omit_defaults=True):
    """What judgement needs to know of a room."""

    room_type: str = "default"
    members: dict[str, _Member] = {}


def sign(value: bytes, key: str) -> str:
    """``sha256=`` and the hexadecimal HMAC-SHA256 of a record's value."""
    return "sha256=" + hmac.new(key.encode(), value, hashlib.sha256).hexdigest()


def load_judge(policy: Path | None, lexicons: Sequence[Path]) -> Judge:
    """The judge for a policy file and lexicon files; the starter ones where none are named."""
    return Judge(load_lexicon(list(lexicons) or None), load_policy(policy))


class Judging(Stage):
    """Feeds findings to the judge and publishes its decisions."""

    name = "judge"

    def __init__(self, settings: Settings, metrics: Metrics, judge: Judge | None = None) -> None:
        super().__init__(settings, metrics)
        self.judge = judge
        self._speakers = StateTable(self.app, "speakers", settings.partitions)
        self._rooms = StateTable(self.app, "rooms", settings.partitions)
        self.read(ROOMS)
        self.read(FINDINGS)

    async def load(self) -> None:
        """Load policy and lexicons."""
        if self.judge is None:
            self.judge = await asyncio.to_thread(load_judge, self.settings.policy, self.settings.lexicons)
        self.loaded = True

    async def receive(self, row: Topic, slot: Slot) -> None:
        """Note a room event, or judge a finding."""
        message = slot.event.message
        if row is ROOMS:
            self._note_room(slot.event, decode(records.Room, message.headers, message.value))
            self.window.finish(slot)
            return
        finding = decode(records.Finding, message.headers, message.value)
        if self.judge is None:
            raise RuntimeError("judge reads before its policy is loaded")
        key = f"{finding.tenant}\x1f{finding.speaker or finding.room}"
        stored = self._speakers.get(key)
        state = SpeakerState.from_json(stored) if stored else SpeakerState()
        decision = self.judge.decide(self._heard(finding), state)
        await self._issue(finding, decision)
        if decision.state != state and not slot.stale:
            self._speakers.put(slot.event, key, decision.state.to_json())
        self.window.finish(slot)

    async def _issue(self, finding: records.Finding, decision: Decision) -> None:
        assert self.judge is not None  # noqa: S101  # it made the decision
        stages = msgspec.structs.replace(finding.stages, judged_ms=time.time() * 1000.0)
        versions = (self.judge.policy_version, self.judge.lexicon_version)
        takedown_ids = [takedown.id for takedown in decision.takedowns]
        outgoing: list[records.Record] = [
            _risk(finding, risk, takedown_ids, versions, stages) for risk in decision.risks
        ]
        commands = [_takedown(finding, takedown, stages) for takedown in decision.takedowns]
        signatures: list[Headers] = [[] for _ in outgoing] + [self._signature(command) for command in commands]
        outgoing.extend(commands)
        if outgoing:
            await self.publish(outgoing, signatures)
            self.observe_latency(finding.end_ms, finding.final)
        for command in commands:
            self.metrics.count("roomwarden_takedowns_total", action=command.action, category=command.category)

    def _signature(self, command: records.Takedown) -> Headers:
        key = self.settings.signing_key
        if key is None:
            return []
        return [(SIGNATURE_HEADER, sign(encode(command).value, key.get_secret_value()).encode())]

    def _heard(self, finding: records.Finding) -> Heard:
        room = self._room(finding.tenant, finding.room)
        member = room.members.get(finding.speaker, _Member())
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
            guarded=finding.guard,
            synthetic=msgspec.to_builtins(finding.synthetic),
            declared_synthetic=finding.declared_synthetic,
        )

    def _room(self, tenant: str, room: str) -> _RoomState:
        stored = self._rooms.get(f"{tenant}\x1f{room}")
        return msgspec.json.decode(stored, type=_RoomState) if stored else _RoomState()

    def _note_room(self, event: Received, record: records.Room) -> None:
        key = f"{record.tenant}\x1f{record.room}"
        if record.event == "room.closed":
            self._rooms.drop(event, key)
            return
        state = self._room(record.tenant, record.room)
        if record.event == "room.opened":
            state.room_type = record.room_type
        elif record.event == "speaker.joined":
            state.members[record.speaker] = _Member(record.role, record.minor, record.trusted)
        else:
            state.members.pop(record.speaker, None)
        self._rooms.put(event, key, msgspec.json.encode(state))


def _risk(
    finding: records.Finding, risk: Risk, takedown_ids: list[str], versions: tuple[str, str], stages: records.Stages
) -> records.Risk:
    hit = risk.hits[0]
    return records.Risk(
        risk_id=risk.id,
        tenant=finding.tenant,
        room=finding.room,
        speaker=finding.speaker,
        session=finding.session,
        utterance_id=finding.utterance_id,
        revision=finding.revision,
        category=risk.category,
        severity=risk.severity,
        score=risk.score,
        lexicon_list=hit.list,
        entry=hit.entry,
        match=hit.match,
        quote=finding.transcript[slice(*risk.text_span)],
        span_text=risk.text_span,
        span_ms=risk.span_ms,
        transcript=finding.transcript,
        explain={"hits": [asdict(hit) for hit in risk.hits]},
        takedown_ids=takedown_ids,
        policy_version=versions[0],
        lexicon_version=versions[1],
        stages=stages,
    )


def _takedown(finding: records.Finding, takedown: Takedown, stages: records.Stages) -> records.Takedown:
    return records.Takedown(
        takedown_id=takedown.id,
        action=cast("records.Action", takedown.action),
        target=records.Target(**takedown.target),
        ttl_s=takedown.ttl_s,
        category=takedown.category,
        rule=takedown.rule,
        reason=dict(takedown.reason),
        facts=dict(takedown.facts),
        policy_version=takedown.policy_version,
        utterance_id=takedown.utterance_id,
        revision=finding.revision,
        automated=takedown.automated,
        dry_run=takedown.dry_run,
        stages=stages,
    )
