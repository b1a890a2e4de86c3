"""judge and what becomes of its takedowns, under Faust's test context: answers, verdicts, people who come back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agents.judge import Judging
from models.judgement import SpeakerState
from models.policy.schema import Acknowledge
from models.strikes import Strike
from streams import records
from streams.metrics import Metrics
from streams.settings import Settings
from tests.support import samples
from tests.support.fakes import ScriptedJudge
from tests.support.samples import T0_MS
from tests.support.stages import Running, running


class Clock:
    """A clock that a test sets."""

    now = T0_MS / 1000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


@pytest.fixture
def judge() -> ScriptedJudge:
    return ScriptedJudge()


@pytest.fixture
def stage(tmp_path: Path, judge: ScriptedJudge, monkeypatch: pytest.MonkeyPatch) -> Judging:
    made = Judging(Settings(state_dir=tmp_path, group_prefix="rw"), Metrics(), judge)
    made.clock = Clock()
    monkeypatch.setattr(made, "partitions", lambda: {("voice.findings", n) for n in range(4)})
    return made


def found(number: int = 0, **changes: Any) -> records.Finding:
    fields = {"transcript": "微信", "utterance_id": f"ut_{number}", "alternatives": []}
    end = {"start_ms": T0_MS + number * 1000, "end_ms": T0_MS + number * 1000 + 500}
    return samples.finding(**(fields | end | changes))


async def given(run: Running, *items: records.Record, partition: int = 0) -> None:
    """Feed records one after the other."""
    for item in items:
        await run.put(item, partition)
        await run.until(lambda: all(run.acked), "the acknowledgement")


def metric(stage: Judging, name: str, **labels: str) -> float:
    return stage.metrics.registry.get_sample_value(name, labels) or 0.0


async def test_an_overturned_takedown_is_undone_and_its_strike_taken_back(stage: Judging) -> None:
    async with running(stage) as run:
        await given(run, found(0), found(1))
        warn, mute = run.of(records.Takedown)
        verdict = samples.outcome(takedown_id=mute.takedown_id, outcome="overturned", time_ms=T0_MS + 60_000)
        await given(run, verdict)
        *_, lift = run.of(records.Takedown)
        await given(run, verdict, found(2))  # said again, the same again
    assert (lift.action, lift.reverses, lift.target) == ("lift", mute.takedown_id, mute.target)
    assert (lift.facts["lifts"], lift.automated) == ("mute", False)
    again, after = run.of(records.Takedown)[3:]
    assert again == lift
    assert after.action == "mute"  # not kick: only the warning still counts
    assert warn.takedown_id != mute.takedown_id
    assert metric(stage, "roomwarden_outcomes_total", outcome="overturned", category=mute.category) == 2.0


async def test_a_verdict_that_upholds_or_an_appeal_changes_nothing_but_the_figures(stage: Judging) -> None:
    async with running(stage) as run:
        await given(run, found(0))
        (warn,) = run.of(records.Takedown)
        for outcome in ("acknowledged", "appealed", "upheld"):
            await given(run, samples.outcome(takedown_id=warn.takedown_id, outcome=outcome))
        await given(run, found(1))
    assert [t.action for t in run.of(records.Takedown)] == ["warn", "mute"]
    for outcome in ("acknowledged", "appealed", "upheld"):
        assert metric(stage, "roomwarden_outcomes_total", outcome=outcome, category=warn.category) == 1.0


async def test_an_outcome_of_something_unknown_is_counted_and_harmless(stage: Judging) -> None:
    async with running(stage) as run:
        await given(run, samples.outcome(takedown_id="td_never", outcome="overturned"))
    assert run.producer.sent == []
    assert metric(stage, "roomwarden_outcomes_total", outcome="overturned", category="unknown") == 1.0


async def test_whoever_comes_back_before_the_end_meets_what_is_left(stage: Judging) -> None:
    def back(seconds: float, **changes: Any) -> records.Room:
        return samples.room(**({"time_ms": T0_MS + 1500 + seconds * 1000} | changes))

    async with running(stage) as run:
        await given(run, found(0), found(1))  # warn, mute for 300 s
        mute = run.of(records.Takedown)[1]
        await given(
            run, back(100), back(100), back(100, speaker="guest"), back(100, room="other"), back(299), back(300)
        )
        again = run.of(records.Takedown)[2:]
        assert [(t.action, t.ttl_s, t.reissue_of) for t in again] == [
            ("mute", 200, mute.takedown_id), ("mute", 200, mute.takedown_id), ("mute", 1, mute.takedown_id),
        ]  # fmt: skip
        assert again[0].takedown_id == again[1].takedown_id != again[2].takedown_id
        # A verdict about what was held up is one about the first.
        await given(run, samples.outcome(takedown_id=again[0].takedown_id, outcome="overturned"), back(200))
    lift = run.of(records.Takedown)[-1]
    assert (lift.action, lift.reverses) == ("lift", mute.takedown_id)
    assert metric(stage, "roomwarden_takedowns_reissued_total", action="mute") == 3.0


async def test_unanswered_takedowns_are_sent_again_and_then_given_to_a_person(
    stage: Judging, judge: ScriptedJudge
) -> None:
    judge.patience = Acknowledge(within_s=10, repeats=2)
    sent: list[tuple[float, str, int]] = []
    async with running(stage, pump=False) as run:
        await given(run, found(0))
        first = run.of(records.Takedown)[0]
        for second in range(100):
            stage.clock.now = T0_MS / 1000.0 + second  # type: ignore[attr-defined]  # Clock
            before = len(run.of(records.Takedown))
            await stage.see_to_answers()
            sent += [(second, t.action, t.attempt) for t in run.of(records.Takedown)[before:]]
    assert sent == [(10, "warn", 2), (30, "warn", 3), (70, "review", 3)]
    *repeats, order = run.of(records.Takedown)[1:]
    assert {t.takedown_id for t in repeats} == {first.takedown_id}
    assert all(t.reason == first.reason and t.facts == first.facts for t in repeats)
    assert order.facts["unanswered"] == first.takedown_id
    assert metric(stage, "roomwarden_takedowns_repeated_total", action="warn") == 2.0
    assert metric(stage, "roomwarden_takedowns_unanswered_total", action="warn") == 1.0


@pytest.mark.parametrize("answer", ["acknowledged", "appealed", "upheld", "overturned", "failed"])
async def test_only_a_failure_goes_on_being_repeated(stage: Judging, judge: ScriptedJudge, answer: str) -> None:
    judge.patience = Acknowledge(within_s=10)
    async with running(stage, pump=False) as run:
        await given(run, found(0))
        first = run.of(records.Takedown)[0]
        await given(run, samples.outcome(takedown_id=first.takedown_id, outcome=answer))
        await given(run, found(0))  # read again after a crash: known, and so not awaited anew
        stage.clock.now += 11  # type: ignore[attr-defined]  # Clock
        await stage.see_to_answers()
        repeats = [t for t in run.of(records.Takedown) if t.attempt == 2]
    # A lift waits for its own answer.
    expected = {"failed": [first.takedown_id], "overturned": [run.of(records.Takedown)[1].takedown_id]}
    assert [t.takedown_id for t in repeats] == expected.get(answer, [])


async def test_rooms_of_other_workers_are_left_to_them(
    stage: Judging, judge: ScriptedJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge.patience = Acknowledge(within_s=1)
    async with running(stage, pump=False) as run:
        await given(run, found(0), partition=3)
        monkeypatch.setattr(stage, "partitions", lambda: {("voice.findings", 0), ("voice.rooms", 3)})
        stage.clock.now += 60  # type: ignore[attr-defined]  # Clock
        await stage.see_to_answers()
        assert len(run.of(records.Takedown)) == 1


async def test_what_is_remembered_goes_to_the_rooms_partition_and_is_forgotten_after_a_week(stage: Judging) -> None:
    async with running(stage, pump=False) as run:
        await given(run, found(0), partition=2)
        written = {p.topic: p.partition for p in run.producer.changelog}
        assert set(written.values()) == {2}
        week_ms = T0_MS + 8 * 86_400_000.0
        assert stage._sticking.forget(week_ms, {1}) == 0
        assert stage._sticking.forget(week_ms, {2}) == 1
        assert list(stage._sticking._standing.items()) == []


async def test_strikes_of_other_workers_rooms_count(stage: Judging, judge: ScriptedJudge) -> None:
    """The takedown of another worker, as this one reads it from the topic."""
    from agents.decisions import takedown_of

    async with running(stage) as run:
        stage._shared.note(takedown_of(samples.takedown(strike=1.0, at_ms=T0_MS, utterance_id="ut_there")))
        await given(run, found(1))
    assert judge.states[0].strikes == (Strike("ut_there", T0_MS, 1.0),)
    assert [t.action for t in run.of(records.Takedown)] == ["mute"]
    stored = next(p.value for p in run.producer.changelog if p.topic == "rw-judge-speakers-changelog")
    assert len(SpeakerState.from_json(stored).strikes) == 2


async def test_a_suspension_holds_in_rooms_of_other_workers(stage: Judging) -> None:
    from agents.decisions import takedown_of

    there = samples.takedown(action="suspend", ttl_s=3600, at_ms=T0_MS, target=samples.takedown().target)
    async with running(stage) as run:
        stage._shared.note(takedown_of(there))
        await given(run, samples.room(room="another", time_ms=T0_MS + 600_000))
    (again,) = run.of(records.Takedown)
    assert (again.action, again.ttl_s, again.target.room) == ("suspend", 3000, "another")
