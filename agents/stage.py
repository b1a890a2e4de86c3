"""What every stage shares: its app, its ack window, its dead letters, and how it stops."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from faust.exceptions import ConsumerNotStarted

from streams import records
from streams.app import Publisher, StageApp, create_app, topic
from streams.codec import Message, encode
from streams.consuming import OTHERS_FIRST
from streams.delivery import AckWindow, DeadLetters, Partition, Received, Slot
from streams.envelope import BadRecord, Headers
from streams.health import StageHealth
from streams.logs import get_logger
from streams.metrics import Metrics
from streams.settings import Settings
from streams.topics import DEAD_LETTERS, Topic
from streams.tracing import NO_CAUSES, Causes, Tracer
from streams.watchdog import Standing


class Stage(ABC):
    """One consumer group that reads topics, and a pump that publishes what became of the records."""

    name: str

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.tracer = Tracer()
        self.log = get_logger(f"roomwarden.{self.name}")
        self.app: StageApp = create_app(self.name, settings)
        self.window = AckWindow(settings.window)
        self._publisher = Publisher(self.app)
        self.dead_letters = DeadLetters(
            self.name, self._publish_dead_letter, settings.dead_letter_share, settings.dead_letter_minimum
        )
        self.loaded = False
        self._pumping: asyncio.Task[Any] | None = None
        self.app.on_partitions_revoked.connect(self._on_revoked, weak=False)
        self.app.task(self._run_pump)

    def parts(self) -> list[Stage]:
        """The stages that run when this one is asked for: itself, and what shares its models."""
        return [self]

    def read(self, row: Topic) -> None:
        """Feed every record of a topic to ``receive``; called in the constructor of a stage."""
        source = topic(self.app, row)

        async def agent(stream: Any) -> None:
            async for event in stream.noack().events():
                # Opened before any wait: if the partition goes away meanwhile, its slot goes with it.
                slot = self.window.open(event)
                await self.window.room()
                if not slot.stale:
                    await self._take(row, slot)

        self.app.agent(source, name=f"{self.name}.{row.noun}")(agent)

    async def load(self) -> None:
        """Load models and whatever else must be there before the first record; off the event loop."""
        self.loaded = True

    async def reload(self) -> None:  # noqa: B027  # most stages have nothing to change
        """Take up models that were changed, without a pause."""

    @abstractmethod
    async def receive(self, row: Topic, slot: Slot) -> None:
        """Take one record; finish its slot now or later. Raises BadRecord for what can never be read."""

    async def pump(self) -> None:
        """Work that goes on beside reading, until cancelled; an error in it stops the process."""
        await asyncio.Event().wait()

    async def revoked(self, partitions: set[Partition]) -> None:  # noqa: B027  # most stages hold nothing
        """Partitions go to another worker: drop what was held for them."""

    def health(self) -> StageHealth:
        """Ready when loaded, assigned, recovered; stalled by the age of the last progress."""
        app = self.app
        if not self.loaded:
            state = "loading models"
        elif not app.started or app.consumer is None:
            state = "starting"
        elif not app.reaches_kafka():
            state = "Kafka does not answer"
        elif app.rebalancing:
            state = "rebalancing"
        elif not self.partitions():
            state = "no partitions assigned"
        else:
            state = "ready"
        return StageHealth(
            self.name,
            state == "ready",
            state,
            self.window.outstanding,
            round(self.window.stalled_for(), 3),
            round(self.lag_s(time.time()), 3),
        )

    def lag_s(self, now_s: float) -> float:
        """How long the oldest unfinished record has been in Kafka (s), by its Kafka timestamp; 0 when there is none."""
        written = [event.message.timestamp for event in self.window.oldest() if event.message.timestamp]
        return max(0.0, now_s - min(written)) if written else 0.0

    def versions(self) -> Mapping[str, str]:
        """Models in use once loaded: name to hash of the weights."""
        return {}

    def standings(self) -> list[Standing]:
        """How far this stage is, for the watchdog; nothing while Kafka is away, which no restart would mend."""
        app: Any = self.app
        if not app.started or app.consumer is None or not app.reaches_kafka():
            return []
        recovered = sum(offset for offset in app.tables.recovery.active_offsets.values() if offset)
        held = [
            Standing("rebalance", (app.rebalancing_count, recovered), app.rebalancing),
            Standing("open records", (self.window.finished,), self.window.outstanding > 0),
        ]
        for event in self.window.oldest():
            where = f"{event.message.topic} {event.message.partition}"
            held.append(Standing(f"oldest record of {where}", (event.message.offset,), True, OTHERS_FIRST))
        if self.partitions() and not app.rebalancing:
            partitions = app.consumer.standings()
            held += partitions
            read = tuple(mark for standing in partitions for mark in standing.marks)
            held.append(Standing("everything", (self.window.finished, *read), any(x.waits for x in partitions)))
        return [replace(standing, what=f"{self.name}: {standing.what}") for standing in held]

    def partitions(self) -> set[Partition]:
        """What this worker reads at present."""
        try:
            return {(tp.topic, tp.partition) for tp in self.app.consumer.assignment()}
        except ConsumerNotStarted:
            return set()

    async def publish(
        self,
        outgoing: Sequence[records.Record],
        causes: Causes = NO_CAUSES,
        seal: Callable[[Message], Headers] | None = None,
    ) -> None:
        """Publish records, in order, and wait until the broker has confirmed each.

        ``causes``, for traces, is the received record that led to them, or those by utterance id; ``seal`` adds headers
        to each.
        """
        spans = self.tracer.spans(self.name, outgoing, causes)
        futures = []
        for record in outgoing:
            message = encode(record)
            if spans and (span := spans.get(getattr(record, "utterance_id", ""))):
                message.headers.extend(span.headers)
            headers = message.headers + (seal(message) if seal else [])
            futures.append(await self._publisher.raw(message.topic, message.key, message.value, headers))
        for future in futures:
            await future
        for span in spans.values():
            span.end()

    async def bury(self, slot: Slot, bad: BadRecord) -> None:
        """Dead-letter a slot's record and finish the slot."""
        self.log.warning("record unreadable", reason=bad.reason, detail=bad.detail, partition=slot.partition)
        await self.bury_event(slot.event, bad)
        self.window.finish(slot)

    async def bury_event(self, event: Received, bad: BadRecord) -> None:
        """Dead-letter a record that no slot was opened for."""
        self.metrics.count("roomwarden_dead_letters_total", stage=self.name, reason=bad.reason)
        await self.dead_letters.bury(event, bad)

    def observe_latency(self, captured_ms: float, final: bool) -> None:
        """Seconds from the capture of the last sample to now, for the stage's latency histogram."""
        seconds = max(0.0, time.time() - captured_ms / 1000.0)
        self.metrics.observe(
            "roomwarden_stage_latency_seconds", seconds, stage=self.name, revision="final" if final else "partial"
        )

    async def _take(self, row: Topic, slot: Slot) -> None:
        self.metrics.count("roomwarden_records_total", stage=self.name)
        try:
            await self.receive(row, slot)
        except BadRecord as bad:
            await self.bury(slot, bad)
        else:
            self.dead_letters.fine(slot.event.message.key)

    async def _publish_dead_letter(self, key: bytes | None, value: bytes, headers: Headers) -> None:
        await (await self._publisher.raw(DEAD_LETTERS.name, key, value, headers))

    async def _on_revoked(self, _: Any, /, *arguments: Any, **__: Any) -> None:
        (revoked,) = arguments
        partitions: set[Partition] = {(tp.topic, tp.partition) for tp in revoked}
        self.window.revoke(partitions)
        await self.revoked(partitions)

    async def rest(self) -> None:
        """Stop publishing, before the app stops what it publishes with; what is open will be read again."""
        if self._pumping is not None and not self._pumping.done():
            self._pumping.cancel()
            await asyncio.gather(self._pumping, return_exceptions=True)

    async def _run_pump(self) -> None:
        self._pumping = asyncio.current_task()
        try:
            await self.pump()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            # Faust only logs a failed task; a stage that cannot finish its records must stop the process.
            await self.app.crash(error)
            raise
