"""Recorded decisions computed again: a thousand come out equal, and what changed is named."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from agents.auditing import Replayed, replay
from agents.judge import Judging
from agents.sources import Archive, Files
from models.replaying import code_version, outline
from streams import records
from streams.metrics import Metrics
from streams.settings import Settings
from tests.support import samples
from tests.support.samples import T0_MS
from tests.support.stages import running

FILES = Files.read(None, [])
PHRASES = ["加我微信", "加我威信", "我要杀了你", "你这个傻逼", "我不想活了", "刷单返利", "add me on WhatsApp", "大家好",
           "今天天气真好", "快来加我", "微信聊", "出售幼女视频", "telegrum"]  # fmt: skip


def speech(count: int, seed: int) -> list[records.Record]:
    """Findings of a few speakers in a few rooms: partials, finals, redeliveries, alternatives, voices, guards."""
    draw = random.Random(seed)
    now, out = T0_MS, list[records.Record]()
    for number in range(count):
        words = "，".join(draw.choices(PHRASES, k=draw.randint(1, 3)))
        room, speaker = f"room-{draw.randint(0, 3)}", f"s{draw.randint(0, 9)}"
        if draw.random() < 0.05:
            out.append(samples.room(room=room, speaker=speaker, time_ms=now, role=draw.choice(["", "moderator"]),
                                    minor=draw.random() < 0.3, trusted=draw.random() < 0.3))  # fmt: skip
        llr = draw.choice([None, None, -2.0, 1.5, 3.7])
        verdict = "insufficient" if llr is None else "synthetic" if llr > 1 else "human"
        revisions = draw.randint(1, 3)
        for revision in range(revisions):
            final = revision == revisions - 1
            out.append(
                samples.finding(
                    utterance_id=f"ut_{number}", revision=revision, final=final, room=room, speaker=speaker,
                    transcript=words if final else words[: len(words) // (3 - revision)], start_ms=now,
                    end_ms=now + 300.0 * len(words), guard=draw.choice([None] * 20 + ["loop"]),
                    alternatives=draw.choices(PHRASES, k=draw.randint(0, 2)),
                    synthetic=records.Synthetic(verdict=verdict, llr=llr, probability=None if llr is None else 0.7),
                )
            )  # fmt: skip
        if draw.random() < 0.05:
            out.append(out[-1])  # delivered again
        now += draw.choice([500.0, 5_000.0, 90_000.0])
    return out


async def recorded(tmp_path: Path, findings: list[records.Record]) -> list[records.Decision]:
    """What the real stage puts on record, as read back from the wire."""
    stage = Judging(Settings(state_dir=tmp_path, group_prefix="rw"), Metrics(), FILES.judge())
    async with running(stage) as run:
        for finding in findings:
            await run.put(finding)
        await run.until(lambda: all(run.acked), "the acknowledgements")
        return run.of(records.Decision)


def replayed(decisions: list[records.Decision], files: Files = FILES) -> list[Replayed]:
    return list(replay(decisions, Archive(files.records())))


async def test_a_thousand_recorded_decisions_computed_again_are_equal(tmp_path: Path) -> None:
    decisions = (await recorded(tmp_path, speech(700, seed=7)))[:1000]
    assert len(decisions) == 1000
    assert sum(bool(d.takedown_ids) for d in decisions) > 100
    results = replayed(decisions)
    assert [r.why for r in results if r.result != "equal"] == []


async def test_the_state_before_matters_and_is_in_the_basis(tmp_path: Path) -> None:
    decisions = await recorded(tmp_path, speech(40, seed=1))
    struck = next(d for d in decisions if d.takedown_ids and d.basis["state"]["strikes"])
    forgotten = msgspec.structs.replace(struck, basis=struck.basis | {"state": {"newest_ms": 0.0}})
    (result,) = replayed([forgotten])
    assert result.result == "different"
    assert "the record was changed" in result.why
    assert "Then: " in result.why


async def test_a_changed_lexicon_is_named(tmp_path: Path) -> None:
    (decision, *_) = await recorded(tmp_path, [samples.finding(transcript="加我微信")])
    text, name = FILES.lexicons[0]
    changed = Files(FILES.policy, ((text + "\n# a word more\n", name), *FILES.lexicons[1:]))
    (result,) = replayed([decision], changed)
    assert result.result == "missing"
    assert decision.lexicon_version in result.why
    assert decision.lexicon_sources[0][:12] in result.why
    assert name in result.why
    assert "--lexicon" in result.why


async def test_a_changed_policy_is_named(tmp_path: Path) -> None:
    (decision, *_) = await recorded(tmp_path, [samples.finding(transcript="加我微信")])
    (result,) = replayed(
        [decision], Files(("policy: p\nrules: [{id: r, category: '*', action: warn}]\n", "p"), FILES.lexicons)
    )
    assert (result.result, decision.policy_version in result.why) == ("missing", True)


async def test_other_code_is_named_where_it_decides_otherwise(tmp_path: Path) -> None:
    (decision, *_) = await recorded(tmp_path, [samples.finding(transcript="加我微信")])
    older = msgspec.structs.replace(decision, code_version="0" * 16, digest="0" * 64)
    (result,) = replayed([older])
    assert result.why.startswith(f"code {'0' * 16} decided, this is {code_version()}")
    same = msgspec.structs.replace(decision, code_version="0" * 16)  # other code may well decide the same
    assert replayed([same])[0].result == "equal"


@pytest.mark.parametrize("basis", [{}, {"heard": {}, "state": {}}, {"heard": 3, "state": {}}])
async def test_a_basis_that_cannot_be_read_is_said_to_be_so(tmp_path: Path, basis: dict[str, object]) -> None:
    (decision, *_) = await recorded(tmp_path, [samples.finding(transcript="加我微信")])
    (result,) = replayed([msgspec.structs.replace(decision, basis=basis)])
    assert (result.result, "basis" in result.why) == ("missing", True)


async def test_nobodys_words_are_in_an_outline(tmp_path: Path) -> None:
    for decision in await recorded(tmp_path, speech(30, seed=3)):
        assert not set("".join(decision.outline)) & set("加我微信杀傻逼")


def test_an_outline_of_nothing_is_empty() -> None:
    from models.judgement import Decision, SpeakerState

    assert outline(Decision((), (), SpeakerState())) == []
