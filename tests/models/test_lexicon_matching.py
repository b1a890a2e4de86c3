"""Matching: what is found, where, and under which transformation."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.lexicon import Lexicon, load_lexicon, starter_lexicon

LEXICON = load_lexicon("""
- list: zh
  category: ads/contact/off-platform
  language: zh
  match: [exact, phonetic, initials]
  unless: [微信支付]
  entries: [加微信, 加我QQ, 赌博, 冰毒, 大麻, 池塘, 重庆火锅]
- list: en
  category: ads/contact/off-platform
  language: en
  match: [exact, phonetic]
  entries: [add me on WeChat, telegram, bet, ass, kill yourself, fuck, placing bets]
- list: plain
  category: other
  match: [exact]
  entries: [做爱, foo bar]
""")


def entries(text: str) -> set[str]:
    return {h.entry for h in LEXICON.find(text)}


@pytest.mark.parametrize(
    ("text", "entry", "match", "span"),
    [
        ("快加微信吧", "加微信", "exact", (1, 4)),
        ("加、那个、微信", "加微信", "exact", (0, 7)),
        ("加一下我的微信", "加微信", "exact", (0, 7)),
        ("加 微 信", "加微信", "exact", (0, 5)),
        ("你说家威信聊", "加微信", "phonetic", (2, 5)),
        ("加危信", "加微信", "phonetic", (0, 3)),
        ("jia wei xin", "加微信", "phonetic", (0, 11)),
        ("jiaweixin", "加微信", "phonetic", (0, 9)),
        ("加weixin", "加微信", "phonetic", (0, 7)),
        ("＋Ｖ信", "加微信", "initials", (0, 3)),
        ("+V❤️", "加微信", "initials", (0, 3)),
        ("加vx", "加微信", "initials", (0, 3)),
        ("jvx", "加微信", "initials", (0, 3)),
        ("加我扣扣", "加我QQ", "initials", (0, 4)),
        ("加我🐧", "加我QQ", "initials", (0, 3)),
        ("賭 博", "赌博", "exact", (0, 3)),
        ("贝者十尃", "赌博", "exact", (0, 4)),
        ("池糖边", "池塘", "phonetic", (0, 2)),
        ("虫庆火锅", "重庆火锅", "phonetic", (0, 4)),
        ("Add me on W-e-C-h-a-t!", "add me on WeChat", "exact", (0, 21)),
        ("add me on we chat", "add me on WeChat", "exact", (0, 17)),
        ("add me on what... wechet", "telegram", "", None),
        ("t3l3gr4m", "telegram", "exact", (0, 8)),
        ("my tele gram", "telegram", "exact", (3, 12)),
        ("telagram", "telegram", "phonetic", (0, 8)),
        ("Теlеgrаm", "telegram", "exact", (0, 8)),
        ("they were betting", "bet", "exact", (10, 17)),
        ("kiiill your self", "kill yourself", "exact", (0, 16)),
        ("f*ck", "fuck", "exact", (0, 4)),
    ],
)
def test_disguises(text, entry, match, span):
    found = {h.entry: h for h in LEXICON.find(text)}
    if span is None:
        assert entry not in found
        return
    assert (found[entry].match, found[entry].span) == (match, span)


@pytest.mark.parametrize(
    "text",
    [
        "维护国家威信", "大家为新同学鼓掌", "我家卫星电视坏了", "加微信支付", "病毒来了", "大麻烦了", "叫做爱情",
        "加vip会员", "买了V8发动机", "class assassin grape", "better luck", "we chat every day", "food barn",
        "telegraph poles", "pass the glass",
    ],
)  # fmt: skip
def test_innocent_look_alikes(text):
    assert entries(text) == set()


@pytest.mark.parametrize(("literal", "disguised"), [("谁载了你一程", "我要宰了泥"), ("电话通了你再说", "老子捅思你")])
def test_what_is_said_every_day_is_no_entry_misheard(literal, disguised):
    lexicon = load_lexicon(
        "- list: a\n  category: x\n  match: [exact, phonetic]\n  entries: [宰了你, 捅了你, 捅死你]\n"
    )
    assert lexicon.find(literal) == ()
    assert lexicon.find(disguised) != ()


def test_kinds_that_a_list_does_not_allow_are_not_used():
    only = load_lexicon("- list: a\n  category: x\n  entries: [加微信, telegram]\n")
    assert [h.entry for h in only.find("加 微 信 jia wei xin 家危信 加vx telagram")] == ["加微信"]


def test_excusing_words_count_near_by_only():
    lexicon = load_lexicon("- list: a\n  category: x\n  unless: [credit card]\n  entries: [gun]\n")
    assert lexicon.find("a gun and a credit card") == ()
    assert lexicon.find("a gun " + "or something else " * 4 + "credit card") != ()
    assert lexicon.find("a gun and a credits") != ()


def test_hits_explain_themselves():
    (hit,) = [h for h in LEXICON.find("加一下危信") if h.entry == "加微信"]
    assert hit.explain == ("light words left out", "危 sounds like 微")
    assert 0.5 < hit.score < 1.0


def test_each_place_is_reported():
    assert [h.span for h in LEXICON.find("加微信，快加微信") if h.entry == "加微信"] == [(0, 3), (5, 8)]


def test_empty_lexicon_and_text():
    assert Lexicon([]).find("加微信") == ()
    assert LEXICON.find("") == ()
    assert LEXICON.find("！？…") == ()


def test_very_long_text_is_cut_not_refused():
    assert "加微信" in {h.entry for h in LEXICON.find("加微信" + "，好" * 5000)}


@given(st.text(st.sampled_from("加微信我大麻烦国家威信赌博wechatbetfuckVX+那个嗯 、。❤"), max_size=24))
@settings(max_examples=300)
def test_spans_lie_in_the_original_text(text):
    for hit in LEXICON.find(text):
        start, end = hit.span
        assert 0 <= start < end <= len(text)
        assert 0.0 < hit.score <= 1.0
        # A span begins and ends with something said.
        assert not text[start].isspace()
        assert not text[end - 1].isspace()


STARTER = starter_lexicon()
HAN_ENTRIES = [e.text for e in STARTER.entries if "pattern" not in e.match and all("一" <= c <= "鿿" for c in e.text)]
WIDE = {ord(c): ord(c) + 0xFEE0 for c in map(chr, range(0x21, 0x7F))}


@given(st.sampled_from(HAN_ENTRIES), st.data())
@settings(max_examples=100)
def test_fillers_between_the_characters_never_lose_an_exact_entry(entry, data):
    gaps = [data.draw(st.sampled_from(["", "", " ", "、", "…", "嗯", "呃"])) for _ in entry[1:]]
    text = entry[0] + "".join(gap + char for gap, char in zip(gaps, entry[1:], strict=True))
    hits = {h.entry: h for h in STARTER.find(text)}
    start, end = hits[entry].span
    # An entry's own filler at its end (去死吧) may be taken for one of the sentence's.
    assert start == 0
    assert text[end:] in {"", "吧", "啊", "嗯吧", "呃吧", "嗯啊", "呃啊", " 吧", "、吧", "…吧", " 啊", "、啊", "…啊"}


LATIN_ENTRIES = [e.text for e in STARTER.entries if "pattern" not in e.match and e.text.isascii()]


@given(st.sampled_from(LATIN_ENTRIES), st.booleans(), st.booleans())
@settings(max_examples=100)
def test_case_and_width_never_lose_an_exact_entry(entry, upper, wide):
    text = entry.upper() if upper else entry
    text = text.translate(WIDE) if wide else text
    hits = {h.entry: h for h in STARTER.find(f"so {text}, ok")}
    assert hits[entry].match == "exact"
    assert hits[entry].span == (3, 3 + len(text))
