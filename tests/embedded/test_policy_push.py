"""A pushed policy is in force on every judge worker, without a restart, and nothing is judged by half of it."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

import pytest

from deploy.brokers import Broker
from deploy.brokers.ports import free_ports
from streams import records
from streams.admin import apply_topics
from streams.settings import Settings
from tests.support import samples
from tests.support.processes import WorkerProcess, command
from tests.support.wire import Platform, platform

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(240)]

WORDS = "- list: {name}\n  category: ads/{name}\n  match: [exact]\n  entries: [苹果]\n"
RULES = "policy: {name}\ntenant: demo\nrules: [{{id: r, category: '*', action: {action}, cooldown_s: 0}}]\n"


class Talk:
    """Findings in two rooms, one on each partition, so that both workers judge."""

    def __init__(self, side: Platform) -> None:
        self.side = side
        self.number = 0

    async def say(self) -> None:
        """One offence in each of eight rooms."""
        self.number += 1
        await self.side.send(
            *(
                samples.finding(
                    utterance_id=f"ut_{self.number}_{n}", transcript="苹果", alternatives=[], room=f"room-{n}",
                    speaker=f"s{self.number}-{n}", session=f"s{self.number}-{n}",
                )
                for n in range(8)
            )
        )  # fmt: skip

    def rooms_under(self, action: str) -> set[str]:
        """Rooms in which a takedown had this action."""
        return {t.target.room for t in self.side.of(records.Takedown) if t.action == action}

    async def until_everywhere(self, action: str) -> float:
        """Talk until each room is judged by the policy with this action; seconds that took."""
        began = time.monotonic()
        while self.rooms_under(action) != {f"room-{n}" for n in range(8)}:
            await self.say()
            for _ in range(2):
                await self.side.poll()
            assert time.monotonic() - began < 60, self.rooms_under(action)
        return time.monotonic() - began


def files(folder: Path, name: str, action: str) -> tuple[str, ...]:
    """Arguments of a push."""
    (folder / f"{name}.yaml").write_text(RULES.format(name=name, action=action))
    (folder / f"{name}-words.yaml").write_text(WORDS.format(name=name))
    return (str(folder / f"{name}.yaml"), "--lexicon", str(folder / f"{name}-words.yaml"))


async def test_pushed_policies_reach_every_worker_whole(
    embedded: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await apply_topics(Settings(kafka=embedded.bootstrap, partitions=2))
    ports = free_ports(2, "127.0.0.1")
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    workers = [
        WorkerProcess(embedded.bootstrap, folder, "judge", HEALTH_PORT=str(port))
        for folder, port in zip(folders, ports, strict=True)
    ]
    with contextlib.ExitStack() as stack:
        for worker in workers:
            stack.enter_context(worker)
        async with platform(embedded.bootstrap) as side:
            for worker in workers:
                await worker.until("/ready")
            talk = Talk(side)

            bad = command(embedded.bootstrap, "policy", "push", str(folders[0] / "none.yaml"))
            assert (bad.returncode, "cannot be read" in bad.stderr) == (2, True)
            assert command(embedded.bootstrap, "policy", "push", *files(tmp_path, "first", "review")).returncode == 0
            took = [await talk.until_everywhere("review")]
            # A policy that refers to a lexicon which is not there must wait: the one before stays in force.
            await side.send(
                samples.policy(
                    version="w", document=RULES.format(name="waits", action="kick"), lexicons={"x": "ab" * 32}
                ),
                samples.policy(version="b", document=RULES.format(name="bad", action="ban")),
            )
            await side.until(lambda: side.dead, "the dead letter")
            await talk.say()
            assert (
                command(embedded.bootstrap, "policy", "push", *files(tmp_path, "second", "label_required")).returncode
                == 0
            )
            took.append(await talk.until_everywhere("label_required"))
            await side.poll()

            categories = {
                (t.action, t.category, t.policy_version, t.facts["lexicon_version"]) for t in side.of(records.Takedown)
            }
            pairs = {(action, category) for action, category, _, _ in categories}
            assert pairs == {("review", "ads/first"), ("label_required", "ads/second")}
            assert len(categories) == 2  # never one's policy with the other's lexicon
            risks = {(r.category, r.policy_version, r.lexicon_version) for r in side.of(records.Risk)}
            assert risks == {(category, policy, lexicon) for _, category, policy, lexicon in categories}
            assert [letter.reason for letter in side.dead] == ["invalid-policy"]

            # Every decision of either version, computed again from Kafka alone.
            done = command(embedded.bootstrap, "audit", "replay", "--json")
            lines = [json.loads(line) for line in done.stdout.splitlines()]
            assert (done.returncode, lines[-1]["different"], lines[-1]["missing"]) == (0, 0, 0), lines[-1]
            known = {d.decision_id for d in side.of(records.Decision)}
            assert len(known) > 16
            assert known <= {line["decision"] for line in lines[:-1]}

            # A worker that comes late has it before its first finding.
            assert await workers[0].stop() == 0
            seen = len(side.of(records.Takedown))
            workers[0].start()
            await workers[0].until("/ready")
            await talk.say()
            await side.until(lambda: len(side.of(records.Takedown)) >= seen + 8, "the takedowns")
            assert {t.action for t in side.of(records.Takedown)[seen:]} == {"label_required"}
    with capsys.disabled():
        print(f"\npushed policies in force in all rooms after {', '.join(f'{s:.2f} s' for s in took)}")  # noqa: T201  # the figure of this test
