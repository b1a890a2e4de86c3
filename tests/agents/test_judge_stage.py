"""judge under Faust's test context, with a scripted judge."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agents.judge import SIGNATURE_HEADER, Judging, load_judge, sign
from agents.policies import Change
from models.judgement import Judge, SpeakerState
from models.policy import load_policy
from models.takeover import Pushed, Takeover
from streams import records
from streams.codec import Message, encode
from streams.envelope import BadRecord
from streams.metrics import Metrics
from streams.settings import Settings
from tests.support import samples
from tests.support.fakes import ScriptedJudge
from tests.support.kafka import Produced
from tests.support.samples import T0_MS
from tests.support.stages import running
from tests.support.wire import replaced


@pytest.fixture
def judge() -> ScriptedJudge:
    return ScriptedJudge()


def stage_of(tmp_path: Path, judge: ScriptedJudge, **settings: Any) -> Judging:
    return Judging(Settings(state_dir=tmp_path, group_prefix="rw", **settings), Metrics(), judge)  # type: ignore[arg-type]  # scripted


@pytest.fixture
def stage(tmp_path: Path, judge: ScriptedJudge) -> Judging:
    return stage_of(tmp_path, judge)


def found(text: str, number: int = 0, **changes: Any) -> records.Finding:
    """A final finding with these words."""
    return samples.finding(**({"transcript": text, "utterance_id": f"ut_{number}", "alternatives": []} | changes))


async def test_an_offence_becomes_a_risk_event_and_a_takedown(stage: Judging) -> None:
    async with running(stage) as run:
        await run.put(found("加我微信"), partition=3)
        await run.until(lambda: all(run.acked), "the acknowledgement")
    (risk,) = run.of(records.Risk)
    (takedown,) = run.of(records.Takedown)
    assert (risk.category, risk.severity, risk.score) == ("ads/contact/off-platform", 2, 0.9)
    assert (risk.lexicon_list, risk.entry, risk.match) == ("off-platform", "微信", "exact")
    assert (risk.quote, risk.span_text, risk.span_ms) == ("微信", (2, 4), (T0_MS, T0_MS + 1000))
    assert (risk.tenant, risk.room, risk.speaker, risk.session) == ("demo", "tea-room", "seller", "s-1")
    assert risk.takedown_ids == [takedown.takedown_id] == ["td_ut_0_warn"]
    assert (risk.policy_version, risk.lexicon_version) == ("policy-1", "lexicon-1")
    assert takedown.action == "warn"
    assert takedown.target == records.Target(tenant="demo", room="tea-room", speaker="seller", session="s-1")
    assert set(takedown.reason) == {"zh", "en"}
    assert (takedown.rule, takedown.ttl_s, takedown.revision) == ("contact", 300, 2)
    assert takedown.stages.captured_ms == T0_MS
    assert takedown.stages.judged_ms > takedown.stages.listened_ms
    assert [p.topic for p in run.producer.sent] == [
        "risk.events", "moderation.decisions", "judge.sightings", "moderation.takedowns",
    ]  # fmt: skip
    counted = stage.metrics.registry.get_sample_value(
        "roomwarden_takedowns_total", {"action": "warn", "category": "ads/contact/off-platform"}
    )
    assert counted == 1.0


async def test_clean_words_are_acknowledged_and_nothing_is_said(stage: Judging) -> None:
    async with running(stage) as run:
        await run.put(found("今天天气好"))
        await run.until(lambda: all(run.acked), "the acknowledgement")
    assert run.producer.sent == []


async def test_the_judge_hears_the_whole_finding(stage: Judging, judge: ScriptedJudge) -> None:
    spoken = found("你好", alternatives=["泥好"], guard=None, declared_synthetic=True, final=False, revision=1)
    async with running(stage) as run:
        await run.put(spoken)
        await run.until(lambda: all(run.acked), "the acknowledgement")
    (heard,) = judge.heard
    assert (heard.text, heard.language, heard.alternatives) == ("你好", "zh", ("泥好",))
    assert (heard.utterance_id, heard.revision, heard.final) == ("ut_0", 1, False)
    assert (heard.start_ms, heard.end_ms) == (T0_MS, T0_MS + 1000)
    assert heard.declared_synthetic is True
    assert heard.synthetic is not None
    assert heard.synthetic["verdict"] == "not_assessed"
    assert (heard.room_type, heard.role, heard.minor, heard.trusted) == ("default", "", False, False)


async def test_what_is_known_of_rooms_and_speakers_reaches_the_judge(stage: Judging, judge: ScriptedJudge) -> None:
    async with running(stage) as run:
        await run.put(samples.room(event="room.opened", speaker="", room_type="podcast"))
        await run.put(samples.room(event="speaker.joined", role="host", minor=True, trusted=True))
        await run.until(lambda: all(run.acked), "the room events")
        await run.put(found("一", 1))
        await run.put(found("二", 2, speaker="guest"))
        await run.put(found("三", 3, room="other"))
        await run.put(found("四", 4, tenant="else"))
        await run.until(lambda: all(run.acked), "the findings")
        await run.put(samples.room(event="speaker.left"))
        await run.until(lambda: all(run.acked), "the speaker to leave")
        await run.put(found("五", 5))
        await run.until(lambda: all(run.acked), "the finding after it")
        await run.put(samples.room(event="room.closed", speaker=""))
        await run.until(lambda: all(run.acked), "the room to close")
        await run.put(found("六", 6))
        await run.until(lambda: all(run.acked), "the last finding")
    seen = {h.text: (h.room_type, h.role, h.minor, h.trusted) for h in judge.heard}
    assert seen == {
        "一": ("podcast", "host", True, True),
        "二": ("podcast", "", False, False),
        "三": ("default", "", False, False),
        "四": ("default", "", False, False),
        "五": ("podcast", "", False, False),
        "六": ("default", "", False, False),
    }
    assert [p.value for p in run.producer.changelog if p.topic == "rw-judge-rooms-changelog"][-1] is None


async def test_strikes_add_up_over_utterances_and_rooms_of_one_tenant(stage: Judging) -> None:
    async with running(stage) as run:
        for n, changes in enumerate([{}, {"room": "other"}, {"tenant": "else"}, {"speaker": "guest"}, {}]):
            await run.put(found("微信", n, **changes))
        await run.until(lambda: all(run.acked), "the acknowledgements")
    assert [t.action for t in run.of(records.Takedown)] == ["warn", "mute", "warn", "warn", "kick"]


async def test_a_mixed_track_is_remembered_by_its_room(stage: Judging) -> None:
    async with running(stage) as run:
        for n, room in enumerate(["a", "b", "a"]):
            await run.put(found("微信", n, room=room, speaker=""))
        await run.until(lambda: all(run.acked), "the acknowledgements")
    assert [t.action for t in run.of(records.Takedown)] == ["warn", "warn", "mute"]


async def test_state_is_written_to_the_partition_of_the_finding(stage: Judging) -> None:
    async with running(stage) as run:
        await run.put(found("微信", 0), partition=5)
        await run.put(samples.room(event="room.opened"), partition=2)
        await run.until(lambda: all(run.acked), "the acknowledgements")
    written = {p.topic: p.partition for p in run.producer.changelog}
    tables = {name.removeprefix("rw-judge-").removesuffix("-changelog"): n for name, n in written.items()}
    assert tables == {"speakers": 5, "standing": 5, "chains": 5, "rooms": 2}


async def test_a_worker_that_takes_over_goes_on_from_the_changelog(stage: Judging, tmp_path: Path) -> None:
    async with running(stage) as run:
        await run.put(found("微信", 0), partition=5)
        await run.put(samples.room(event="room.opened", room_type="podcast"), partition=5)
        await run.until(lambda: all(run.acked), "the acknowledgements")
    judge = ScriptedJudge()
    successor = stage_of(tmp_path, judge)
    async with running(successor) as again:
        _recover(successor, run.producer.changelog)
        await again.put(found("微信", 1), partition=5)
        await again.until(lambda: all(again.acked), "the acknowledgement")
    assert [t.action for t in again.of(records.Takedown)] == ["mute"]
    assert judge.heard[0].room_type == "podcast"


async def test_a_replayed_finding_issues_the_same_takedown_and_no_second_strike(stage: Judging) -> None:
    async with running(stage) as run:
        await run.put(found("微信", 0))
        await run.put(found("微信", 0))
        await run.until(lambda: all(run.acked), "the acknowledgements")
        (state_json, *_) = [p.value for p in run.producer.changelog if p.topic == "rw-judge-speakers-changelog"][::-1]
        state = SpeakerState.from_json(state_json)
    assert [t.takedown_id for t in run.of(records.Takedown)] == ["td_ut_0_warn"] * 2
    assert len(state.strikes) == 1


async def test_nothing_is_remembered_or_acknowledged_before_the_broker_has_confirmed(stage: Judging) -> None:
    """Killed in between, the worker judges the finding again from the same state, and says the same."""
    async with running(stage) as run:
        run.producer.confirming = False
        await run.put(found("微信"))
        await run.until(lambda: len(run.producer.sent) == 3, "risk event and takedown to be sent")
        for _ in range(20):
            await asyncio.sleep(0)
        assert run.acked == [False]
        assert run.producer.changelog == []
        run.producer.confirm()
        await run.until(lambda: all(run.acked), "the acknowledgement")
        assert {p.topic for p in run.producer.changelog} == {
            "rw-judge-speakers-changelog",
            "rw-judge-standing-changelog",
            "rw-judge-chains-changelog",
        }


async def test_a_finding_whose_partition_went_away_is_neither_remembered_nor_acknowledged(stage: Judging) -> None:
    async with running(stage) as run:
        run.producer.confirming = False
        await run.put(found("微信"), partition=2)
        await run.until(lambda: len(run.producer.sent) == 3, "risk event and takedown to be sent")
        await run.revoke(2)
        run.producer.confirm()
        await run.put(found("你好", 1), partition=3)
        await run.until(lambda: run.acked[1], "the other partition")
        assert run.acked == [False, True]
        assert 2 not in {p.partition for p in run.producer.changelog}


async def test_findings_are_judged_one_after_the_other(stage: Judging, judge: ScriptedJudge) -> None:
    """Two findings of one speaker must not both start from the same state."""
    async with running(stage) as run:
        run.producer.confirming = False
        await run.put(found("微信", 0), partition=1)
        await run.put(found("微信", 1), partition=2)
        await run.until(lambda: run.producer.sent, "the first takedown")
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(judge.heard) == 1
        run.producer.confirm()
        await run.until(lambda: all(run.acked), "the acknowledgements")
    assert [t.action for t in run.of(records.Takedown)] == ["warn", "mute"]


async def test_new_policies_are_used_from_the_next_finding_on_and_the_refused_are_buried_once(
    stage: Judging, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = load_judge(None, [])
    takeover = Takeover(files)
    document = "policy: p\ntenant: demo\nrules: [{id: r, category: '*', action: review}]\n"
    takeover.change(Pushed("demo", "1", document, {}))
    settled = takeover.settle()
    pushed = encode(samples.policy(document="nonsense"))
    message = SimpleNamespace(topic="policy.changes", partition=0, offset=7, **asdict_of(pushed))
    refused = ((message, BadRecord("invalid-policy", "why")),)
    async with running(stage) as run:
        await run.put(found("微信", 0))
        await run.until(lambda: all(run.acked), "the first finding")
        await stage.take_over(Change(settled.judges, 1, refused))
        assert run.producer.dead == []  # another worker, the one with partition 0, does that
        monkeypatch.setattr(stage, "partitions", lambda: {("voice.findings", 0)})
        await stage.take_over(Change(settled.judges, 1, refused))
        await run.put(found("加我微信", 1))
        await run.put(found("微信", 2, tenant="else"))
        await run.until(lambda: all(run.acked), "the findings")
    (letter,) = run.producer.dead
    assert (letter["rw_reason"], letter["rw_topic"], letter["rw_offset"]) == ("invalid-policy", "policy.changes", "7")
    assert [t.action for t in run.of(records.Takedown)][:2] == ["warn", "review"]
    risks = [r for r in run.of(records.Risk) if r.utterance_id == "ut_1"]
    assert {r.explain["rule"] for r in risks} == {"r"}
    assert all({"list", "entry", "span", "match", "explain"} <= hit.keys() for r in risks for hit in r.explain["hits"])
    versions = [(r.policy_version, r.lexicon_version) for r in risks]
    assert set(versions) == {(load_policy(document).version, files.lexicon.version)}
    counted = stage.metrics.registry.get_sample_value("roomwarden_policy_changes_total", {"result": "taken"})
    assert counted == 2.0


async def test_a_tenant_without_any_policy_does_not_stop_the_others(tmp_path: Path) -> None:
    policy = load_policy("policy: p\ntenant: demo\nrules: [{id: r, category: '*', action: warn}]\n")
    stage = stage_of(tmp_path, Judge(load_judge(None, []).lexicon, policy))  # type: ignore[arg-type]  # a real one
    async with running(stage) as run:
        await run.put(found("加我微信", 0, tenant="stranger"))
        await run.put(found("加我微信", 1))
        await run.until(lambda: all(run.acked), "the findings")
    assert [d["rw_reason"] for d in run.producer.dead] == ["invalid-policy"]
    assert [t.action for t in run.of(records.Takedown)] == ["warn"]


def asdict_of(message: Message) -> dict[str, Any]:
    return {"key": message.key, "value": message.value, "headers": message.headers}


def spoilt(kind: str, good: records.Record) -> Message:
    message = encode(good)
    changes: dict[str, Any] = {
        "missing-attribute": {"id": None},
        "invalid-attribute": {"specversion": b"0.3"},
        "unknown-type": {"type": b"io.roomwarden.risk.v1"},
    }
    value = {"empty-value": b"", "invalid-value": b'{"tenant": 3}', "oversized": bytes(1_100_000)}.get(
        kind, message.value
    )
    return Message(message.topic, message.key, value, replaced(message.headers, **changes.get(kind, {})))


@pytest.mark.parametrize("good", [found("你好"), samples.room()], ids=["finding", "room"])
@pytest.mark.parametrize(
    "kind", ["missing-attribute", "invalid-attribute", "unknown-type", "empty-value", "invalid-value", "oversized"]
)
async def test_bad_input_goes_to_the_dead_letters_and_the_stream_goes_on(
    stage: Judging, kind: str, good: records.Record
) -> None:
    async with running(stage) as run:
        await run.put(spoilt(kind, good))
        await run.put(found("微信", 1))
        await run.put(samples.room())
        await run.until(lambda: all(run.acked), "the acknowledgements")
    assert [(d["rw_reason"], d["rw_stage"]) for d in run.producer.dead] == [(kind, "judge")]
    assert len(run.of(records.Takedown)) == 1


async def test_a_judge_that_breaks_stops_the_stage_and_acknowledges_nothing(stage: Judging) -> None:
    async with running(stage) as run:
        await run.put(found("boom"))
        assert "the judge broke" in str(await run.crashed())
        assert run.acked == [False]
        assert run.producer.dead == []


async def test_a_broker_that_refuses_a_takedown_stops_the_stage(stage: Judging) -> None:
    async with running(stage) as run:
        run.producer.failure = ConnectionError("the broker is gone")
        await run.put(found("微信"))
        await run.crashed()
        assert run.acked == [False]
        assert run.producer.changelog == []


async def test_takedowns_are_signed_where_a_key_is_set(tmp_path: Path, judge: ScriptedJudge) -> None:
    stage = stage_of(tmp_path, judge, signing_key="s3cret")
    async with running(stage) as run:
        await run.put(found("微信"))
        await run.until(lambda: all(run.acked), "the acknowledgement")
    risk, _, takedown = run.producer.sent
    assert SIGNATURE_HEADER not in dict(risk.headers)
    signature = dict(takedown.headers)[SIGNATURE_HEADER].decode()
    assert signature == sign(takedown.value, "s3cret")
    assert signature != sign(takedown.value + b" ", "s3cret")
    assert signature == "sha256=" + hmac.new(b"s3cret", takedown.value, hashlib.sha256).hexdigest()


async def test_without_a_key_there_is_no_signature(stage: Judging) -> None:
    async with running(stage) as run:
        await run.put(found("微信"))
        await run.until(lambda: all(run.acked), "the acknowledgement")
    assert all(SIGNATURE_HEADER not in dict(sent.headers) for sent in run.producer.sent)


def _recover(stage: Judging, changelog: list[Produced]) -> None:
    """Leave the tables as recovery from the changelog would."""
    for table in stage.app.tables.values():
        for written in changelog:
            if written.topic == table.changelog_topic_name:
                table.data[written.key] = written.value
