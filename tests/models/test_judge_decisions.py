"""Decisions: evidence, strikes, standing, reasons; one example each."""

from dataclasses import replace

import numpy as np
import pytest

from models.findings import written_at
from models.judgement import Heard, Judge, SpeakerState, judge_text
from models.lexicon import load_lexicon, starter_lexicon
from models.policy import load_policy, starter_policy
from models.policy.schema import SyntheticVoice
from models.reasons import duration
from models.sounds import SoundEvent
from models.speech.timing import WordTime
from models.voices import score_of, voice_hit

LEXICON = starter_lexicon()
JUDGE = Judge(LEXICON, starter_policy())


def heard(text: str, utterance: str = "u1", revision: int = 0, final: bool = True, **changes) -> Heard:
    start = changes.pop("start_ms", 0.0)
    base = Heard(
        tenant="t", room="r", room_type="default", role="", minor=False, speaker="s", session="n",
        utterance_id=utterance, revision=revision, final=final, text=text, language="zh",
        start_ms=start, end_ms=changes.pop("end_ms", start + 200.0 * max(1, len(text))),
    )  # fmt: skip
    return replace(base, **changes)


def run(*findings: Heard, judge: Judge = JUDGE, state: SpeakerState | None = None):
    """All decisions and the last state."""
    state = state or SpeakerState()
    decisions = []
    for finding in findings:
        decision = judge.decide(finding, state)
        state = decision.state
        decisions.append(decision)
    return decisions, state


def actions(*findings: Heard, judge: Judge = JUDGE) -> list[list[str]]:
    return [[t.action for t in d.takedowns] for d in run(*findings, judge=judge)[0]]


def test_a_phrase_leads_to_a_risk_and_a_takedown_with_reasons():
    (decision,), _ = run(heard("你好，快加我微信吧"))
    risk = next(r for r in decision.risks if r.hits[0].entry == "加我微信")
    assert (risk.category, risk.severity, risk.text_span) == ("ads/contact/off-platform", 2, (4, 8))
    assert risk.span_ms == pytest.approx((800.0, 1600.0))
    (takedown,) = decision.takedowns
    assert (takedown.action, takedown.rule, takedown.target["speaker"]) == ("warn", "contact", "s")
    assert "加我微信" in takedown.reason["zh"]
    assert "平台外" in takedown.reason["zh"]
    assert "“加我微信”" in takedown.reason["en"]
    assert takedown.policy_version == JUDGE.policy_version
    assert takedown.facts["lexicon_version"] == JUDGE.lexicon_version
    assert takedown.facts["risks"][0]["quote"] == "加我微信"


def test_strikes_climb_the_ladder_and_fade():
    minute = 60_000.0
    speech = [heard("加我微信", f"u{i}", start_ms=i * minute) for i in range(4)]
    assert actions(*speech) == [["warn"], ["mute"], ["kick"], ["kick"]]
    later = heard("加我微信", "u9", start_ms=12 * 60 * minute)
    assert actions(*speech, later)[-1] == ["warn"]


def test_severe_categories_skip_the_warning():
    assert actions(heard("我要杀了你")) == [["mute"]]


def test_several_offences_in_one_utterance_give_the_most_severe_action_once():
    (decision,), state = run(heard("你这个傻逼，我要杀了你，加我微信"))
    assert [t.rule for t in decision.takedowns] == ["threats"]
    assert {r.category.split("/")[0] for r in decision.risks} == {"abuse", "threat", "ads"}
    assert len(state.strikes) == 1


def test_a_severe_finding_acts_on_a_partial_unless_it_is_the_last_word():
    assert actions(heard("我要杀了你", final=False)) == [[]]
    assert actions(heard("我要杀了你你等着", final=False)) == [["mute"]]


def test_a_milder_one_waits_until_it_is_stable():
    first = heard("加我微信吧一起", revision=0, final=False)
    second = heard("加我微信吧一起玩", revision=1, final=False)
    assert actions(first, second) == [[], ["warn"]]


def test_a_rule_may_ask_for_the_final_words():
    judge = Judge(
        LEXICON, load_policy("policy: p\nrules:\n  - {id: a, category: '*', action: warn, evidence: final}\n")
    )
    partials = [heard("加我微信吧一起", revision=i, final=False) for i in range(3)]
    assert actions(*partials, heard("加我微信吧一起", revision=3), judge=judge) == [[], [], [], ["warn"]]


