"""A worker that is killed, again and again, says in the end exactly what an undisturbed one says."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy.brokers import Broker, Kind, open_broker
from streams import records
from streams.admin import apply_topics
from streams.ledger import Ledger
from streams.settings import Settings
from tests.support import speech
from tests.support.processes import PATIENT, WorkerProcess, command
from tests.support.wire import Platform, platform, unique
from tests.support.worker_process import echo

pytestmark = pytest.mark.timeout(900)

SENTENCES = ["tea-room-seller-1", "band-room-fan-1", "tea-room-guest-1", "band-room-drummer-1", "tea-room-seller-1"]
KILL_AT = ["partial", "utterance", "finding", "risk", "takedown"]
"""What the worker has just published when it is killed, sentence by sentence."""


@dataclass
class Said:
    """Everything that a run published, repetitions taken together by id."""

    utterances: dict[str, records.Utterance]
    findings: dict[str, records.Finding]
    takedowns: dict[str, records.Takedown]
    ledger: Ledger
    repeated: int

    def essence(self) -> dict[str, Any]:
        """What must not depend on how often the worker was killed."""
        return {
            "utterances": {
                u.utterance_id: (u.start_ms, u.end_ms, u.first_sequence, u.last_sequence, u.cause, echo(u.audio))
                for u in self.utterances.values()
            },
            "findings": {f.utterance_id: (f.transcript, f.start_ms, f.end_ms) for f in self.findings.values()},
            # Two utterances that wait together may be heard in either order, so the ladder may take either of them
            # for the first offence; but each leads to one takedown, and the steps of the ladder are the same.
            "takedowns": sorted((t.utterance_id, t.rule) for t in self.takedowns.values()),
            "actions": sorted(t.action for t in self.takedowns.values()),
        }


def said(side: Platform) -> Said:
    """What the platform has seen."""
    finals = [u for u in side.of(records.Utterance) if u.final]
    findings = [f for f in side.of(records.Finding) if f.final]
    takedowns = side.of(records.Takedown)
    ledger = Ledger()
    ledger.add_all(side.of(records.Coverage))
    distinct = Said(
        unique(finals, lambda u: u.utterance_id),
        unique(findings, lambda f: f.utterance_id),
        unique(takedowns, lambda t: t.takedown_id),
        ledger,
        0,
    )
    distinct.repeated = len(finals) - len(distinct.utterances)
    # Whatever is published twice must be the same both times.
    for record, first in [(u, distinct.utterances[u.utterance_id]) for u in finals]:
        assert (record.audio, record.start_ms, record.cause) == (first.audio, first.start_ms, first.cause)
    for record, first in [(t, distinct.takedowns[t.takedown_id]) for t in takedowns]:
        assert (record.action, record.facts, record.reason) == (first.action, first.facts, first.reason)
    return distinct


@pytest.fixture(scope="module")
def tracks() -> list[list[records.Chunk]]:
    """One track, sentence by sentence, with one capture clock for every run."""
    pieces = speech.sentences(SENTENCES)
    begin_ms = speech.begun_ms(sum(map(len, pieces)) / speech.RATE)
    whole = speech.track(np.concatenate(pieces), begin_ms)
    ends = np.cumsum([len(piece) for piece in pieces]) // (speech.RATE * speech.CHUNK_MS // 1000)
    bounds = [0, *(int(end) for end in ends[:-1]), len(whole)]
    return [whole[low:high] for low, high in itertools.pairwise(bounds)]


@pytest.fixture(scope="module")
def undisturbed(kind: Kind, tracks: list[list[records.Chunk]], tmp_path_factory: pytest.TempPathFactory) -> Said:
    """What one process says that runs all stages and is left alone."""
    with open_broker(kind) as broker:
        directory = tmp_path_factory.mktemp("undisturbed")
        return asyncio.run(run(broker.bootstrap, tracks, directory, ["segment listen judge"]))


async def run(bootstrap: str, tracks: list[list[records.Chunk]], directory: Path, processes: list[str]) -> Said:
    """Play the track to workers, one process for each list of stages, and wait until all of it is worked off."""
    workers = [WorkerProcess(bootstrap, directory, *stages.split(), variables=PATIENT) for stages in processes]
    try:
        for worker in workers:
            worker.start()
        await until_topics(bootstrap)
        async with platform(bootstrap) as side:
            for sentence in tracks:
                await side.send(*sentence)
                await taken_down(side, sentence)
            await worked_off(side, tracks)
            return said(side)
    finally:
        for worker in workers:
            worker.kill()


async def taken_down(side: Platform, sentence: list[records.Chunk]) -> None:
    """The ladder counts offences as they are heard, and two that wait together may be heard in either order."""
    begin_ms = sentence[0].time_ms
    await side.until(lambda: published(side, "takedown", begin_ms), f"the takedown of {begin_ms:.0f}")


async def until_topics(bootstrap: str) -> None:
    """The platform's own set-up: whoever is first creates the topics."""
    await apply_topics(Settings(kafka=bootstrap, partitions=2))


