"""Folding and streams: one spelling for many, and the way back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.text import pairs, pinyin, words
from models.text.fold import fold, trace
from models.text.streams import streams
from models.text.traced import TracedStreams
from models.text.variants import VARIANTS, censored_variant

ALPHABET = st.one_of(
    st.sampled_from("加微信我那个嗯赌博贝者十尃行长abcwxvVqQ019+@$!*'’ .,、。❤️🐧➕ＶＸ，賭徽①🅥́"),
    st.characters(blacklist_categories=("Cs",)),
)
TEXTS = st.text(ALPHABET, max_size=40)


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("ＷｅＣｈａｔ", "wechat"),
        ("𝐖𝐞𝐂𝐡𝐚𝐭", "wechat"),
        ("ⓥⓧ", "vx"),
        ("🅥🅧", "vx"),
        ("ѕеnd", "send"),
        ("wéchàt", "wechat"),
        ("加\u200b微\ufe0f信", "加微信"),
        ("賭博網站", "赌博网站"),
        ("＋Ｖ❤️", "加v心"),
        ("1️⃣", "1"),
    ],
)
def test_look_alikes_fold_to_one_spelling(written, folded):
    assert fold(written) == folded


@given(TEXTS)
def test_tracing_gives_the_same_text_and_ordered_origins(text):
    traced = trace(text)
    assert traced.text == fold(text)
    assert len(traced.starts) == len(traced.ends) == len(traced.text)
    assert all(0 <= s < e <= len(text) for s, e in zip(traced.starts, traced.ends, strict=True))
    assert traced.starts == sorted(traced.starts)


@given(TEXTS)
def test_hot_and_traced_streams_are_the_same(text):
    for second in (False, True):
        hot, slow = streams(fold(text), second), TracedStreams(trace(text), second)
        assert (hot.x, hot.p, hot.q, hot.s) == (slow.x.text, slow.p.text, slow.q.text, slow.s.text)
        for stream in (slow.x, slow.p, slow.q, slow.s):
            assert len(stream.tokens) == len(stream.text)
            assert all(-1 <= i < len(slow.tokens) for i in stream.tokens)


@given(TEXTS)
def test_variants_rewrite_alike_with_and_without_origins(text):
    for variant in (*VARIANTS, censored_variant(["fuck", "asshole"])):
        traced = variant.trace(trace(text))
        assert traced.text == variant.apply(fold(text))
        assert len(traced.starts) == len(traced.ends) == len(traced.text)


def test_streams_of_a_mixed_sentence():
    found = streams(fold("加我 WeChat，killing 88"))
    assert found.x == "加我 wechat kil 88"
    assert found.q == "|wechatkiling|"


def test_spelled_letters_come_together():
    assert streams("w e c h a t").q == "wechat"


@pytest.mark.parametrize(("token", "x"), [("t3l3gr4m", " telegram "), ("vx123456", " vx 123456"), ("mp3", " mp 3")])
def test_digits_stand_for_letters_only_inside_words(token, x):
    assert streams(token).x == x


@pytest.mark.parametrize(
    ("left", "right", "near"),
    [("zhi", "zi", True), ("lan", "nan", True), ("xin", "xing", True), ("fu", "hu", True), ("xin", "ma", False)],
)
def test_confusable_syllables(left, right, near):
    cost = pinyin.sound_cost(left, right)
    assert (cost is not None) is near
    assert cost == pinyin.sound_cost(right, left)


@given(st.sampled_from(sorted(pinyin.syllables())), st.sampled_from(sorted(pinyin.syllables())))
def test_related_syllables_share_a_code(left, right):
    # Otherwise the automaton could not propose what the comparison would accept.
    if pinyin.sound_cost(left, right) is not None:
        assert pinyin.sound_class(left) == pinyin.sound_class(right) or {left[0], right[0]} == {"n", "r"}


def test_pinyin_words_are_split():
    assert pinyin.split_pinyin("jiaweixin") == ("jia", "wei", "xin")
    assert pinyin.split_pinyin("wechat") == ()


def test_readings_agree_with_pypinyin():
    from pypinyin import Style
    from pypinyin import pinyin as read

    for char in "加微信赌博银行长重":
        theirs = {s.rstrip("012345") for s in read(char, style=Style.TONE3, heteronym=True)[0]}
        assert {s[:-1] for s in pinyin.readings()[char]} <= theirs


def test_ordinary_words_are_likelier_than_nonsense():
    assert words.log_probability("国家威信") > words.log_probability("国佳危信")
    assert words.english_log_probability("running") == words.COMMON_EN
    assert words.english_log_probability("telegrum") == words.RARE_EN


@pytest.mark.parametrize(("forms"), [("adding", "add"), ("apps", "app"), ("burying", "bury"), ("kiiill", "killed")])
def test_inflected_forms_share_a_key(forms):
    assert len(set(map(words.stem, forms))) == 1


def test_pairs_tell_what_is_said_from_what_is_not():
    assert pairs.fluency("载了你") > sum(map(pairs.fluency, "载了你"))
    assert pairs.fluency("老子捅死你") > pairs.fluency("老子捅思你")
    assert pairs.fluency("") == 0.0


def test_a_follower_is_found_as_a_whole_word():
    sign = chr(pairs.FIRST_STEP + 4)
    followers = f"不了{sign}了解{sign}了{chr(pairs.FIRST_STEP + 6)}"
    assert pairs.gain(followers, "了") == 6 * pairs.STEP
    assert pairs.gain(followers, "解") == 0.0
    assert pairs.gain("", "了") == 0.0


@pytest.mark.parametrize(
    ("form", "base", "same"),
    [("guns", "gun", True), ("betting", "bet", True), ("better", "bet", False), ("hook", "hookers", False),
     ("heroine", "heroin", False), ("bitches", "bitch", True), ("spicy", "spic", False), ("sells", "selling", True),
     ("hooks", "hookers", False),
     ("burying", "bury", True)],
)  # fmt: skip
def test_inflection(form, base, same):
    assert words.inflects(form, base) is same


def test_misheard_names_are_near_and_other_words_far():
    assert words.heard_distance("telegrum", "telegram") < words.heard_distance("telephone", "telegram")
    assert words.heard_distance("phentanyl", "fentanyl") == 0.0
