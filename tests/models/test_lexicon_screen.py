"""Screening drops no candidate that would have held."""

import re
from pathlib import Path
from unittest import mock

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from models.lexicon import starter_lexicon
from models.lexicon.patterns import required_characters
from models.lexicon.screen import holding, on_edges, whole_words
from models.text import words
from models.text.fold import fold
from models.text.streams import streams, tokenise

LEXICON = starter_lexicon()
UNSCREENED = starter_lexicon()  # one apart, as a lexicon remembers what it has screened
DATA = Path(__file__).parents[1] / "data" / "judge"


def unscreened(text: str):
    every = {
        name: mock.Mock(side_effect=lambda hits, *_: list(hits)) for name in ("on_edges", "whole_words", "holding")
    }
    passed = dict.fromkeys(
        ("heard", "likely", "likely_apart", "same_words", "written_otherwise"), mock.Mock(return_value=True)
    )
    with mock.patch.multiple("models.lexicon.matcher", ordinary=mock.Mock(return_value=False), **every, **passed):
        return UNSCREENED.find(text)


def sentences() -> list[str]:
    rows = yaml.safe_load((DATA / "evasion_disguised.yaml").read_text(encoding="utf-8")).values()
    innocent = yaml.safe_load((DATA / "evasion_innocent.yaml").read_text(encoding="utf-8")).values()
    return [text for row in rows for _, text in row] + [str(text) for row in innocent for text in row]


def test_screened_and_unscreened_find_the_same_in_the_suite():
    assert [t for t in sentences()[::3] if LEXICON.find(t) != unscreened(t)] == []


PIECES = st.sampled_from(
    """加 我 家 微信 危信 威 v x wechat telegram tele gram telagram teligrum add me on u 大 麻 烦 赌 博 堵 那个 了 你
    弄 死 湿 4 5 ， fuck kiiill yourself cocaine cocayne fenta nyl jia wei xin sb 傻 逼 、 🐧 b a""".split()  # noqa: SIM905
)


@given(st.lists(PIECES, max_size=9).map("".join) | st.lists(PIECES, max_size=9).map(" ".join))
@settings(max_examples=300, deadline=None)
def test_screened_and_unscreened_find_the_same(text):
    assert LEXICON.find(text) == unscreened(text)


@pytest.mark.parametrize("text", ["add me on tele gram", "加我 wechat 吧", "t e l l", "kiss sis 88 a"])
def test_edges_are_where_words_meet(text):
    found = streams(fold(text))
    assert len(found.words) == sum(t.kind == "w" for t in tokenise(fold(text)))
    assert found.s_ends == sorted(found.s_ends)
    assert found.q_edges[-1] == len(found.q)
    assert found.s_edges[-1] == len(found.s)


@pytest.mark.parametrize("text", ["add me on tele gram", "加我 wechat 吧 a b", "kiss, sis 88 a"])
def test_words_are_found_again_in_x(text):
    found = streams(fold(text))
    starts = [m.start() for m in re.finditer(" (?=[a-z])", found.x)]
    ends = [found.x.index(" ", start + 1) + 1 for start in starts]
    assert [found.words_in_x(*place) for place in zip(starts, ends, strict=True)] == [[w.letters] for w in found.words]


def test_keys_inside_words_are_dropped():
    found = streams("class")
    whole, inside = (0, len(found.q), 0), (2, len(found.q), 0)
    assert whole_words([whole, inside], found.q_edges) == [whole]
    assert on_edges([(0, 5, 0), (2, 5, 0)], found.p, found.p_edges) == [(0, 5, 0)]


def test_keys_of_short_entries_hold_a_word_that_is_none():
    found = streams("my teligram name")
    (unknown,) = found.unknown
    assert found.s[slice(*unknown)] == "tlklm"
    before, over = (0, unknown[0], 0), (0, unknown[1], 0)
    assert holding([before, over], found.unknown) == [over]


LETTERS = st.text("aeiouhwbpdtgkmnlrscxzqvf", min_size=1, max_size=10)


@given(LETTERS, LETTERS)
def test_vowels_bound_the_distance_of_words_as_heard(left, right):
    assert words.least_distance(left, right) <= words.heard_distance(left, right) + 1e-9


@pytest.mark.parametrize(
    ("pattern", "needed"),
    [
        ("(加|佳)我?[vw]", [{"加", "佳"}, {"v", "w"}]),
        ("[0-9]{5}", []),
        ("ab?c", [{"a"}, {"c"}]),
        ("a|b", [{"a", "b"}]),
        ("aa|b", []),
    ],
)
def test_characters_that_a_pattern_needs(pattern, needed):
    assert list(required_characters(pattern)) == needed