def test_an_utterance_heard_in_many_revisions_acts_once():
    speech = [heard("我要杀了你你等着" + "啊" * i, revision=i, final=i == 4) for i in range(5)]
    assert actions(*speech) == [["mute"], [], [], [], []]


def test_something_worse_later_in_the_utterance_still_acts():
    speech = [
        heard("你这个傻逼你听着", revision=0, final=False), heard("你这个傻逼你听着啊", revision=1, final=False),
        heard("你这个傻逼你听着我要杀了你", revision=2),
    ]  # fmt: skip
    assert actions(*speech) == [[], ["warn"], ["mute"]]


def test_self_harm_is_answered_with_help_and_costs_nothing():
    (decision,), state = run(heard("我真的不想活了"))
    (takedown,) = decision.takedowns
    assert (takedown.action, takedown.ttl_s, state.strikes) == ("review", 0, ())
    assert "不是处罚" in takedown.reason["zh"]
    assert "not a penalty" in takedown.reason["en"]
    again = heard("我真的不想活了", "u2", start_ms=60_000.0)
    assert JUDGE.decide(again, state).takedowns == ()  # cool-down of five minutes


def test_urging_others_to_harm_themselves_is_punished():
    assert actions(heard("你怎么不去死"))[0] == ["mute"]


def test_trusted_speakers_are_recorded_but_act_only_when_it_is_severe():
    (mild, severe), _ = run(heard("加我微信", trusted=True), heard("我要杀了你", "u2", start_ms=5e4, trusted=True))
    assert mild.risks
    assert mild.takedowns == ()
    assert [t.action for t in severe.takedowns] == ["mute"]


def test_a_minor_s_track_weighs_more():
    (decision,), _ = run(heard("加我微信", minor=True))
    assert decision.risks[0].severity == 3


def test_room_types_and_roles_differ():
    assert actions(heard("你这个傻逼", room_type="game")) == [[]]
    assert actions(heard("你这个傻逼", role="moderator")) == [["review"]]


def test_guarded_words_lead_to_nothing():
    (decision,), state = run(heard("我要杀了你", guarded="loop"))
    assert (decision.risks, decision.takedowns, state.tail) == ((), (), ())


def test_alternatives_are_heard_with_less_weight():
    (decision,), _ = run(heard("家里有事", alternatives=("加我微信",)))
    hit = next(h for r in decision.risks for h in r.hits if "alternative" in h.explain[-1])
    assert (hit.span, hit.score) == ((0, 4), 0.8)


@pytest.mark.parametrize(
    ("text", "alternative", "span", "written"),
    [
        ("来玩拜假落吧", "来玩百家乐吧", (2, 5), (2, 5)),
        ("来玩拜假落吧", "来玩百家乐吧", (1, 5), (1, 5)),
        ("来玩吧", "来玩百家乐吧", (2, 5), (0, 3)),
        ("来玩拜吧你好", "来玩百家乐吧你好", (5, 8), (3, 6)),
        ("add me and we chat ok", "add me on WeChat ok", (0, 16), (0, 18)),
        ("家里有事", "加我微信", (0, 4), (0, 4)),
        ("好好", "好好好", (2, 3), (0, 2)),
    ],
)
def test_a_hit_in_an_alternative_is_where_other_words_were_written(text, alternative, span, written):
    assert written_at(text, alternative, span) == written


def test_a_near_miss_acts_in_partials_as_what_was_written_would_and_says_what_was_heard():
    near = {"alternatives": ("一起去玩百家乐好吧",), "log_ratios": (-1.5,), "final": False}
    written, in_its_place = (
        heard("一起去玩百家乐好吧", final=False),
        heard("一起去玩拜假落好吧", **near),
    )
    assert actions(in_its_place) == actions(written) != [[]]
    (decision,), _ = run(in_its_place)
    risk = next(r for r in decision.risks if r.hits[0].entry == "玩百家乐")
    assert risk.hits[0].explain[-1] == "in alternative 1 of the recogniser, -1.5 nats against 玩拜假落"
    assert risk.span_ms == pytest.approx((600.0, 1400.0))


def test_shadow_mode_decides_but_does_not_count():
    judge = Judge(
        LEXICON, load_policy("policy: p\ndry_run: true\nrules:\n  - {id: a, category: '*', action: escalate}\n")
    )
    decisions, state = run(heard("加我微信"), heard("加我微信", "u2", start_ms=6e4), judge=judge)
    assert [(t.action, t.dry_run) for d in decisions for t in d.takedowns] == [("warn", True)] * 2
    assert state.strikes == ()


