"""judge: findings in, risk events and takedowns out; remembers speakers in a table, rooms in another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from agents.decisions import SIGNATURE_HEADER, risk_record, sign, takedown_record
from agents.policies import Change, PolicyWatch
from agents.rooms import Member, Rooms
from agents.stage import Stage
from models.findings import WordTime
from models.judgement import Decision, Heard, Judge, SpeakerState
from models.lexicon import load_lexicon
from models.policy import load_policy
from models.sounds import SoundEvent
from models.takeover import Judges
from models.takeover import Judging as AnyJudge
from streams import records
from streams.codec import decode, encode
from streams.delivery import Slot
from streams.envelope import BadRecord, Headers
from streams.metrics import Metrics
from streams.settings import Settings
from streams.state import StateTable
from streams.topics import FINDINGS, ROOMS, Topic

__all__ = ["SIGNATURE_HEADER", "Judging", "load_judge", "sign"]


def load_judge(policy: Path | None, lexicons: Sequence[Path]) -> Judge:
    """The judge for a policy file and lexicon files; the starter ones where none are named."""
    return Judge(load_lexicon(list(lexicons) or None), load_policy(policy))


@dataclass(slots=True)
class _Followed:
    """A message read outside the consumer group, as an event: there is nothing to acknowledge."""

    message: Any

    def ack(self) -> bool:
        """Nothing."""
        return True


class Judging(Stage):
    """Feeds findings to the judge of their tenant and publishes its decisions.

    A ``judge`` that is given decides for all tenants, and pushed policies are not followed.
    """

    name = "judge"

    def __init__(self, settings: Settings, metrics: Metrics, judge: AnyJudge | None = None) -> None:
        super().__init__(settings, metrics)
        self.judges = Judges(judge) if judge is not None else None
        self._watch: PolicyWatch | None = None
        self._speakers = StateTable(self.app, "speakers", settings.partitions)
        self._rooms = Rooms(StateTable(self.app, "rooms", settings.partitions))
        self.read(ROOMS)
        self.read(FINDINGS)

    async def load(self) -> None:
        """Load policy and lexicons: those of the files, then everything pushed so far."""
        if self.judges is None:
            files = await asyncio.to_thread(load_judge, self.settings.policy, self.settings.lexicons)
            self._watch = PolicyWatch(self.settings, files, self.settings.fetch_max_wait_ms)
            # What was refused before this worker came was buried by one that was there.
            self.judges = (await self._watch.catch_up()).judges
        self.loaded = True

    async def pump(self) -> None:
        """Take over pushed policies: the exchange is one assignment, so no finding sees half of one."""
        if self._watch is None:
            return await super().pump()
        async for change in self._watch.follow():
            await self.take_over(change)
        return None

    async def take_over(self, change: Change) -> None:
        """Judge by new policies from the next finding on; one worker buries what was refused."""
        self.judges = change.judges
        self.metrics.count("roomwarden_policy_changes_total", change.taken, result="taken")
        self.metrics.count("roomwarden_policy_changes_total", len(change.refused), result="refused")
        if (FINDINGS.name, 0) in self.partitions():
            for message, bad in change.refused:
                await self.bury_event(_Followed(message), bad)

    async def receive(self, row: Topic, slot: Slot) -> None:
        """Note a room event, or judge a finding."""
        message = slot.event.message
        if row is ROOMS:
            self._rooms.note(slot.event, decode(records.Room, message.headers, message.value))
            self.window.finish(slot)
            return
        finding = decode(records.Finding, message.headers, message.value)
        if self.judges is None:
            raise RuntimeError("judge reads before its policy is loaded")
        judge = self.judges.of(finding.tenant)
        key = f"{finding.tenant}\x1f{finding.speaker or finding.room}"
        stored = self._speakers.get(key)
        state = SpeakerState.from_json(stored) if stored else SpeakerState()
        try:
            decision = judge.decide(self._heard(finding), state)
        except LookupError as missing:
            raise BadRecord("invalid-policy", str(missing)) from None
        await self._issue(finding, decision, judge.versions(finding.tenant))
        if decision.state != state and not slot.stale:
            self._speakers.put(slot.event, key, decision.state.to_json())
        self.window.finish(slot)

    async def _issue(self, finding: records.Finding, decision: Decision, versions: tuple[str, str]) -> None:
        stages = msgspec.structs.replace(finding.stages, judged_ms=time.time() * 1000.0)
        takedown_ids = [takedown.id for takedown in decision.takedowns]
        outgoing: list[records.Record] = [
            risk_record(finding, risk, takedown_ids, versions, stages) for risk in decision.risks
        ]
        commands = [takedown_record(finding, takedown, stages) for takedown in decision.takedowns]
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
        room = self._rooms.get(finding.tenant, finding.room)
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
            guarded=finding.guard,
            synthetic=msgspec.to_builtins(finding.synthetic),
            declared_synthetic=finding.declared_synthetic,
            sounds=tuple(
                SoundEvent(sound.label, sound.start_ms, sound.end_ms, sound.score) for sound in finding.sounds
            ),
            words=tuple(WordTime(word.begin, word.end, word.start_ms, word.end_ms) for word in finding.words),
        )
