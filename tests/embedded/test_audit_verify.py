"""The record of judge workers that are killed is whole; what others put in, or take out of a copy, shows."""

from __future__ import annotations

import contextlib
import gzip
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploy.brokers import Broker
from loadtest.recording import Recorded, of_message, read
from streams import records
from streams.admin import apply_topics
from streams.codec import encode
from streams.reading import RawReader
from streams.settings import Settings
from streams.topics import DECISIONS, TAKEDOWNS
from tests.support import samples
from tests.support.processes import WorkerProcess, command
from tests.support.wire import Platform, platform

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(240)]

KEY = {"ROOMWARDEN_AUDIT_KEY": "kept elsewhere"}


def verify(broker: Broker, *arguments: str, status: int = 0, **variables: str) -> list[dict[str, Any]]:
    """What the command prints, as objects."""
    done = command(broker.bootstrap, "audit", "verify", "--json", *arguments, **(KEY | variables))
    assert done.returncode == status, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def kinds(lines: list[dict[str, Any]]) -> set[str]:
    return {line["broken"] for line in lines if "topic" in line and isinstance(line.get("broken"), str)}


async def offend(side: Platform, first: int, count: int) -> None:
    """Offences of as many speakers, in eight rooms on both partitions."""
    now_ms = time.time() * 1000.0
    await side.send(
        *(
            samples.finding(
                utterance_id=f"ut_{n}", transcript="加我微信", alternatives=[], room=f"room-{n % 8}", speaker=f"s{n}",
                start_ms=now_ms + n, end_ms=now_ms + n + 1000,
            )
            for n in range(first, first + count)
        )
    )  # fmt: skip


async def copied(broker: Broker, file: Path) -> list[Recorded]:
    """The record as `roomwarden record` would write it."""
    async with RawReader(broker.bootstrap, (DECISIONS, TAKEDOWNS), start="earliest") as reader:
        kept = [of_message(message) for message in await reader.raw_drain()]
    rewritten(file, kept)
    assert list(read(file)) == kept
    return kept


def rewritten(file: Path, kept: list[Recorded]) -> None:
    bodies = [msgspec.msgpack.encode(each) for each in kept]
    file.write_bytes(gzip.compress(b"".join(len(body).to_bytes(4, "big") + body for body in bodies)))


async def test_killed_workers_leave_a_whole_record_and_tampering_shows(embedded: Broker, tmp_path: Path) -> None:
    await apply_topics(Settings(kafka=embedded.bootstrap, partitions=2))
    workers = []
    for name in "ab":
        (tmp_path / name).mkdir()
        workers.append(
            WorkerProcess(embedded.bootstrap, tmp_path / name, "judge", AUDIT_KEY=KEY["ROOMWARDEN_AUDIT_KEY"])
        )

    async with platform(embedded.bootstrap) as side:

        def issued() -> set[str]:
            return {t.utterance_id for t in side.of(records.Takedown)}

        with contextlib.ExitStack() as stack:
            for worker in workers:
                stack.enter_context(worker)
            for turn in range(4):
                await offend(side, turn * 100, 100)
                await side.until(lambda turn=turn: len(issued()) > turn * 100 + 20, "some takedowns")
                workers[turn % 2].kill()
                workers[turn % 2].start()
            await side.until(lambda: len(issued()) == 400, "a takedown of each offence")

        lines = verify(embedded)
        assert lines[-1] == {
            "total": True,
            "chains": 4,
            "records": lines[-1]["records"],
            "anchors": 0,
            "older": 0,
            "broken": 0,
        }
        assert lines[-1]["records"] >= 800
        assert all(line["whole"] for line in lines[:-1])
        assert kinds(verify(embedded, status=1, ROOMWARDEN_AUDIT_KEY="another")) == {"unknown-key"}

        heads = tmp_path / "anchors.jsonl"
        printed = command(embedded.bootstrap, "audit", "anchor", **KEY)
        assert printed.returncode == 0, printed.stderr
        heads.write_text(printed.stdout)
        assert verify(embedded, "--anchor", str(heads))[-1]["anchors"] == 4

        # A copy, and what can be done to it.
        copy = tmp_path / "night.rwrec"
        kept = await copied(embedded, copy)
        assert verify(embedded, str(copy), "--anchor", str(heads))[-1]["broken"] == 0
        last = {each.topic: number for number, each in enumerate(kept)}
        rewritten(copy, [each for number, each in enumerate(kept) if number not in last.values()])
        assert kinds(verify(embedded, str(copy))) == set()
        assert "anchor" in {
            line.get("broken") for line in verify(embedded, str(copy), "--anchor", str(heads), status=1)
        }
        changed = kept[50]
        rewritten(copy, [*kept[:50], msgspec.structs.replace(changed, value=changed.value + b" "), *kept[51:]])
        (found,) = [line for line in verify(embedded, str(copy), status=1) if isinstance(line.get("broken"), str)]
        assert (found["broken"], found["topic"], found["offset"]) == ("altered", changed.topic, 50)

        # A command that judge never gave.
        forged = encode(samples.takedown(takedown_id="td_forged"))
        await side.send(replace(forged, key=b"room-0"))
        (found,) = [line for line in verify(embedded, status=1) if isinstance(line.get("broken"), str)]
        assert (found["broken"], found["topic"], found["id"]) == ("unchained", "moderation.takedowns", "td_forged")
        assert command(embedded.bootstrap, "audit", "anchor", **KEY).returncode == 1