def ruled(policy: str = "", rule: str = "") -> Judge:
    """A judge by one rule for everything."""
    return Judge(LEXICON, load_policy(f"policy: p\n{policy}rules: [{{id: a, category: '*', {rule}}}]\n"))


def test_shadow_mode_of_one_rule_goes_before_that_of_the_policy():
    def dry(policy: str, rule: str) -> list[bool]:
        decisions, state = run(heard("加我微信"), judge=ruled(policy, rule))
        assert (state.strikes == ()) == decisions[0].takedowns[0].dry_run
        assert decisions[0].takedowns[0].strike == (0.0 if decisions[0].takedowns[0].dry_run else 1.0)
        return [t.dry_run for t in decisions[0].takedowns]

    assert dry("", "action: warn, dry_run: true") == [True]
    assert dry("dry_run: true\n", "action: warn, dry_run: false") == [False]
    assert dry("dry_run: true\n", "action: warn") == [True]


def test_a_rule_rests_after_it_has_acted_in_its_room_and_then_acts_again():
    judge = ruled("cooldown_s: 60\n", "action: warn")
    speech = [heard("加我微信", f"u{i}", start_ms=1000.0 * at) for i, at in enumerate((0, 30, 59, 62, 100))]
    assert actions(*speech, judge=judge) == [["warn"], [], [], ["warn"], []]
    elsewhere = replace(speech[1], room="another")
    assert actions(speech[0], elsewhere, judge=judge) == [["warn"], ["warn"]]
    assert actions(*speech[:2], judge=ruled("cooldown_s: 60\n", "action: warn, cooldown_s: 0")) == [["warn"], ["warn"]]


def test_quiet_rooms_are_judged_like_others():
    loud, quiet = (
        run(heard("加我微信", room_type="study"), judge=ruled(f"quiet_rooms: [{rooms}]\n", "action: warn"))[0][0]
        for rooms in ("", "study")
    )
    assert [t.action for t in quiet.takedowns] == [t.action for t in loud.takedowns] == ["warn"]
    assert quiet.risks == loud.risks


def test_times_to_live_come_from_the_rule_then_from_the_rung():
    ladder = "strikes: {ladder: [{strikes: 1, action: warn}, {strikes: 2, action: mute, ttl_s: 120}]}\n"

    def lasting(rule: str) -> list[tuple[str, int]]:
        speech = [heard("加我微信", f"u{i}", start_ms=i * 60_000.0) for i in range(2)]
        return [(t.action, t.ttl_s) for d in run(*speech, judge=ruled(ladder, rule))[0] for t in d.takedowns]

    assert lasting("action: kick, ttl_s: 30") == [("kick", 30), ("kick", 30)]
    assert lasting("action: escalate") == [("warn", 0), ("mute", 120)]
    assert lasting("action: escalate, ttl_s: 45") == [("warn", 45), ("mute", 45)]
    assert lasting("action: escalate, at_least: mute") == [("mute", 120), ("mute", 120)]


def test_a_strike_counts_half_after_each_half_life_and_nothing_after_the_window():
    judge = ruled("strikes: {half_life_s: 100, window_s: 250}\n", "action: escalate")

    def strikes_after(seconds: float) -> float:
        speech = heard("加我微信", end_ms=0.0), heard("加我微信", "u2", start_ms=1000.0, end_ms=1000.0 * seconds)
        return run(*speech, judge=judge)[0][1].takedowns[0].strikes

    assert [strikes_after(s) for s in (100, 200, 250, 251)] == [1.5, 1.25, pytest.approx(1.177, abs=1e-3), 1.0]


def test_a_decision_names_the_rule_of_each_risk_also_where_it_does_not_act():
    (mild,), _ = run(heard("加我微信", trusted=True))
    assert mild.takedowns == ()
    assert set(mild.rules.values()) == {"contact"}
    assert set(mild.rules) == {r.id for r in mild.risks}
    (unruled,), _ = run(heard("加我微信"), judge=Judge(LEXICON, load_policy(
        "policy: p\nrules: [{id: a, category: drugs, action: warn}]\n")))  # fmt: skip
    assert (len(unruled.risks) > 0, unruled.rules) == (True, {})


def test_repeated_findings_only():
    judge = Judge(
        LEXICON,
        load_policy("policy: p\nrules:\n  - {id: a, category: '*', action: warn, repeat: {count: 2, within_s: 60}}\n"),
    )
    speech = [heard("加我微信", f"u{i}", start_ms=i * 50_000.0) for i in range(2)]
    assert actions(*speech, judge=judge) == [[], ["warn"]]
    far = [heard("加我微信", f"u{i}", start_ms=i * 70_000.0) for i in range(2)]
    assert actions(*far, judge=judge) == [[], []]


