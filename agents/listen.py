"""listen: utterances in, findings out; recognises in batches across rooms, remembers nothing but languages."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from agents.accounting import accounted
from agents.batching import Batcher, Work
from agents.catchup import Catchup
from agents.deferring import Deferring, Queued
from agents.findings import finding_of
from agents.heads import Heads, Pressure, complete
from agents.lenience import LenienceWatch
from agents.memory import REMEMBERED, Memory
from agents.pointing import Pointing
from agents.rehearing import Rehearing
from agents.stage import Stage
from models.deferral import Lenience
from models.heads import NOTHING, Assessment
from models.speech import Recogniser, SpeechJob, SpeechResult
from models.speech.batching import BatchLimits, Pending, plan, readiness
from models.speech.loading import load_recogniser
from models.speech.shares import FairShares
from models.weights import WeightsError
from streams import records
from streams.codec import decode
from streams.delivery import Partition, Slot
from streams.metrics import Metrics
from streams.settings import Settings
from streams.settings import load as load_settings
from streams.topics import UTTERANCES, Topic

FINAL_DEADLINE_MS = 600
PARTIAL_PATIENCE_S = 0.5
"""A partial that waited longer is out of date; under load this is the first thing to go."""
PARTIAL_DEADLINE_MS = FINAL_DEADLINE_MS + int(1000 * PARTIAL_PATIENCE_S)
"""Finals go first, even later ones: a partial that is not heard is made up for by the next, a final by nothing."""
BUSY = 4
"""With more finals waiting than this, only words are asked for, and those once."""


@dataclass(slots=True, eq=False)
class _Heard:
    """An utterance on its way through the recogniser."""

    slot: Slot
    utterance: records.Utterance
    job: SpeechJob
    home: Stage
    """Who has read it: listen itself, or catchup where it was deferred."""
    deferred: bool = False
    assessment: Assessment = NOTHING
    late_s: float = 0.0
    """How much longer it waited than it may; above 0 capacity is short."""
    models: Mapping[str, str] = field(default_factory=dict)
    """Versions of the recogniser that heard it."""


class Listen(Stage):
    """Batches utterances into the recogniser and publishes a finding for each, at once or later.

    With a ``recogniser`` that is given nothing is read outside the consumer groups: nobody counts as trusted.
    """

    name = "listen"

    def __init__(self, settings: Settings, metrics: Metrics, recogniser: Recogniser | None = None) -> None:
        super().__init__(settings, metrics)
        self.recogniser = recogniser
        self.heads = Heads(settings)
        self.pointing = Pointing(settings)
        self.rehearing = Rehearing(settings)
        self._memory = Memory()
        self._hearing: set[str] = set()
        self._skipped: OrderedDict[str, None] = OrderedDict()
        self._pressure = Pressure()
        self._limits = BatchLimits(
            max_batch=settings.max_batch,
            max_padded_seconds=settings.batch_seconds,
            fill_ms=int(settings.batch_wait_ms),
        )
        self._shares = FairShares(self._limits)
        self._batcher: Batcher[_Heard, SpeechResult] = Batcher(
            self._choose, self._recognise, self._deliver, lanes=settings.replicas
        )
        self.lenience = Lenience()
        self._watch = LenienceWatch(settings, self.lenience) if recogniser is None else None
        self._deferring = Deferring(
            self.lenience,
            self.publish,
            self.window.finish,
            metrics,
            deadline_s=FINAL_DEADLINE_MS / 1000.0,
            bound_s=settings.live_wait_ms / 1000.0,
        )
        self.catchup = Catchup(settings, metrics, self._hear_later, self._drop_stale, lambda: self._busy)
        self._catching_up = 0
        self.read(UTTERANCES)

    def parts(self) -> list[Stage]:
        """Itself, and the catch-up group that shares its recogniser."""
        return [self, self.catchup]

    async def load(self) -> None:
        """Find, verify and load the recogniser's weights."""
        if self.recogniser is None:
            self.recogniser = await asyncio.to_thread(self._engine, self.settings.whisper)
        await asyncio.to_thread(self.heads.load)
        await asyncio.to_thread(self.pointing.load)
        await asyncio.to_thread(self.rehearing.load)
        if self._watch is not None:
            await self._watch.start()
        self.loaded = True

    def _engine(self, whisper: str) -> Recogniser:
        settings = self.settings
        return load_recogniser(
            whisper,
            cache=settings.cache,
            device=settings.device,
            threads=settings.threads,
            replicas=settings.replicas,
            allow_hub=settings.allow_hub,
        )

    async def reload(self) -> None:
        """Load the recogniser that the settings name by now beside the one at work, and use it from the next batch on.

        Batches that are in the old one end there; their findings name it, and with the last of them it is freed. Where
        the new one cannot be loaded, the old one stays.
        """
        try:
            whisper = load_settings(config=self.settings.config).whisper
            fresh = await asyncio.to_thread(self._engine, whisper)
        except (WeightsError, ValueError, OSError) as problem:
            self.log.error("recogniser not changed", problem=str(problem))
            return
        self.recogniser = fresh
        self.log.info("recogniser changed", models=dict(fresh.versions))

    async def receive(self, row: Topic, slot: Slot) -> None:
        """Queue one utterance revision; a newer revision replaces a partial that still waits."""
        message = slot.event.message
        utterance = decode(records.Utterance, message.headers, message.value)
        self._supersede(utterance)
        self._batcher.add(_Heard(slot, utterance, self._job(utterance), self))

    def _hear_later(self, slot: Slot, utterance: records.Deferred) -> None:
        self._batcher.add(_Heard(slot, utterance, self._job(utterance), self.catchup, deferred=True))

    def _job(self, utterance: records.Utterance) -> SpeechJob:
        samples = np.frombuffer(utterance.audio, dtype="<i2")
        return SpeechJob(
            id=f"{utterance.utterance_id}.{utterance.revision}",
            samples=samples,
            partial=not utterance.final,
            prior=self._memory.prior(utterance),
            speech_seconds=utterance.speech_ms / 1000.0,
        )

    def versions(self) -> Mapping[str, str]:
        """Of the recogniser."""
        return self.recogniser.versions if self.recogniser is not None else {}

    async def pump(self) -> None:
        """Serve batches, and see to those that are not served."""
        works = [self._batcher.serve(), self._deferring.serve()]
        if self._watch is not None:
            works.append(self._watch.follow())
        await asyncio.gather(*works)

    async def revoked(self, partitions: set[Partition]) -> None:
        """Whoever gets the partitions hears their utterances again."""
        self._drop_stale()

    def _drop_stale(self) -> None:
        self._batcher.pending[:] = [work for work in self._batcher.pending if not work.item.slot.stale]

    def _supersede(self, newer: records.Utterance) -> None:
        def outdated(work: Work[_Heard]) -> bool:
            old = work.item.utterance
            return old.utterance_id == newer.utterance_id and not old.final and old.revision < newer.revision

        self._skip(outdated)

    def _skip(self, outdated: Callable[[Work[_Heard]], bool]) -> None:
        """Take partials that nobody needs any more off the queue; the final says so in ``degraded``."""
        for work in [work for work in self._batcher.pending if outdated(work)]:
            self._batcher.pending.remove(work)
            self._skipped[work.item.utterance.utterance_id] = None
            self.metrics.count("roomwarden_partials_skipped_total")
            self.window.finish(work.item.slot)
        while len(self._skipped) > REMEMBERED:
            self._skipped.popitem(last=False)

    def _choose(self, _: Sequence[Work[_Heard]], now_s: float) -> list[Work[_Heard]]:
        self._skip(lambda work: not work.item.utterance.final and now_s - work.added_at > PARTIAL_PATIENCE_S)
        self._defer(now_s)
        free = self._free(now_s)
        turns = self._shares.turns(_pending(work, self._memory.at_risk(work.item.utterance, now_s)) for work in free)
        queue = self._shares.company(turns)
        # While others wait for a batch of their own, this one does not wait for company.
        if len(queue) == len(turns) and readiness(queue, int(now_s * 1000.0), self._limits) not in ("full", "due"):
            return []
        planned = plan(queue, self._limits)
        self._shares.charge(planned)
        chosen = set(planned.ids)
        batch = [work for work in free if work.item.job.id in chosen]
        if batch[0].item.deferred:
            self._catching_up += 1
        else:
            self._note_lateness(batch, now_s)
        for work in batch:
            self._hearing.add(work.item.utterance.utterance_id)
            work.item.job = self._memory.informed(work.item.utterance, work.item.job)
        return batch

    @property
    def _busy(self) -> bool:
        """Whether anything live waits."""
        return any(not work.item.deferred for work in self._batcher.pending)

    def _free(self, now_s: float) -> list[Work[_Heard]]:
        """What may be heard now: what is live, or, while nothing is, what was deferred."""
        # Revisions of one utterance keep their order: the next one waits until the one in the model is published.
        free = [work for work in self._batcher.pending if work.item.utterance.utterance_id not in self._hearing]
        if self._busy:
            self.catchup.rested(now_s)
            live = [work for work in free if not work.item.deferred]
            # Partials that add little to the last one come only when nothing else does.
            return [work for work in live if not self._memory.can_wait(work.item.utterance)] or live
        # Where there are several lanes, one stays free for whoever speaks next.
        return free if self._catching_up < max(1, self.settings.replicas - 1) else []

    def _defer(self, now_s: float) -> None:
        """Take finals off the queue that are to be heard later."""
        finals = [work for work in self._batcher.pending if work.item.utterance.final and not work.item.deferred]
        queue = [
            Queued(each.slot, each.utterance, work.added_at, self._memory.at_risk(each.utterance, now_s))
            for work in finals
            for each in [work.item]
        ]
        for work, goes in zip(finals, self._deferring.choose(queue, now_s), strict=True):
            if goes:
                self._batcher.pending.remove(work)

    def _note_lateness(self, batch: Sequence[Work[_Heard]], now_s: float) -> None:
        for work in batch:
            late_s = now_s - work.added_at - _patience_ms(work.item.utterance) / 1000.0
            kind = "final" if work.item.utterance.final else "partial"
            self.metrics.observe("roomwarden_deadline_slack_seconds", -late_s, revision=kind)
            work.item.late_s = late_s
        self._pressure.note(any(work.item.late_s > 0.0 for work in batch))

    def _recognise(self, items: list[_Heard]) -> list[SpeechResult]:
        recogniser = self.recogniser  # one for the whole batch, though it be changed meanwhile
        if recogniser is None:
            raise RuntimeError("listen runs before its recogniser is loaded")
        waiting = sum(work.item.utterance.final and not work.item.deferred for work in self._batcher.pending)
        # What is not needed for the words goes when a deadline has passed, or is about to pass for many.
        thorough = waiting <= BUSY and all(item.late_s <= 0.0 for item in items)
        jobs = [item.job for item in items]
        assessing = self.heads.begin(jobs, busy=waiting > BUSY or self._pressure.high)
        results = recogniser.transcribe(jobs, thorough=thorough)
        assessed = assessing.result()
        results = self.rehearing.settled(recogniser, jobs, results, assessed, busy=not thorough)
        assessed = self.pointing.timed(recogniser, jobs, results, assessed, busy=not thorough)
        for item, assessment in zip(items, assessed, strict=True):
            item.assessment, item.models = assessment, recogniser.versions
        return results

    async def _deliver(self, pairs: list[tuple[_Heard, SpeechResult]], seconds: float) -> None:
        self._catching_up -= pairs[0][0].deferred
        self.metrics.observe("roomwarden_batch_size", len(pairs))
        self.metrics.observe("roomwarden_inference_seconds", seconds)
        lengths = [heard.job.seconds for heard, _ in pairs]
        padded = len(pairs) * (max(lengths) + self._limits.pad_seconds)
        self.metrics.observe("roomwarden_batch_fill_ratio", padded / self._limits.max_padded_seconds)
        self.metrics.observe("roomwarden_real_time_factor", seconds / max(0.1, sum(lengths)))
        now_ms = time.time() * 1000.0
        outgoing: list[records.Record] = []
        live = [(heard, result) for heard, result in pairs if not heard.slot.stale]
        for heard, result in live:
            finding = complete(self._finding(heard, result, now_ms), heard.assessment)
            outgoing.append(finding)
            self._memory.learn(heard.utterance, heard.job, result, hit=heard.assessment.hit)
            if heard.assessment.hit and not heard.deferred:
                self._memory.hit(heard.utterance, time.monotonic())
            if heard.utterance.final:
                covered = accounted(heard.utterance, finding.degraded)
                spoken_s = covered.milliseconds / 1000.0
                self.metrics.count("roomwarden_audio_seconds_total", spoken_s, stage=self.name, kind=covered.kind)
                outgoing.append(covered)
        await self.publish(outgoing, {heard.utterance.utterance_id: heard.slot for heard, _ in live})
        self._hearing.difference_update(heard.utterance.utterance_id for heard, _ in pairs)
        for heard, _ in live:
            heard.home.observe_latency(heard.utterance.end_ms, heard.utterance.final)
            heard.home.window.finish(heard.slot)

    def _finding(self, heard: _Heard, result: SpeechResult, now_ms: float) -> records.Finding:
        utterance = heard.utterance
        degraded = list(result.degraded)
        if utterance.final and utterance.utterance_id in self._skipped:
            del self._skipped[utterance.utterance_id]
            degraded.append("partials-skipped")
        if heard.deferred:
            degraded.append("deferred")
        for step in degraded:
            self.metrics.count("roomwarden_degraded_total", step=step)
        before = self._memory.before(utterance)
        return finding_of(utterance, result, before=before, models=heard.models, degraded=degraded, now_ms=now_ms)


def _patience_ms(utterance: records.Utterance) -> int:
    """How long an utterance may wait for its batch, ms."""
    return FINAL_DEADLINE_MS if utterance.final else PARTIAL_DEADLINE_MS


def _pending(work: Work[_Heard], at_risk: bool) -> Pending:
    final = work.item.utterance.final
    added_ms = int(work.added_at * 1000.0)
    return Pending(
        id=work.item.job.id,
        seconds=work.item.job.seconds,
        deadline_ms=added_ms + _patience_ms(work.item.utterance),
        partial=not final,
        queued_ms=added_ms,
        tenant=work.item.utterance.tenant,
        at_risk=at_risk,
    )
