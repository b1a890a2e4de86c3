"""judge: findings in, risk events and takedowns out; remembers speakers in a table, rooms in another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import msgspec

from agents.decisions import decision_record, risk_record, takedown_record
from agents.incidents import IncidentWatch, sighting_record
from agents.policies import Change, Followed, PolicyWatch
from agents.rooms import Rooms
from agents.sealing import SIGNATURE_HEADER, Sealing, sign
from agents.shared import SharedWatch
from agents.sources import Files, load_judge
from agents.stage import Stage
from agents.sticking import Sticking
from models.judgement import Decision, SpeakerState, Takedown
from models.shared import SharedRecord
from models.takeover import Judges
from models.takeover import Judging as AnyJudge
from streams import records
from streams.codec import decode
from streams.delivery import Slot
from streams.envelope import BadRecord
from streams.metrics import MetricName, Metrics
from streams.settings import Settings
from streams.state import StateTable, by_timer
from streams.topics import FINDINGS, OUTCOMES, ROOMS, SIGHTINGS, Topic

__all__ = ["SIGNATURE_HEADER", "Judging", "load_judge", "sign"]

ANSWER_POLL_S = 0.5
"""How often unacknowledged takedowns are looked through."""
FORGET_EVERY_MS = 3_600_000.0


class Judging(Stage):
    """Feeds findings to the judge of their tenant, publishes its decisions, and sees to it that takedowns stick.

    A ``judge`` that is given decides for all tenants, and nothing is read outside the consumer group.
    """

    name = "judge"

    def __init__(self, settings: Settings, metrics: Metrics, judge: AnyJudge | None = None) -> None:
        super().__init__(settings, metrics)
        self.judges = Judges(judge) if judge is not None else None
        self.clock: Callable[[], float] = time.time
        self._files: Files | None = None
        self._policies: PolicyWatch | None = None
        self._shared = SharedRecord(settings.shared_hours * 3_600_000.0)
        self._takedowns: SharedWatch | None = None
        self._speakers = StateTable(self.app, "speakers", settings.partitions)
        self._rooms = Rooms(StateTable(self.app, "rooms", settings.partitions))
        self._sticking = Sticking(
            StateTable(self.app, "standing", settings.partitions), StateTable(self.app, "awaited", settings.partitions)
        )
        self._sealing = Sealing(StateTable(self.app, "chains", settings.partitions), self.name, settings)
        # Findings, outcomes and room events come on streams of their own; all of them change what is known of a
        # speaker, and what they lead to goes onto one chain.
        self._changing = asyncio.Lock()
        self.read(ROOMS)
        self.read(FINDINGS)
        self.read(OUTCOMES)
        self._incidents = IncidentWatch(StateTable(self.app, "incidents", settings.partitions))
        self.read(SIGHTINGS)

    async def load(self) -> None:
        """Load policy and lexicons: those of the files, then everything pushed so far; and read back takedowns."""
        if self.judges is None:
            settings = self.settings
            self._files = await asyncio.to_thread(Files.read, settings.policy, settings.lexicons)
            files = await asyncio.to_thread(self._files.judge)
            self._policies = PolicyWatch(settings, files)
            # What was refused before this worker came was buried by one that was there.
            self.judges = (await self._policies.catch_up()).judges
            since_ms = self._now_ms() - settings.shared_hours * 3_600_000.0
            self._takedowns = SharedWatch(settings, self._shared, since_ms)
            await self._takedowns.catch_up()
        self.loaded = True

    async def pump(self) -> None:
        """What goes on beside the streams: policies, other rooms' takedowns, answers that do not come."""
        if self._files is not None:
            # Decisions refer to them by hash, and may have to be computed again when the files are long gone.
            await self.publish(self._files.records())
        works = [self._answers()]
        if self._policies is not None:
            works.append(self._follow_policies(self._policies))
        if self._takedowns is not None:
            works.append(self._takedowns.follow())
        await asyncio.gather(*works)

    async def _follow_policies(self, watch: PolicyWatch) -> None:
        async for change in watch.follow():
            await self.take_over(change)

    async def take_over(self, change: Change) -> None:
        """Judge by new policies from the next finding on; one worker buries what was refused."""
        # One assignment: no finding sees half of a change.
        self.judges = change.judges
        self.metrics.count("roomwarden_policy_changes_total", change.taken, result="taken")
        self.metrics.count("roomwarden_policy_changes_total", len(change.refused), result="refused")
        if (FINDINGS.name, 0) in self.partitions():
            for message, bad in change.refused:
                await self.bury_event(Followed(message), bad)

    async def _answers(self) -> None:
        swept_ms = self._now_ms()
        while True:
            await asyncio.sleep(ANSWER_POLL_S)
            await self.see_to_answers()
            if self._now_ms() - swept_ms > FORGET_EVERY_MS:
                swept_ms = self._now_ms()
                self._sticking.forget(swept_ms, self._own())

    async def see_to_answers(self) -> None:
        """Send again what was not acknowledged in time, and give to a person what never was."""
        async with self._changing:
            for overdue in self._sticking.overdue(self._now_ms(), self._own()):
                due = Slot(by_timer(overdue.partition), (FINDINGS.name, overdue.partition), -1, time.monotonic())
                await self._send(due, [(overdue.takedown, overdue.revision)], attempt=overdue.attempt)
                self._sticking.sent(overdue, self._now_ms())
                name: MetricName = (
                    "roomwarden_takedowns_repeated_total"
                    if overdue.kind == "repeat"
                    else "roomwarden_takedowns_unanswered_total"
                )
                self.metrics.count(name, action=str(overdue.takedown.facts.get("action", overdue.takedown.action)))

    async def receive(self, row: Topic, slot: Slot) -> None:
        """Note a room event, judge a finding, take in an outcome, or look out for incidents."""
        message = slot.event.message
        if row is ROOMS:
            entering = decode(records.Room, message.headers, message.value)
            async with self._changing:
                await self._enter(entering, slot)
        elif row is OUTCOMES:
            outcome = decode(records.Outcome, message.headers, message.value)
            async with self._changing:
                await self._answer(outcome, slot)
        elif row is SIGHTINGS:
            await self._watch(decode(records.Sighting, message.headers, message.value), slot)
        else:
            finding = decode(records.Finding, message.headers, message.value)
            async with self._changing:
                await self._judge(finding, slot)
        self.window.finish(slot)

    async def _enter(self, record: records.Room, slot: Slot) -> None:
        self._rooms.note(slot.event, record)
        if record.event != "speaker.joined":
            return
        elsewhere = self._shared.suspensions(record.tenant, record.speaker)
        again = self._sticking.joined(record, elsewhere, self._shared.reversed(record.tenant, record.speaker))
        if again is None:
            return
        await self._send(slot, [(again, 0)])
        self.metrics.count("roomwarden_takedowns_reissued_total", action=again.action)
        self._keep(slot, [(again, 0)])

    async def _watch(self, sighting: records.Sighting, slot: Slot) -> None:
        try:
            rule = self._judge_of(sighting.tenant).incidents(sighting.tenant)
        except LookupError as missing:
            raise BadRecord("invalid-policy", str(missing)) from None
        cluster, incident = self._incidents.see(sighting, rule)
        if incident is not None:
            await self.publish([incident])
            self.metrics.count("roomwarden_incident_updates_total", category=incident.category)
        if not slot.stale:
            self._incidents.keep(slot.event, sighting.tenant, cluster, rule)

    async def _judge(self, finding: records.Finding, slot: Slot) -> None:
        judge = self._judge_of(finding.tenant)
        stored, state = self._state(finding.tenant, finding.room, finding.speaker)
        heard = self._rooms.heard(finding)
        try:
            decision = judge.decide(heard, state)
        except LookupError as missing:
            raise BadRecord("invalid-policy", str(missing)) from None
        if decision.risks or decision.takedowns:
            versions = judge.versions(finding.tenant)
            basis = decision_record(heard, state, decision, versions, judge.sources)
            await self._issue(slot, finding, decision, basis, sighting_record(heard, decision.risks))
        issued = [(takedown, finding.revision) for takedown in decision.takedowns]
        self._keep(slot, issued)
        if decision.state != stored:
            self._remember(slot, (finding.tenant, finding.room, finding.speaker), decision.state)

    def _remember(self, slot: Slot, where: tuple[str, str, str], state: SpeakerState) -> None:
        if not slot.stale:
            self._speakers.put(slot.event, _key(*where), state.to_json())

    async def _answer(self, outcome: records.Outcome, slot: Slot) -> None:
        if slot.stale:
            return
        answered = self._sticking.answered(slot.event, outcome)
        self.metrics.count(
            "roomwarden_outcomes_total",
            outcome=outcome.outcome,
            category=answered.category if answered else "unknown",
        )
        if answered is None:
            self.log.warning("outcome of an unknown takedown", outcome=outcome.outcome)
            return
        if answered.lift is not None:
            await self._send(slot, [answered.lift])
            self._keep(slot, [answered.lift])
        back = answered.taken_back
        if back is not None and (speaker := back.target.get("speaker")):
            room = (back.target["tenant"], back.target["room"], speaker)
            self._remember(slot, room, self._state(*room)[0].without_strikes_of(back.utterance_id))

    async def _issue(
        self,
        slot: Slot,
        finding: records.Finding,
        decision: Decision,
        basis: records.Decision,
        sighting: records.Sighting | None,
    ) -> None:
        versions = (basis.policy_version, basis.lexicon_version)
        stages = msgspec.structs.replace(finding.stages, judged_ms=self._now_ms())
        risks = [risk_record(finding, risk, decision, versions, stages) for risk in decision.risks]
        issued = [(takedown, finding.revision) for takedown in decision.takedowns]
        beside: list[records.Record] = [*risks, basis]
        await self._send(slot, issued, stages, beside=[*beside, sighting] if sighting else beside)
        self.observe_latency(finding.end_ms, finding.final)
        for risk in decision.risks:
            self.metrics.count(
                "roomwarden_verdicts_total",
                tenant=finding.tenant,
                category=risk.category,
                severity=str(risk.severity),
            )

    async def _send(
        self,
        slot: Slot,
        takedowns: Sequence[tuple[Takedown, int]],
        stages: records.Stages | None = None,
        *,
        attempt: int = 1,
        beside: Sequence[records.Record] = (),
    ) -> None:
        """Publish takedowns, signed and sealed, after the records that led to them."""
        now_ms = self._now_ms()
        commands = [
            takedown_record(each, revision, stages or records.Stages(captured_ms=each.at_ms, judged_ms=now_ms), attempt)
            for each, revision in takedowns
        ]
        if beside or commands:
            seal = self._sealing.seal(slot.partition[1])
            await self.publish([*beside, *commands], slot, seal)
            if not slot.stale:
                self._sealing.keep(slot.event, seal)
        for command in commands:
            if command.attempt == 1:
                self.metrics.count("roomwarden_takedowns_total", action=command.action, category=command.category)

    def _keep(self, slot: Slot, takedowns: Sequence[tuple[Takedown, int]]) -> None:
        """Remember takedowns once they are published."""
        for takedown, revision in takedowns:
            self._shared.note(takedown)
            if not slot.stale:
                rule = self._judge_of(takedown.target["tenant"]).acknowledge(takedown.target["tenant"])
                self._sticking.issued(slot.event, takedown, revision, rule, self._now_ms())

    def _judge_of(self, tenant: str) -> AnyJudge:
        if self.judges is None:
            raise RuntimeError("judge reads before its policy is loaded")
        return self.judges.of(tenant)

    def _state(self, tenant: str, room: str, speaker: str) -> tuple[SpeakerState, SpeakerState]:
        """What is stored of a speaker in a room, and the same with what other rooms know."""
        stored = self._speakers.get(_key(tenant, room, speaker))
        state = SpeakerState.from_json(stored) if stored else SpeakerState()
        return state, self._shared.merged(state, tenant, speaker) if speaker else state

    def _own(self) -> set[int]:
        """Partitions of rooms that are this worker's."""
        return {number for name, number in self.partitions() if name == FINDINGS.name}

    def _now_ms(self) -> float:
        return self.clock() * 1000.0


def _key(tenant: str, room: str, speaker: str) -> str:
    """Key of a speaker in a room: rooms share what they know by way of the takedowns, so each key has one partition."""
    return f"{tenant}\x1f{room}\x1f{speaker}"