def voiced(*ratios: float | None, session: str = "n", **changes) -> list[Heard]:
    """Utterances whose voice scores so; None is an utterance that the detector abstains from."""
    return [
        heard(
            "大家好呀", f"{session}{i}", start_ms=i * 5_000.0, session=session, **changes,
            synthetic={"verdict": "insufficient", "llr": 9.0} if llr is None
            else {"verdict": "synthetic" if llr > 0 else "human", "llr": llr},
        )
        for i, llr in enumerate(ratios)
    ]  # fmt: skip


def test_undeclared_synthetic_voice_asks_for_a_label_once_the_evidence_suffices():
    assert actions(*voiced(4.2, 4.2, 4.2)) == [[], ["label_required"], []]  # then the rule rests
    assert actions(*voiced(3.0, 3.0, 3.0, 3.0)) == [[], [], [], ["label_required"]]  # 12 / 2.5 exceeds 4.55
    assert actions(*voiced(*[2.0] * 12)) == [[]] * 12  # twelve that err together are not twelve
    assert actions(*voiced(50.0)) == [[]]  # no single one decides
    (decision,) = [d for d in run(*voiced(4.2, 4.2))[0] if d.takedowns]
    (hit,) = decision.risks[0].hits
    assert (hit.category, hit.severity, round(hit.score, 3)) == ("synthetic/voice/undeclared", 2, 0.995)
    assert hit.explain[0] == "log-likelihood ratio 5.33 of 2 utterances, correlation 0.5"
    assert "at most 1.0% of human speakers" in hit.explain[1]


def test_what_the_detector_abstains_from_or_did_not_hear_is_no_evidence():
    assert actions(*voiced(None, None, None)) == [[], [], []]
    assert actions(heard("大家好", synthetic={"verdict": "not_assessed", "llr": None})) == [[]]


def test_voices_of_two_sessions_are_not_added_up():
    first, second = voiced(4.2), voiced(4.2, session="m")
    assert actions(*first, replace(second[0], start_ms=9_000.0, end_ms=9_800.0)) == [[], []]


def test_a_voice_heard_again_counts_once():
    (only,) = voiced(4.2)
    assert actions(only, only, replace(only, revision=1)) == [[], [], []]


def test_a_declared_voice_is_recorded_and_asked_for_nothing():
    declared = voiced(4.2, 4.2, declared_synthetic=True)
    decisions, _ = run(*declared)
    assert [[r.category for r in d.risks] for d in decisions] == [["synthetic/voice/declared"]] * 2
    assert actions(*declared) == [[], []]


def test_a_policy_sets_the_error_rates_of_the_decision():
    policy = "policy: p\nsynthetic_voice: {false_alarm_rate: %s}\nrules: [{id: v, category: synthetic, action: warn}]\n"
    strict, loose = (Judge(LEXICON, load_policy(policy % rate)) for rate in ("0.0005", "0.2"))
    assert actions(*voiced(4.0, 4.0), judge=strict) == [[], []]
    assert actions(*voiced(4.0), judge=loose) == [["warn"]]


def test_of_human_speakers_no_more_are_accused_than_stated():
    """Scores as the detector's model has them: normal, errors of one speaker correlated by a half."""
    rng, spread, accused = np.random.default_rng(5), 2.4, {"human": 0, "synthetic": 0}
    for kind, sign in (("human", -1), ("synthetic", 1)):
        for _ in range(1500):
            own = rng.normal() * np.sqrt(0.5)
            errors = own + rng.normal(size=8) * np.sqrt(0.5)
            scores = sign * spread**2 / 2 + spread * errors
            speech = voiced(*map(float, scores))
            known = [score for each in speech if (score := score_of(each)) is not None]
            accused[kind] += any(voice_hit(each, known, SyntheticVoice()) for each in speech)
    assert accused["human"] <= 0.0106 * 1500 + 3 * np.sqrt(0.0106 * 1500)  # alpha / (1 - beta), and three sigma
    assert accused["synthetic"] > 0.5 * 1500


