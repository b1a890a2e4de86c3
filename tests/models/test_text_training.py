"""How the text model's training makes its sentences, splits its corpora and packs its weights."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.text.pinyin import readings
from models.training.text_corpora import Sentence, apart, part_of
from models.training.text_examples import examples, expand, group_sentences, held_out, misheard
from models.training.text_linear import quantised


def test_a_line_stands_for_its_alternatives() -> None:
    assert sorted(expand("[你|我][好|]吗", random.Random(0))) == ["你吗", "你好吗", "我吗", "我好吗"]
    assert len(expand("[1a|2b|3c][x|y|z]", random.Random(0), limit=4)) == 4


@pytest.mark.parametrize("language", ["zh", "en"])
def test_examples_are_repeatable_and_apart_from_what_judges_them(language: str) -> None:
    made = examples(language, seed=3)
    assert made == examples(language, seed=3)
    judging = {text for texts in held_out(language).values() for text in texts}
    judging |= {text for _, text in group_sentences(language)}
    assert not judging & {example.text for example in made}


def test_mishearing_keeps_the_sounds() -> None:
    text = "我们明天晚上一起去公园散步然后回家做饭吃"
    heard = misheard(text, "zh", random.Random(1))
    assert heard != text
    assert [readings()[c][0][:-1] for c in heard] == [readings()[c][0][:-1] for c in text]
    assert misheard(text, "zh", random.Random(1)) == heard


@given(st.text(min_size=1))
def test_a_sentence_has_one_part(text: str) -> None:
    assert part_of(text, 40, 30) == part_of(text, 40, 30)
    assert part_of(text, 100, 0) == "train"
    assert part_of(text, 0, 0) == "test"


def test_what_is_judged_was_not_learned() -> None:
    text = "这句话在两个部分里都出现了"
    learned, judged = (Sentence(text, "zh", "cold", part, True) for part in ("train", "test"))
    assert apart([learned, judged]) == apart([judged, learned]) == [judged]


def test_quantised_weights_are_near_and_rank_alike() -> None:
    weights = np.random.default_rng(0).normal(size=5000)
    packed = quantised(weights, 0.5)
    assert packed.values.dtype == np.int8
    assert np.abs(packed.values * packed.scale - np.clip(weights, -127 * packed.scale, 127 * packed.scale)).max() <= (
        packed.scale / 2 + 1e-9
    )
