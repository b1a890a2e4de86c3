"""Takedowns that stick, with two judge workers: strikes across rooms, answers that do not come, verdicts, returns."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

import pytest

from deploy.brokers import Broker
from deploy.brokers.ports import free_ports
from deploy.pushing import prepared, publish
from streams import records
from streams.admin import apply_topics
from streams.settings import Settings
from tests.support import samples
from tests.support.processes import WorkerProcess
from tests.support.wire import platform

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(240)]

EXCHANGED_S = 1.0
"""What one worker issued is known to the other within a poll; nothing on the wire says when."""
POLICY = """policy: sticks
acknowledge: {within_s: 1, repeats: 1}
incidents: {rooms: 3, within_s: 60}
strikes:
  ladder: [{strikes: 1, action: warn}, {strikes: 2, action: mute, ttl_s: 600}, {strikes: 3, action: kick, ttl_s: 600}]
rules: [{id: r, category: '*', action: escalate}]
"""


async def test_takedowns_stick_over_rooms_workers_and_returns(embedded: Broker, tmp_path: Path) -> None:
    await apply_topics(Settings(kafka=embedded.bootstrap, partitions=2))
    (tmp_path / "policy.yaml").write_text(POLICY)
    await publish(embedded.bootstrap, prepared(tmp_path / "policy.yaml", []).messages)
    ports = free_ports(2, "127.0.0.1")
    workers = []
    for name, port in zip("ab", ports, strict=True):
        (tmp_path / name).mkdir()
        workers.append(WorkerProcess(embedded.bootstrap, tmp_path / name, "judge", HEALTH_PORT=str(port)))
    now_ms = time.time() * 1000.0

    def found(number: int, room: str) -> records.Finding:
        return samples.finding(
            utterance_id=f"ut_{number}", transcript="加我微信", alternatives=[], room=room, speaker="seller",
            start_ms=now_ms + number * 10_000, end_ms=now_ms + number * 10_000 + 1000,
        )  # fmt: skip

    with contextlib.ExitStack() as stack:
        for worker in workers:
            stack.enter_context(worker)
        for worker in workers:
            await worker.until("/ready")
        async with platform(embedded.bootstrap) as side:

            def issued(action: str, attempt: int = 1) -> list[records.Takedown]:
                return [t for t in side.of(records.Takedown) if (t.action, t.attempt) == (action, attempt)]

            # A strike in each of three rooms, which lie on both workers: each counts everywhere.
            rooms = [f"room-{n}" for n in range(3)]
            for number, action in enumerate(["warn", "mute", "kick"]):
                await side.send(found(number, rooms[number]))
                await side.until(lambda action=action: issued(action), f"the {action} in {rooms[number]}")
                await asyncio.sleep(EXCHANGED_S)
            warn, mute, kick = issued("warn")[0], issued("mute")[0], issued("kick")[0]
            assert [t.target.room for t in (warn, mute, kick)] == rooms
            assert {o.partition for o in side.seen if isinstance(o.record, records.Takedown)} == {0, 1}

            # The same words in three rooms, whose findings lie on both workers, are one incident.
            (incident,) = await side.until(lambda: side.of(records.Incident), "the incident")
            assert {room.room for room in incident.rooms} == set(rooms)

            # Nobody answers: sent again, then given to a person. Whoever was answered is left alone.
            await side.until(lambda: issued("kick", 2), "the repeat")
            await side.send(samples.outcome(takedown_id=kick.takedown_id, room=rooms[2], time_ms=now_ms))
            await side.until(lambda: len(issued("review", 2)) == 2, "the orders to a person")
            assert {t.facts["unanswered"] for t in issued("review", 2)} == {warn.takedown_id, mute.takedown_id}

            # Back in the room before the end, and then the verdict that it was wrong.
            joined = samples.room(room=rooms[1], time_ms=now_ms + 11_000 + 100_000)
            await side.send(joined)
            again = await side.until(lambda: [t for t in issued("mute") if t.reissue_of], "the mute held up")
            assert (again[0].reissue_of, again[0].ttl_s) == (mute.takedown_id, 500)
            verdict = samples.outcome(
                takedown_id=mute.takedown_id, room=rooms[1], outcome="overturned", time_ms=now_ms + 120_000
            )
            await side.send(verdict)
            (lift,) = await side.until(lambda: issued("lift"), "the lift")
            assert lift.reverses == mute.takedown_id
            await asyncio.sleep(EXCHANGED_S)
            await side.send(found(3, rooms[0]))
            await side.until(lambda: len(issued("kick")) == 2, "the next strike, which is the third again")
