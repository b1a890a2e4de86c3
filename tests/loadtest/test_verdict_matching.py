"""The verdict: due, found, missed, wrongly found."""

from typing import Any

import pytest

from loadtest.schema import Due, Room, Scenario, Speaker, Utterance
from loadtest.verdict import judge


def scenario() -> Scenario:
    def line(at_s: float, category: str, action: str) -> Utterance:
        return Utterance(at_s=at_s, text="x", audio="x", due=Due(category=category, action=action))

    return Scenario(
        name="s",
        duration_s=60,
        rooms=(
            Room(
                id="r",
                kind="voice-chat",
                speakers=(
                    Speaker(id="bad", utterances=(line(1, "ads/contact", "warn"), line(9, "ads/contact", "mute"))),
                    Speaker(id="worse", utterances=(line(5, "threat", "mute"),)),
                    Speaker(id="good", clean=True),
                ),
            ),
            Room(id="q", kind="podcast", speakers=(Speaker(id="good", clean=True),)),
        ),
    )


def takedown(speaker: str, category: str, action: str, room: str = "r", **more: Any) -> dict[str, Any]:
    return {"tenant": "demo", "room": room, "speaker": speaker, "category": category, "action": action, **more}


ALL = [
    takedown("bad", "ads/contact/off-platform", "warn"),
    takedown("worse", "threat/violence/person", "kick"),
    takedown("bad", "ads/contact/off-platform", "mute"),
]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_everything_found_in_any_order(order: tuple[int, ...]) -> None:
    verdict = judge(scenario(), [ALL[index] for index in order])
    assert verdict.passed
    assert verdict.exit_status == 0
    assert len(verdict.found) == 3
    assert verdict.lines()[-1] == "passed: 3 due, 3 found, 0 missed, 0 wrongly found"


def test_the_milder_due_does_not_take_the_stronger_record() -> None:
    verdict = judge(scenario(), [ALL[2], ALL[0], ALL[1]])
    pairs = {(due.action, seen.action) for due, seen in verdict.found if due.speaker == "bad"}
    assert pairs == {("warn", "warn"), ("mute", "mute")}


@pytest.mark.parametrize(
    "records",
    [
        ALL[:2],
        [ALL[0], ALL[1], takedown("bad", "ads/contact/off-platform", "warn")],
        [ALL[0], ALL[1], takedown("bad", "ads/contacts", "mute")],
        [ALL[0], ALL[1], {**ALL[2], "dry_run": True}],
        [ALL[0], ALL[1], takedown("bad", "ads/contact/off-platform", "review")],
        [ALL[0], ALL[1], {**ALL[2], "tenant": "other"}],
        [{**ALL[0], "takedown_id": "1"}, ALL[1], {**ALL[2], "takedown_id": "1"}],
    ],
    ids=["too few", "too mild", "other category", "dry run", "review", "other tenant", "repeated id"],
)
def test_missed(records: list[dict[str, Any]]) -> None:
    verdict = judge(scenario(), records)
    assert verdict.exit_status == 1
    assert len(verdict.missed) == 1
    assert not verdict.wrong
    assert "missed: mute of bad in r for ads/contact" in verdict.lines()


def test_a_clean_speaker_touched_is_wrong() -> None:
    verdict = judge(scenario(), [*ALL, takedown("good", "abuse", "warn", room="q")])
    assert not verdict.passed
    assert [(seen.room, seen.speaker) for seen in verdict.wrong] == [("q", "good")]
    assert verdict.as_dict()["wrong"] == [{"room": "q", "speaker": "good", "category": "abuse", "action": "warn"}]


def test_closing_a_room_with_clean_speakers_is_wrong() -> None:
    verdict = judge(scenario(), [*ALL, takedown("", "threat", "close_room")])
    assert len(verdict.wrong) == 1
    assert "wrong: close_room of the whole room in r for threat" in verdict.lines()


def test_more_than_was_due_is_shown_but_passes() -> None:
    verdict = judge(scenario(), [*ALL, takedown("bad", "abuse", "warn")])
    assert verdict.passed
    assert len(verdict.extra) == 1


def test_other_rooms_do_not_count() -> None:
    assert judge(scenario(), [*ALL, takedown("good", "abuse", "warn", room="elsewhere")]).passed


def test_records_as_the_topic_carries_them() -> None:
    nested = [
        {
            "takedown_id": str(number),
            "action": record["action"],
            "category": record["category"],
            "target": {key: record[key] for key in ("tenant", "room", "speaker")},
        }
        for number, record in enumerate(ALL)
    ]
    assert judge(scenario(), nested + nested).passed


def test_a_record_without_a_field_is_an_error() -> None:
    with pytest.raises(ValueError, match="lacks the field 'category'"):
        judge(scenario(), [{"tenant": "demo", "room": "r", "speaker": "bad", "action": "warn"}])


def test_risks_on_clean_speakers_are_counted() -> None:
    risks = [{"room": "r", "speaker": "good"}, {"room": "r", "speaker": "bad"}]
    assert judge(scenario(), ALL, risks).risks_on_clean == 1


@pytest.fixture
def voices() -> Scenario:
    line = Utterance(at_s=2, text="x", audio="x", duration_ms=3000)
    speakers = (
        Speaker(id="clone", label_due="synthetic/voice/undeclared", declared_synthetic=False, utterances=(line,)),
        Speaker(id="stand-in", clean=True),
        Speaker(id="person", clean=True, declared_synthetic=False),
    )
    room = Room(id="r", kind="voice-chat", speakers=speakers)
    return Scenario(name="s", duration_s=60, declared_synthetic=True, rooms=(room,))


LABEL = takedown("clone", "synthetic/voice/undeclared", "label_required")


def test_a_label_that_is_due_must_come(voices: Scenario) -> None:
    assert [due.spoken_ms for due in voices.dues()] == [5000.0]
    assert judge(voices, [LABEL]).passed
    missed = judge(voices, [])
    assert not missed.passed
    assert "missed: label_required of clone in r for synthetic/voice/undeclared" in missed.lines()


@pytest.mark.parametrize(("speaker", "passes"), [("stand-in", True), ("person", False)])
def test_a_label_does_no_harm_to_whom_has_declared_it(voices: Scenario, speaker: str, passes: bool) -> None:
    extra = takedown(speaker, "synthetic/voice/declared", "label_required")
    assert judge(voices, [LABEL, extra]).passed is passes
    assert not judge(voices, [LABEL, takedown(speaker, "abuse", "warn")]).passed
