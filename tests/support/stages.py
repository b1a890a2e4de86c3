"""A stage under Faust's own test context: records in by hand, records out and acknowledgements in the open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from faust.types import TP

from agents.stage import Stage
from streams import records, topics
from streams.codec import Message, encode
from tests.support.kafka import FakeProducer, without_kafka

PATIENCE_S = 20.0
"""Ends a wait that would never end; nothing is asserted about how long things take."""


@dataclass
class Running:
    """A started stage, what it produced, and what it was given."""

    stage: Any
    producer: FakeProducer
    agents: dict[str, Any]
    pump: asyncio.Task[None] | None
    given: list[Any] = field(default_factory=list)

    async def put(self, item: records.Record | Message, partition: int = 0, timestamp: float | None = None) -> Any:
        """Feed one record; its Faust event, on whose message ``acked`` can be read."""
        message = item if isinstance(item, Message) else encode(item)
        noun = topics.BY_NAME[message.topic].noun
        agent = self.agents[noun]
        event = await agent.put(
            message.value,
            key=message.key,
            partition=partition,
            timestamp=timestamp,
            headers=dict(message.headers),
            wait=False,
        )
        self.given.append(event)
        return event

    @property
    def acked(self) -> list[bool]:
        """Which of the given records are acknowledged, in the order given."""
        return [event.message.acked for event in self.given]

    def of(self, record_type: type[Any]) -> list[Any]:
        """Typed records that the stage sent."""
        return self.producer.of(record_type)

    async def revoke(self, *partitions: int) -> None:
        """Partitions of every topic that the stage reads go away, as in a rebalance."""
        gone = {TP(row.name, p) for row in topics.TOPICS if row.noun in self.agents for p in partitions}
        await self.stage.app.on_partitions_revoked.send(gone)

    async def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Let the stage run until a condition holds; returns its value. A crash ends the wait."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not (value := condition()):
                    if (broken := self.crash_reason()) is not None:
                        raise AssertionError(f"the stage broke before {what}") from broken
                    await asyncio.sleep(0.002)
        except TimeoutError:
            raise AssertionError(f"waited {PATIENCE_S:g} s for {what}") from None
        return value

    async def crashed(self) -> BaseException:
        """What broke the stage, once it is broken."""
        async with asyncio.timeout(PATIENCE_S):
            while (broken := self.crash_reason()) is None:
                await asyncio.sleep(0.002)
        return broken

    def crash_reason(self) -> BaseException | None:
        """What broke the stage: in its app, its pump or an agent."""
        pump = self.pump.exception() if self.pump and self.pump.done() and not self.pump.cancelled() else None
        broken = [agent._crash_reason for agent in self.agents.values() if agent._crash_reason]
        return pump or (broken[0] if broken else None)


@asynccontextmanager
async def running(stage: Stage, *, pump: bool = True) -> AsyncIterator[Running]:
    """Run a stage without Kafka; without ``pump``, records are only taken in."""
    producer = without_kafka(stage.app)
    await stage.load()
    async with AsyncExitStack() as stack:
        agents: dict[str, Any] = {}
        for name, agent in stage.app.agents.items():
            agents[name.rpartition(".")[2]] = await stack.enter_async_context(agent.test_context())
        task = asyncio.create_task(stage.pump()) if pump else None
        try:
            yield Running(stage, producer, agents, task)
        finally:
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
