"""The hallucination guard: what is withheld, and above all what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.speech.guard import Signals, Thresholds, agreement, needs_second_look, reason
from models.speech.phantoms import is_phantom, is_stock_phrase
from models.speech.text import compression_ratio


def signals(text, *, seconds=3.0, logprob=-0.3, no_speech=0.05, finished=True):
    return Signals(text, seconds, logprob, no_speech, compression_ratio(text), finished)


@pytest.mark.parametrize(
    "text",
    [
        "今天的天气真不错，我们去公园走走吧",
        "Nobody told me that the meeting had been moved to Thursday.",
        "加我微信 roomwarden88",
        "谢谢大家",
        "Thank you.",
        "no no no no no",
        "滚滚滚滚滚",
    ],
)
def test_clear_speech_passes(text):
    assert reason(signals(text)) is None


@pytest.mark.parametrize("text", ["去死去死去死去死去死去死", "kill him kill him kill him kill him kill him"])
def test_a_repeated_threat_is_not_a_loop(text):
    said = signals(text, seconds=4.0)
    assert said.compression_ratio > 1.0
    assert reason(said) is None


@pytest.mark.parametrize("text", ["", "  ", "。。。", "♪ ♪", "- - -"])
def test_nothing_said_is_empty(text):
    assert reason(signals(text)) == "empty"


def test_a_decoder_that_did_not_end_in_a_loop():
    text = "我的手机没电了" * 7
    assert reason(signals(text, seconds=20.0, finished=False)) == "loop"
    assert reason(signals(text, seconds=20.0, finished=True)) is None


def test_a_loop_faster_than_speech():
    assert reason(signals("It takes two hours to drive. " * 9, seconds=3.0)) == "loop"


def test_more_words_than_can_be_said():
    text = "".join(chr(0x4E00 + 37 * index) for index in range(60))
    assert reason(signals(text, seconds=2.0)) == "rate"
    assert reason(signals(text, seconds=9.0)) is None


def test_tokens_no_better_than_chance():
    assert reason(signals("我心中的一路", logprob=-2.5)) == "uncertain"


@pytest.mark.parametrize(
    ("text", "logprob", "no_speech"),
    [
        ("I'm going to go to the store.", -1.2, 0.7),  # both limits of OpenAI's rule
        ("Thank you.", -0.8, 0.55),  # what Whisper says to a click
        ("I'm sorry. I'm sorry. I'm sorry.", -0.9, 0.5),  # and to breath
    ],
)
def test_words_for_noise_are_withheld(text, logprob, no_speech):
    assert reason(signals(text, logprob=logprob, no_speech=no_speech)) == "no-speech"


def test_the_middle_ground_gets_a_second_look():
    doubtful = signals("I can't control it", logprob=-0.9, no_speech=0.5)
    assert reason(doubtful) is None
    assert needs_second_look(doubtful)
    assert not needs_second_look(signals("I can't control it"))


PHANTOMS = [
    "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目",
    "請不吝點贊訂閱轉發打賞支持明鏡與點點欄目",
    "字幕由Amara.org社区提供",
    "字幕by索兰娅",
    "中文字幕志愿者 杨茜茜",
    "優優獨播劇場——YoYo Television Series Exclusive",
    "词曲 李宗盛",
    "谢谢观看，下期再见！",
    "感谢您的收看",
    "ご視聴ありがとうございました",
    "Thank you for watching!",
    "Thanks for watching. Please subscribe to my channel!",
    "Don't forget to like and subscribe, and hit the bell. See you next time.",
    "Subtitles by the Amara.org community",
    "Transcription by CastingWords",
    "Thank you for watching. Thank you for watching.",
    "www.mooji.org",
    "[Music]",
]


@pytest.mark.parametrize("text", PHANTOMS)
def test_phantoms_are_withheld_however_good_their_signals(text):
    assert reason(signals(text)) == "phantom"


@pytest.mark.parametrize(
    "text",
    [
        "和我",
        "谢谢大家，加我微信领红包",
        "关注我的微信号",
        "今天的节目就到这里，但是你是傻子",
        "subscribe to my channel or I will find you",
        "like this and die",
        "Thanks for watching my house, idiot",
        "subtitles by you are useless and stupid people everywhere",
        "see you next week you liar",
        "你们看字幕了吗",
    ],
)
def test_a_phantom_with_other_words_stays(text):
    assert not is_phantom(text)


@given(
    st.sampled_from(PHANTOMS),
    st.sampled_from(["杀了你", "加我微信", "buy drugs here", "go kill yourself"]),
    st.booleans(),
)
def test_an_offence_is_never_hidden_by_a_phantom(phantom, offence, first):
    text = f"{offence}, {phantom}" if first else f"{phantom}, {offence}"
    assert reason(signals(text, seconds=12.0)) is None


def test_stock_phrases():
    assert is_stock_phrase("Thank you.")
    assert is_stock_phrase("嗯")
    assert not is_stock_phrase("thank you for the money")
    assert not is_stock_phrase("我要杀了你")


def test_agreement_is_symmetric_and_bounded():
    assert agreement("我去学校", "我去學校") == 0.75  # matching is on characters as heard
    assert agreement("", "") == 1.0
    assert agreement("a b", "c d") == 0.0


@given(st.text(max_size=60), st.text(max_size=60))
def test_agreement_properties(left, right):
    assert agreement(left, right) == agreement(right, left)
    assert 0.0 <= agreement(left, right) <= 1.0
    assert agreement(left, left) == 1.0


@given(
    st.text(max_size=80),
    st.floats(0.1, 30.0),
    st.floats(-5.0, 0.0),
    st.floats(0.0, 1.0),
    st.booleans(),
)
def test_more_doubt_never_lifts_a_verdict(text, seconds, logprob, no_speech, finished):
    better = signals(text, seconds=seconds, logprob=logprob, no_speech=no_speech, finished=finished)
    worse = signals(
        text, seconds=seconds, logprob=logprob - 0.5, no_speech=min(1.0, no_speech + 0.2), finished=finished
    )
    if reason(better) is not None:
        assert reason(worse) is not None


def test_limits_can_be_set():
    text = signals("I can't control it", logprob=-0.9, no_speech=0.5)
    assert reason(text, Thresholds(doubt=0.0)) == "no-speech"


@pytest.mark.parametrize(
    "text", ["Hehehehehehehehehe", "Sssssssssssss!", "Sinsinsinsinsinsinsinsinsins", "C-C-C-C-C", "shhhhhhhhh"]
)
def test_a_few_letters_over_and_over_are_no_words(text):
    assert reason(signals(text, seconds=6.0)) == "loop"


@pytest.mark.parametrize(
    "text", ["aha no", "die die die die die die die die die", "滚滚滚滚滚滚滚滚滚", "A A A plan", "www"]
)
def test_words_over_and_over_are(text):
    assert reason(signals(text, seconds=6.0)) is None