async def worked_off(side: Platform, tracks: list[list[records.Chunk]]) -> None:
    """Every received millisecond is accounted for, and every finding of it is judged."""
    sent = sum(chunk.duration_ms for sentence in tracks for chunk in sentence)

    def done() -> bool:
        now = said(side)
        total = now.ledger.total()
        judged = {t.utterance_id for t in now.takedowns.values()}
        return total.received >= sent and total.under_way == 0 and judged == set(now.utterances)

    await side.until(done, f"{sent:g} ms to be accounted for, and each utterance to be judged", 240)


def test_an_undisturbed_worker_hears_each_sentence_once_and_accounts_for_every_millisecond(
    undisturbed: Said, tracks: list[list[records.Chunk]]
) -> None:
    assert len(undisturbed.utterances) >= len(SENTENCES)
    assert undisturbed.repeated == 0
    assert set(undisturbed.findings) == set(undisturbed.utterances)
    assert {f.transcript for f in undisturbed.findings.values()} == {
        echo(u.audio) for u in undisturbed.utterances.values()
    }
    actions = [t.action for t in sorted(undisturbed.takedowns.values(), key=lambda t: t.stages.captured_ms)]
    assert actions[:3] == ["warn", "mute", "kick"]
    total = undisturbed.ledger.total()
    assert total.received == pytest.approx(sum(c.duration_ms for sentence in tracks for c in sentence))
    assert total.received == pytest.approx(total.silence + total.analysed + total.degraded)


async def test_killed_at_every_step_it_loses_no_utterance_and_issues_no_second_takedown(
    broker: Broker, undisturbed: Said, tracks: list[list[records.Chunk]], tmp_path: Path
) -> None:
    with WorkerProcess(broker.bootstrap, tmp_path, variables=PATIENT) as worker:
        await until_topics(broker.bootstrap)
        async with platform(broker.bootstrap) as side:
            for sentence, moment in zip(tracks, KILL_AT, strict=True):
                half = len(sentence) * 3 // 5
                await side.send(*sentence[:half])
                if moment != "partial":
                    await side.send(*sentence[half:])
                begin_ms = sentence[0].time_ms
                await side.until(lambda m=moment, b=begin_ms: published(side, m, b), f"a {moment} of {begin_ms:.0f}")
                worker.kill()
                if moment == "partial":
                    await side.send(*sentence[half:])
                worker.start()
                await taken_down(side, sentence)
            await worked_off(side, tracks)
            survived = said(side)
    assert survived.essence() == undisturbed.essence()
    assert survived.ledger.total().received == pytest.approx(undisturbed.ledger.total().received)
    assert survived.ledger.total().lost == {}
    verified = command(broker.bootstrap, "audit", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "nothing broken" in verified.stdout


def published(side: Platform, moment: str, begin_ms: float) -> bool:
    """Whether the worker has just said something of the sentence that begins at that time."""
    match moment:
        case "partial":
            return any(not u.final and u.start_ms >= begin_ms for u in side.of(records.Utterance))
        case "utterance":
            return any(u.final and u.start_ms >= begin_ms for u in side.of(records.Utterance))
        case "finding":
            return any(f.final and f.start_ms >= begin_ms for f in side.of(records.Finding))
        case "risk":
            return any(r.stages.captured_ms >= begin_ms for r in side.of(records.Risk))
        case _:
            return any(t.stages.captured_ms >= begin_ms for t in side.of(records.Takedown))


async def test_three_processes_say_what_one_says(
    broker: Broker, undisturbed: Said, tracks: list[list[records.Chunk]], tmp_path: Path
) -> None:
    apart = await run(broker.bootstrap, tracks, tmp_path, ["segment", "listen", "judge"])
    assert apart.essence() == undisturbed.essence()
