"""What holds for any speech: replay changes nothing, one cause acts once, strikes only fade."""

from hypothesis import given, settings
from hypothesis import strategies as st

from models.judgement import Heard, Judge, SpeakerState
from models.lexicon import starter_lexicon
from models.policy import starter_policy
from models.strikes import Strike

JUDGE = Judge(starter_lexicon(), starter_policy())
PHRASES = [
    "加我微信",
    "我要杀了你",
    "你这个傻逼",
    "我不想活了",
    "刷单返利",
    "add me on WhatsApp",
    "大家好",
    "今天天气真好",
    "ok 好的",
]


def finding(utterance: int, revision: int, final: bool, text: str, start: float, end: float, room: str = "r") -> Heard:
    return Heard(
        tenant="t", room=room, room_type="default", role="", minor=False, speaker="s", session="n",
        utterance_id=f"u{utterance}", revision=revision, final=final, text=text, language="zh",
        start_ms=start, end_ms=end,
    )  # fmt: skip


@st.composite
def speech(draw) -> list[Heard]:
    """A speaker's utterances in order, each in partial revisions and a final one."""
    out: list[Heard] = []
    now = 0.0
    for utterance in range(draw(st.integers(1, 5))):
        words = [draw(st.sampled_from(PHRASES)) for _ in range(draw(st.integers(1, 3)))]
        revisions = draw(st.integers(0, 2))
        length = 400.0 * sum(map(len, words))
        for revision in range(revisions):
            share = (revision + 1) / (revisions + 1)
            text = "，".join(words)
            cut = text[: max(1, int(len(text) * share))]
            out.append(finding(utterance, revision, False, cut, now, now + length * share))
        out.append(finding(utterance, revisions, True, "，".join(words), now, now + length))
        now += length + draw(st.sampled_from([-400.0, 200.0, 5_000.0, 120_000.0]))
    return out


def judge_all(findings: list[Heard], state: SpeakerState | None = None):
    state = state or SpeakerState()
    decisions = []
    for each in findings:
        decision = JUDGE.decide(each, state)
        state = SpeakerState.from_json(decision.state.to_json())
        assert state == decision.state
        decisions.append(decision)
    return decisions, state


@given(speech(), st.integers(1, 8))
@settings(max_examples=80)
def test_a_replay_repeats_its_commands_and_changes_nothing(findings, last):
    decisions, state = judge_all(findings)
    again, after = judge_all(findings[-last:], state)
    for before, now in zip(decisions[-last:], again, strict=True):
        assert now.takedowns == before.takedowns
        assert now.risks == before.risks
    assert after == state


@given(speech())
@settings(max_examples=40)
def test_the_same_speech_gives_the_same_decisions(findings):
    assert judge_all(findings) == judge_all(findings)


@given(speech())
@settings(max_examples=40)
def test_one_felt_action_at_most_per_utterance_and_rule(findings):
    decisions, state = judge_all(findings)
    issued = [t for d in decisions for t in d.takedowns]
    assert len({t.id for t in issued}) == len(issued)
    assert len({(t.utterance_id, t.rule) for t in issued}) == len(issued)
    assert len({s.utterance_id for s in state.strikes}) == len(state.strikes)
    assert len(state.to_json()) < 40_000


@given(st.integers(0, 10), st.integers(0, 4), st.sampled_from(["加我微信", "我要杀了你", "刷单返利"]), st.booleans())
@settings(max_examples=120)
def test_a_phrase_cut_anywhere_with_any_overlap_acts_once(cut, overlap, phrase, partials):
    # 12 s of speech at three characters a second, cut somewhere in or beside the phrase; the cut repeats `overlap`.
    before, after = "今天大家唱歌都好听这首歌真的不错再来一首好吗", "明天晚上八点准时开播记得来听"
    text = before + phrase + after
    at = len(before) - 3 + min(cut, len(phrase) + 6)
    first, second = text[:at], text[max(0, at - overlap) :]
    per = 400.0
    end = at * per
    findings = [finding(1, 2, True, first, 0.0, end)]
    start = end - overlap * per
    if partials:
        findings.append(finding(2, 0, False, second[: len(phrase) + 4], start, start + (len(phrase) + 4) * per))
        findings.append(finding(2, 1, False, second[: len(phrase) + 6], start, start + (len(phrase) + 6) * per))
    findings.append(finding(2, 2, True, second, start, start + len(second) * per))
    decisions, state = judge_all(findings)
    assert sum(len(d.takedowns) for d in decisions) == 1
    assert len(state.strikes) == 1


@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.floats(0.1, 3)), max_size=6),
    st.floats(0, 1e6),
    st.floats(0, 1e6),
)
def test_strikes_only_fade(strikes, earlier, later):
    state = SpeakerState(strikes=tuple(Strike(f"u{i}", at, weight) for i, (at, weight) in enumerate(strikes)))
    newest = max((at for at, _ in strikes), default=0.0)
    first, second = sorted((newest + earlier, newest + later))
    sums = [state.strike_sum(at, half_life_s=600.0, window_s=800.0) for at in (first, second)]
    assert sums[0] >= sums[1] >= 0.0


def test_state_is_bounded_by_its_window():
    _, state = judge_all([finding(i, 0, True, "加我微信", i * 60_000.0, i * 60_000.0 + 2000.0) for i in range(60)])
    assert len(state.causes) <= 12
    assert len(state.tail) <= 4
    assert all(state.newest_ms - c.end_ms <= 15 * 60_000.0 for c in state.causes)
