"""The one owner of a model: collects pending work, runs it in a thread of its own, hands results back to the loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

FILL_POLL_S = 0.005

W = TypeVar("W")
R = TypeVar("R")


@dataclass(slots=True, eq=False)
class Work(Generic[W]):
    """One pending item; ``added_at`` is monotonic seconds."""

    item: W
    added_at: float


class Batcher(Generic[W, R]):
    """Never runs more batches at once than it has lanes, never runs one on the event loop."""

    def __init__(
        self,
        choose: Callable[[Sequence[Work[W]], float], list[Work[W]]],
        run: Callable[[list[W]], list[R]],
        deliver: Callable[[list[tuple[W, R]], float], Coroutine[Any, Any, None]],
        clock: Callable[[], float] = time.monotonic,
        lanes: int = 1,
    ) -> None:
        """``choose`` gets what waits and the time (s), and gives the next batch; none while company may still come.

        ``lanes`` batches may run at once, each in a thread of its own: as many as the model has replicas.
        """
        self._choose = choose
        self._run = run
        self._deliver = deliver
        self._clock = clock
        self._lanes = lanes
        self._executor = ThreadPoolExecutor(lanes, "model")
        self._pending: list[Work[W]] = []
        self._arrived = asyncio.Event()

    @property
    def pending(self) -> list[Work[W]]:
        """What waits, oldest first; a caller may remove what is out of date."""
        return self._pending

    def add(self, item: W) -> None:
        """Queue one item."""
        self._pending.append(Work(item, self._clock()))
        self._arrived.set()

    async def serve(self) -> None:
        """Run batches until cancelled; the first error of the model or of delivery ends all lanes and is raised."""
        lanes = [asyncio.create_task(self._lane()) for _ in range(self._lanes)]
        try:
            await asyncio.gather(*lanes)
        finally:
            for lane in lanes:
                lane.cancel()

    async def _lane(self) -> None:
        loop = asyncio.get_running_loop()
        delivery: asyncio.Future[None] | None = None
        while True:
            await self._arrived.wait()
            chosen = self._choose(self._pending, self._clock())
            if not chosen:
                if delivery is not None:
                    await delivery  # nothing else would ask it for its error
                    delivery = None
                elif self._pending:
                    await asyncio.sleep(FILL_POLL_S)
                else:
                    self._arrived.clear()
                continue
            taken = {id(work) for work in chosen}
            self._pending[:] = [work for work in self._pending if id(work) not in taken]
            started = self._clock()
            items = [work.item for work in chosen]
            results = await loop.run_in_executor(self._executor, self._run, items)
            if delivery is not None:
                await delivery
            # Publishing one batch overlaps with inference of the next; an error surfaces at the next turn.
            pairs = list(zip(items, results, strict=True))
            delivery = asyncio.ensure_future(self._deliver(pairs, self._clock() - started))
            if not self._pending:
                await delivery
                delivery = None

    async def on_owner(self, call: Callable[[], None]) -> None:
        """Run something on a thread of the model."""
        await asyncio.get_running_loop().run_in_executor(self._executor, call)
