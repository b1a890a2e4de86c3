"""judge seals what it decides: chains by partition and topic that go on after a kill, and hold what it undid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agents.judge import Judging
from models.policy.schema import Acknowledge
from streams import records
from streams.breaks import Place, Report
from streams.chain import link_of
from streams.codec import Message
from streams.metrics import Metrics
from streams.settings import Settings
from streams.topics import BY_NAME
from streams.verification import Verifier
from tests.support import samples
from tests.support.fakes import ScriptedJudge
from tests.support.kafka import Produced
from tests.support.samples import T0_MS
from tests.support.stages import Running, running


def stage_of(tmp_path: Path, judge: ScriptedJudge | None = None, **settings: Any) -> Judging:
    stage = Judging(Settings(state_dir=tmp_path, group_prefix="rw", **settings), Metrics(), judge or ScriptedJudge())  # type: ignore[arg-type]  # scripted
    stage.clock = lambda: T0_MS / 1000.0
    return stage


async def given(run: Running, *items: records.Record, partition: int = 0) -> None:
    for item in items:
        await run.put(item, partition=partition)
        await run.until(lambda: all(run.acked), "the acknowledgement")


def found(number: int, text: str = "加我微信") -> records.Finding:
    return samples.finding(transcript=text, utterance_id=f"ut_{number}", alternatives=[])


def messages(sent: list[Produced]) -> list[Message]:
    return [Message(p.topic, p.key or b"", p.value, p.headers) for p in sent if BY_NAME[p.topic].chained]


def reports(sent: list[Produced], *keys: str) -> list[Report]:
    verifier = Verifier(key.encode() for key in keys)
    for offset, message in enumerate(messages(sent)):
        verifier.feed(message, Place(message.topic, 0, offset), 0.0)
    assert verifier.strays == []
    return verifier.reports()


def recover(stage: Judging, changelog: list[Produced]) -> None:
    """Leave the tables as recovery from the changelog would."""
    for table in stage.app.tables.values():
        for written in changelog:
            if written.topic == table.changelog_topic_name:
                table.data[written.key] = written.value


async def test_decisions_and_takedowns_are_chained_by_partition(tmp_path: Path) -> None:
    async with running(stage_of(tmp_path)) as run:
        await given(run, found(0), found(1), partition=3)
        await given(run, found(2), partition=5)
    assert [(r.topic, r.chain, r.records, r.breaks) for r in reports(run.producer.sent)] == [
        ("moderation.decisions", "rw-judge/3", 2, []),
        ("moderation.decisions", "rw-judge/5", 1, []),
        ("moderation.takedowns", "rw-judge/3", 2, []),
        ("moderation.takedowns", "rw-judge/5", 1, []),
    ]
    assert {p.topic for p in run.producer.sent if not BY_NAME[p.topic].chained} == {"risk.events", "judge.sightings"}
    heads = [p for p in run.producer.changelog if p.topic == "rw-judge-chains-changelog"]
    assert [(p.key, p.partition) for p in heads] == [(b"3", 3), (b"3", 3), (b"5", 5)]


async def test_what_is_undone_held_up_again_and_repeated_is_on_the_same_chain(tmp_path: Path) -> None:
    judge = ScriptedJudge()
    judge.patience = Acknowledge(within_s=10)
    stage = stage_of(tmp_path, judge)
    async with running(stage, pump=False) as run:
        await given(run, found(0), found(1))
        await given(run, samples.room(event="speaker.joined", time_ms=T0_MS + 2000))
        stage.clock = lambda: T0_MS / 1000.0 + 11
        stage.partitions = lambda: {("voice.findings", 0)}  # type: ignore[method-assign]
        await stage.see_to_answers()
        first = run.of(records.Takedown)[0].takedown_id
        await given(run, samples.outcome(takedown_id=first, outcome="overturned"))
    sent = run.of(records.Takedown)
    assert {bool(t.reissue_of) for t in sent} == {bool(t.reverses) for t in sent} == {t.attempt > 1 for t in sent}
    report = reports(run.producer.sent)[-1]
    assert (report.topic, report.records, report.last, report.breaks) == (
        "moderation.takedowns",
        len(sent),
        len(sent),
        [],
    )


@pytest.mark.parametrize("lost", ["nothing", "the chains", "every table"])
async def test_the_next_worker_goes_on_and_what_comes_again_is_explained(tmp_path: Path, lost: str) -> None:
    async with running(stage_of(tmp_path)) as run:
        await given(run, found(0))
        before = len(run.producer.changelog)
        await given(run, found(1))  # published; then the worker is killed, and the offset is not committed
        sent, changelog = run.producer.sent, run.producer.changelog
    late = {"nothing": set(), "the chains": {"rw-judge-chains-changelog"}, "every table": {p.topic for p in changelog}}
    survived = [p for number, p in enumerate(changelog) if number < before or p.topic not in late[lost]]
    assert len(survived) < len(changelog) or lost == "nothing"
    after = stage_of(tmp_path)
    recover(after, survived)
    async with running(after) as run:
        await given(run, found(1), found(2))
        both = [*sent, *run.producer.sent]
    for report in reports(both):
        assert report.breaks == []
        assert report.last == (4 if lost == "nothing" else 3)
        assert (report.repeated > 0) == (lost != "nothing")


async def test_a_key_seals(tmp_path: Path) -> None:
    async with running(stage_of(tmp_path, audit_key="s3cret", signing_key="other")) as run:
        await given(run, found(0))
    assert [r.breaks for r in reports(run.producer.sent, "s3cret")] == [[], []]
    assert {b.kind for r in reports(run.producer.sent, "other") for b in r.breaks} == {"unknown-key"}
    assert all("s3cret" not in str(p.headers) for p in run.producer.sent)
    assert all(link_of(message) for message in messages(run.producer.sent))


async def test_room_events_and_findings_at_once_do_not_take_the_same_place(tmp_path: Path) -> None:
    async with running(stage_of(tmp_path)) as run:
        await given(run, found(0), found(1))
        run.producer.confirming = False
        await run.put(samples.room(event="speaker.joined", time_ms=T0_MS + 2000))
        await run.put(found(2))
        await run.until(lambda: len(run.producer.sent) > 8, "the first of both to be sent")
        run.producer.confirm()
        await run.until(lambda: all(run.acked), "the acknowledgements")
    assert [(r.forks, r.breaks) for r in reports(run.producer.sent)] == [(0, []), (0, [])]
