"""Screening drops no candidate that would have held."""

from pathlib import Path
from unittest import mock

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from models.lexicon import starter_lexicon
from models.lexicon.screen import on_edges
from models.text.fold import fold
from models.text.streams import streams, tokenise

LEXICON = starter_lexicon()
DATA = Path(__file__).parents[1] / "data" / "judge"


def unscreened(text: str):
    with (
        mock.patch("models.lexicon.automaton.on_edges", return_value=True),
        mock.patch("models.lexicon.matcher.spread_margin", return_value=1.0),
        mock.patch("models.lexicon.matcher.heard", return_value=True),
        mock.patch("models.lexicon.matcher.han_margin", return_value=1.0),
    ):
        return LEXICON.find(text)


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
    assert found.edges[1][-1] == len(found.q)


def test_keys_inside_words_are_dropped():
    found = streams("class")
    assert on_edges(found.q, 0, 4, found.edges[1])
    assert not on_edges(found.q, 2, 4, found.edges[1])
