"""What is left of a takedown, what undoes it, what all rooms know: by event time and without a clock."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.judgement import SpeakerState, Takedown
from models.policy.schema import Acknowledge
from models.shared import SharedRecord
from models.standing import Standing, awaited, lifted, reissued, standing, unanswered, verdict_of
from models.strikes import Strike

MUTE = Takedown(
    id="td_1", action="mute", target={"tenant": "t", "room": "r", "speaker": "s", "session": "n"}, ttl_s=300,
    category="abuse/insult/personal", rule="insults", reason={"zh": "…", "en": "…"}, facts={"quote": "…"},
    policy_version="p", utterance_id="u1", strikes=2.0, strike=1.0, at_ms=1_000_000.0,
)  # fmt: skip
KICK = replace(MUTE, id="td_2", action="kick", ttl_s=100, utterance_id="u2")
SUSPEND = replace(MUTE, id="td_3", action="suspend", ttl_s=86_400, utterance_id="u3")


def after(seconds: float) -> float:
    return MUTE.at_ms + seconds * 1000.0


def test_what_lasts_is_held_up_for_the_time_that_is_left():
    again = reissued([standing(MUTE)], "r", after(120))
    assert again is not None
    assert (again.action, again.ttl_s, again.reissue_of, again.strike) == ("mute", 180, "td_1", 0.0)
    assert again.target == {"tenant": "t", "room": "r", "speaker": "s"}  # any session
    assert again.id != "td_1"
    assert "3 分钟" in again.reason["zh"]
    assert "for 3 minutes" in again.reason["en"]
    assert reissued([standing(MUTE)], "r", after(120)) == again  # the same event, the same id
    assert reissued([standing(MUTE)], "r", after(121)).id != again.id


def test_the_most_severe_that_lasts_is_held_up():
    known = [standing(MUTE), standing(KICK)]
    assert reissued(known, "r", after(50)).action == "kick"
    assert reissued(known, "r", after(150)).action == "mute"
    assert reissued(known, "r", after(300)) is None


@pytest.mark.parametrize(
    "over",
    [
        standing(replace(MUTE, action="warn", ttl_s=0)),
        Standing(MUTE, "overturned"),
        standing(replace(MUTE, reissue_of="td_0")),
    ],
)
def test_what_does_not_last_is_not_held_up(over):
    assert reissued([over], "r", after(1)) is None


def test_what_is_kept_has_no_words_in_it():
    assert standing(MUTE).takedown.facts == {}


def test_a_lift_names_what_it_undoes_and_tells_the_speaker():
    lift = lifted(standing(MUTE), after(60))
    assert (lift.action, lift.reverses, lift.ttl_s, lift.automated) == ("lift", "td_1", 0, False)
    assert lift.facts == {"lifts": "mute", "strike_taken_back": 1.0, "remaining_s": 240}
    assert "撤销" in lift.reason["zh"]
    assert "withdrawn" in lift.reason["en"]
    again = reissued([standing(MUTE)], "r", after(60))
    assert lifted(standing(again), after(61)).reverses == "td_1"


def test_waits_double_and_end_with_a_person():
    waiting = awaited(MUTE, 2, Acknowledge(within_s=10, repeats=2), 0.0, 5)
    dues = [waiting.due_ms()]
    for _ in range(2):
        assert not waiting.is_last()
        waiting = waiting.again(waiting.due_ms())
        dues.append(waiting.due_ms())
    assert dues == [10_000.0, 30_000.0, 70_000.0]
    assert waiting.is_last()
    order = unanswered(MUTE, waiting.attempts, 70_000.0)
    assert (order.action, order.rule, order.strike) == ("review", "unanswered", 0.0)
    assert order.facts == {"unanswered": "td_1", "action": "mute", "attempts": 3, "first_rule": "insults"}


def test_verdicts():
    assert verdict_of("upheld", "") == "upheld"
    assert verdict_of("overturned", "upheld") == "overturned"
    assert verdict_of("upheld", "overturned") == "overturned"
    assert verdict_of("appealed", "upheld") == "upheld"


def test_strikes_of_other_rooms_count_and_are_taken_back():
    record = SharedRecord()
    record.note(MUTE)
    record.note(MUTE)
    merged = record.merged(SpeakerState(), "t", "s")
    assert merged.strikes == (Strike("u1", MUTE.at_ms, 1.0),)
    assert record.merged(merged, "t", "s") == merged
    assert record.merged(SpeakerState(), "t", "other") == record.merged(SpeakerState(), "else", "s") == SpeakerState()
    record.note(lifted(standing(MUTE), after(9)))
    assert record.merged(merged, "t", "s").strikes == ()
    assert record.reversed("t", "s") == {"td_1"}


def test_suspensions_hold_in_all_rooms_until_lifted():
    record = SharedRecord()
    record.note(SUSPEND)
    record.note(MUTE)
    (known,) = record.suspensions("t", "s")
    again = reissued([known], "elsewhere", after(400))
    assert (again.action, again.target["room"], again.ttl_s) == ("suspend", "elsewhere", 86_000)
    record.note(again)
    assert [s.takedown.id for s in record.suspensions("t", "s")] == ["td_3"]
    record.note(lifted(standing(again), after(500)))
    assert record.suspensions("t", "s") == []


def test_shadow_mode_and_rooms_are_nobodys_record():
    record = SharedRecord()
    record.note(replace(MUTE, dry_run=True))
    record.note(replace(MUTE, target={"tenant": "t", "room": "r"}))
    assert len(record) == 0


@given(st.permutations([MUTE, KICK, SUSPEND, lifted(standing(KICK), after(9)), MUTE, KICK]))
def test_the_order_in_which_takedowns_come_does_not_matter(order):
    record = SharedRecord()
    for each in order:
        record.note(each)
    assert {s.utterance_id for s in record.merged(SpeakerState(), "t", "s").strikes} == {"u1", "u3"}


def test_what_is_old_is_forgotten():
    record = SharedRecord(window_ms=1000.0)
    for number in range(5000):
        target = {"tenant": "t", "room": "r", "speaker": f"s{number}"}
        record.note(replace(MUTE, action="warn", ttl_s=0, target=target, at_ms=float(number)))
    assert len(record) < 2000
