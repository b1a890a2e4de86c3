"""catchup: the part of listen that hears what was deferred, while nothing live waits; a consumer group of its own."""

from __future__ import annotations

from collections.abc import Callable

from agents.stage import Stage
from streams import records
from streams.codec import decode
from streams.delivery import Partition, Slot
from streams.metrics import Metrics
from streams.settings import Settings
from streams.topics import DEFERRED, Topic
from streams.watchdog import Standing

AHEAD = 16
"""Utterances held for the next batches; the others wait in Kafka, and leave memory to what is live."""
PATIENT_FETCH_MS = 500


class Catchup(Stage):
    """Reads what was deferred and gives it to its owner, which finishes each slot when it has come to it."""

    name = "catchup"

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        take: Callable[[Slot, records.Deferred], None],
        drop_stale: Callable[[], None],
        busy: Callable[[], bool],
    ) -> None:
        """``busy`` says whether live speech waits: then what is held here may rest for as long as it does."""
        modest = {"window": AHEAD, "buffer_records": 8, "fetch_max_wait_ms": PATIENT_FETCH_MS}
        super().__init__(settings.model_copy(update=modest), metrics)
        self._take_over = take
        self._drop_stale = drop_stale
        self._busy = busy
        self.read(DEFERRED)

    async def receive(self, row: Topic, slot: Slot) -> None:
        """Hand over one utterance."""
        message = slot.event.message
        self._take_over(slot, decode(records.Deferred, message.headers, message.value))

    async def revoked(self, partitions: set[Partition]) -> None:
        """Whoever gets the partitions hears their utterances."""
        self._drop_stale()

    def rested(self, now_s: float) -> None:
        """Live speech came first (monotonic s): that is no stall."""
        self.window.progressed_at = now_s

    def standings(self) -> list[Standing]:
        """Nor is it one for the watchdog."""
        return [] if self._busy() else super().standings()
