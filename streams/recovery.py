"""Faust's table recovery, so that it neither loses records at its end nor waits for ever.

Faults of Faust 0.15.3 that this mends: partitions are opened before their queues are emptied (see ``consuming``); a
step that takes longer than ``broker_request_timeout`` ends recovery silently, for the life of the process; the signal
that recovery is over is lost when it comes before anybody waits for it; the first write to a table whose changelog was
made a moment ago ends the process.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import faust
from faust.tables.manager import TableManager
from faust.tables.recovery import RebalanceAgain, Recovery, ServiceStopped

if TYPE_CHECKING:
    from streams.app import StageApp


class StageTable(faust.Table[Any, Any]):
    """A table whose writes the app waits for before it commits, and whose changelog may be new."""

    def send_changelog(self, *arguments: Any, **options: Any) -> Any:
        """Queue a write of the changelog."""
        written = super().send_changelog(*arguments, **options)
        cast("StageApp", self.app).note_table_write(written)
        return written

    def _verify_source_topic_partitions(self, source_topic: str) -> None:
        """Once the client has heard of the changelog: of one that was made a moment ago it says 0 partitions."""
        if self.app.consumer.topic_partitions(self.changelog_topic_name) != 0:
            super()._verify_source_topic_partitions(source_topic)


class _LastingSignal(asyncio.Event):
    """Stays set until a recovery starts: Faust clears it in the same breath in which it sets it."""

    def clear(self) -> None:
        """Leave it as it is."""

    def reset(self) -> None:
        """Clear it."""
        super().clear()


class StageRecovery(Recovery):
    """Recovers tables, then opens the source partitions."""

    @property
    def signal_recovery_end(self) -> asyncio.Event:
        """Set once the changelogs are read to their end."""
        if self._signal_recovery_end is None:
            self._signal_recovery_end = _LastingSignal()
        return self._signal_recovery_end

    def _set_recovery_started(self) -> None:
        cast("_LastingSignal", self.signal_recovery_end).reset()
        super()._set_recovery_started()

    async def _wait(self, coro: Any, timeout: Any = None) -> None:  # noqa: ASYNC109  # Faust's
        again: Any = self.signal_recovery_start
        result = await self.wait_first(coro, again, timeout=timeout)
        if again in result.done:
            raise RebalanceAgain
        if result.stopped and not (self.should_stop or self.crashed):
            self.log.warning("Recovery waited for Kafka in vain, and begins again")
            self.signal_recovery_start.set()
            raise RebalanceAgain
        if result.stopped:
            raise ServiceStopped

    async def _resume_streams(self, generation_id: int = 0) -> None:
        """Without tables there is nothing to recover."""
        await self._open(generation_id)

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        """The tables are up to date: tell them, then read on."""
        self._set_recovery_ended()
        for table in self.tables.values():
            await table.on_recovery_completed(self.actives_for_table[table], self.standbys_for_table[table])
        await self._open(generation_id)

    async def _open(self, generation_id: int) -> None:
        app: Any = self.app
        consumer = app.consumer
        await app.on_rebalance_complete.send()
        if app.consumer_generation_id != generation_id:
            return  # another assignment is on its way, and starts another recovery
        sources = {tp for tp in consumer.assignment() if not self._is_changelog_tp(tp)}
        if sources:
            await self._wait(consumer.perform_seek(), timeout=app.conf.broker_request_timeout)
        if app.consumer_generation_id != generation_id:
            return
        self.completed.set()
        app.flow_control.resume()  # empties every queue, so nothing may have been fetched yet
        consumer.resume_flow()
        consumer.resume_partitions(sources)
        await app._fetcher.maybe_start()  # noqa: SLF001  # as Faust's own recovery does
        self.tables.on_actives_ready()
        self.tables.on_standbys_ready()
        app.on_rebalance_end()
        self.log.info("Worker ready")


class StageTableManager(TableManager):
    """Uses ``StageRecovery``."""

    @property
    def recovery(self) -> Recovery:
        """The one recovery service of an app."""
        if self._recovery is None:
            self._recovery = StageRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
