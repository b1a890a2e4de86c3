"""Defers what listen cannot hear in time: off its queue, onto voice.deferred, and into the ledger as such."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import msgspec

from agents.accounting import coverage
from models.deferral import Lenience, Waiting, reasons
from streams import records
from streams.delivery import Slot
from streams.metrics import Metrics


def handed_over(utterance: records.Utterance, reason: str, now_ms: float) -> records.Deferred:
    """The utterance as the catch-up group gets it."""
    fields = msgspec.structs.asdict(utterance)
    return records.Deferred(**fields, reason=cast("records.Leniency", reason), deferred_ms=now_ms)


@dataclass(frozen=True, slots=True)
class Queued:
    """A live final in the queue, since when (monotonic s), and whether its room is at risk."""

    slot: Slot
    utterance: records.Utterance
    added_at: float
    at_risk: bool


class Deferring:
    """``choose`` says who is to go, ``serve`` publishes them and finishes their slots."""

    def __init__(
        self,
        lenience: Lenience,
        publish: Callable[[Sequence[records.Record], Mapping[str, Slot]], Awaitable[None]],
        finish: Callable[[Slot], None],
        metrics: Metrics,
        deadline_s: float,
        bound_s: float,
    ) -> None:
        self._lenience = lenience
        self._publish = publish
        self._finish = finish
        self._metrics = metrics
        self._deadline_s = deadline_s
        self._bound_s = bound_s
        self._going: list[tuple[Queued, str]] = []
        self._wake = asyncio.Event()

    def choose(self, queue: Sequence[Queued], now_s: float) -> list[bool]:
        """Which of the queue are deferred now: from here on they are this object's."""
        waiting = [
            Waiting(each.utterance.tenant, now_s - each.added_at, each.at_risk, self._reason(each.utterance))
            for each in queue
        ]
        found = reasons(waiting, self._deadline_s, self._bound_s)
        self._going += [(each, why) for each, why in zip(queue, found, strict=True) if why]
        if self._going:
            self._wake.set()
        return [why != "" for why in found]

    async def serve(self) -> None:
        """Publish what is deferred, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            going, self._going = self._going, []
            live = [(each, why) for each, why in going if not each.slot.stale]
            now_ms = time.time() * 1000.0
            outgoing: list[records.Record] = []
            for each, why in live:
                outgoing += [handed_over(each.utterance, why, now_ms), coverage(each.utterance, "deferred", why)]
            await self._publish(outgoing, {each.utterance.utterance_id: each.slot for each, _ in live})
            for each, why in live:
                seconds = each.utterance.accounted_ms / 1000.0
                self._metrics.count("roomwarden_deferred_total", reason=why)
                self._metrics.count("roomwarden_audio_seconds_total", seconds, stage="listen", kind="deferred")
                self._finish(each.slot)

    def _reason(self, utterance: records.Utterance) -> str:
        return self._lenience.of(utterance.tenant, utterance.room, utterance.speaker)