def test_noise_that_goes_on_is_warned_of_without_a_strike():
    def noisy(number, label):
        start = number * 5_000.0
        return heard("", f"u{number}", start_ms=start, sounds=(SoundEvent(label, start + 100, start + 700, 1.0),))

    assert actions(*(noisy(n, "scream") for n in range(4))) == [[], [], ["warn"], []]
    decisions, _ = run(noisy(0, "blast"))
    (risk,) = decisions[0].risks
    assert (risk.category, risk.span_ms) == ("disruption/noise/blast", (100.0, 700.0))
    decisions, _ = run(*(noisy(n, "blast") for n in range(3)))
    assert decisions[-1].takedowns[0].reason["zh"].startswith("你的麦克风发出了刺耳的噪音。")
    assert actions(*(noisy(n, "music") for n in range(4))) == [[], [], [], []]
    faint = SoundEvent("blast", 0.0, 900.0, 0.4)
    both = replace(noisy(0, "blast"), sounds=(faint, SoundEvent("blast", 950.0, 1250.0, 0.9)))
    assert run(both)[0][0].risks[0].span_ms == (950.0, 1250.0)  # the surest stretch, not the longest
    assert run(replace(both, sounds=(faint,)))[0][0].risks == ()


def test_a_risk_points_to_the_words_where_their_times_are_known():
    plain = heard("你好，快加我微信吧", start_ms=1_000.0)
    times = tuple(WordTime(place, place + 1, 2_000.0 + 10 * place, 2_010.0 + 10 * place) for place in range(9))
    timed = run(replace(plain, words=times))[0][0].risks
    assert {(risk.span_ms, risk.text_span) for risk in timed} == {((2_040.0, 2_080.0), (4, 8))}
    (even, *_) = run(plain)[0][0].risks
    assert even.span_ms == pytest.approx((1_800.0, 2_600.0))
    gap = run(replace(plain, words=times[:2]))[0][0].risks  # no times for the words of the hit
    assert gap[0].span_ms == even.span_ms


def test_a_room_can_be_the_target():
    judge = Judge(
        LEXICON, load_policy("policy: p\nrules:\n  - {id: a, category: minors, action: close_room, ttl_s: 60}\n")
    )
    (decision,), _ = run(heard("出售幼女视频"), judge=judge)
    assert decision.takedowns[0].target == {"tenant": "t", "room": "r"}


@pytest.mark.parametrize(
    ("tail", "head"), [("快来加我", "微信聊"), ("快来加我微", "微信聊聊吧"), ("add me on", "WhatsApp now")]
)
def test_a_phrase_across_two_utterances_is_found_once(tail, head):
    first = heard(tail, "u1", start_ms=0.0, end_ms=12_000.0)
    second = heard(head, "u2", start_ms=11_600.0, end_ms=13_000.0)
    decisions, _ = run(first, second)
    assert [len(d.takedowns) for d in decisions] == [0, 1]
    assert any("began in the utterance before" in h.explain for r in decisions[1].risks for h in r.hits)


def test_nothing_is_carried_over_a_pause():
    first = heard("快来加我", "u1", start_ms=0.0, end_ms=2_000.0)
    second = heard("微信", "u2", start_ms=9_000.0, end_ms=10_000.0)
    assert actions(first, second) == [[], []]


def test_a_line_of_the_command():
    lexicon = load_lexicon("- list: a\n  category: x/y/z\n  match: [exact]\n  entries: [加微信]\n")
    line = judge_text("快加微信", lexicon, load_policy("policy: p\nrules:\n  - {id: r, category: x, action: warn}\n"))
    assert line == {
        "text": "快加微信",
        "hits": [{"list": "a", "entry": "加微信", "category": "x/y/z", "span": [1, 4], "match": "exact"}],
        "categories": ["x/y/z"],
        "action": "warn",
    }
    assert judge_text("你好", LEXICON, starter_policy())["action"] is None
    explained = judge_text("加 微 信", LEXICON, starter_policy(), explain=True)
    assert explained["rule"] == "contact"
    assert {"severity", "score", "explain"} <= explained["hits"][0].keys()


@pytest.mark.parametrize("action", ["label_required", "review", "warn", "mute", "kick", "suspend", "close_room"])
@pytest.mark.parametrize("category", [*sorted({e.category for e in LEXICON.entries}), "something/else/entirely"])
def test_every_reason_quotes_says_what_and_offers_an_appeal(category, action):
    from models.reasons import reason

    said = reason(category, "原话", action, 3600, care=False)
    assert all("原话" in text for text in said.values())
    assert "申诉" in said["zh"]
    assert "appeal" in said["en"]
    assert "{" not in said["zh"] + said["en"]


def test_durations_in_words():
    assert duration(300) == (" 5 分钟", " for 5 minutes")
    assert duration(3600) == (" 1 小时", " for 1 hour")
    assert duration(0) == ("", "")
