"""The text model as it ships: sound weights, the same answer each time, nothing said of what it cannot judge."""

import hashlib
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.classifier import CATEGORIES, Head, TextModel, TextModelError, classify, load_text_model
from models.classifier.features import BUCKETS, LONGEST, features, languages, normalised

WEIGHTS = Path("models/classifier/weights")


def test_weights_are_those_of_the_card_and_small() -> None:
    card = json.loads((WEIGHTS / "text.json").read_text(encoding="utf-8"))
    packed = (WEIGHTS / "text.npz").read_bytes()
    assert hashlib.sha256(packed).hexdigest() == card["sha256"] == load_text_model().version
    assert len(packed) < 5_000_000


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    for name in ("text.json", "text.npz"):
        shutil.copy(WEIGHTS / name, tmp_path / name)
    packed = bytearray((tmp_path / "text.npz").read_bytes())
    packed[len(packed) // 2] ^= 1
    (tmp_path / "text.npz").write_bytes(packed)
    with pytest.raises(TextModelError, match="SHA-256 differs"):
        TextModel(tmp_path)


@pytest.mark.parametrize("name", ["text.json", "text.npz"])
def test_missing_weights_say_what_to_do(tmp_path: Path, name: str) -> None:
    for other in {"text.json", "text.npz"} - {name}:
        shutil.copy(WEIGHTS / other, tmp_path / other)
    with pytest.raises(TextModelError, match=rf"{name}: not found; reinstall"):
        TextModel(tmp_path)


def test_card_without_a_field_is_refused(tmp_path: Path) -> None:
    shutil.copy(WEIGHTS / "text.npz", tmp_path / "text.npz")
    card = json.loads((WEIGHTS / "text.json").read_text(encoding="utf-8"))
    del card["heads"]["zh"]["threat"]["slope"]
    (tmp_path / "text.json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(TextModelError, match="a field is missing"):
        TextModel(tmp_path)


def test_a_slope_that_turns_the_score_round_is_refused() -> None:
    with pytest.raises(TextModelError, match="slope"):
        Head(scale=1.0, bias=0.0, slope=-1.0, offset=0.0, threshold=0.0)


@given(st.text(max_size=200))
def test_any_text_is_judged_the_same_twice_and_within_bounds(text: str) -> None:
    found = classify(text)
    assert found == classify(text)
    for proposal in found:
        assert proposal.category == CATEGORIES[proposal.head]
        assert 0.0 < proposal.probability < 1.0
        assert proposal.span == (0, len(text))
    assert [p.llr for p in found] == sorted((p.llr for p in found), reverse=True)


@pytest.mark.parametrize(
    "text", ["", " ", "。。。", "12345", "滚", "你好", "你就是废物", "fuck you", "😀😀😀", "あいうえお", "ﾊﾛｰ"]
)
def test_too_little_to_judge_is_not_judged(text: str) -> None:
    assert classify(text) == ()


@pytest.mark.parametrize(
    "text", ["qzx wvv kjh xxq zzv qqw", "龘靐齉齾爩鱻麤龗灪吁", "lorem ipsum dolor sit amet consectetur"]
)
def test_unknown_text_is_not_accused(text: str) -> None:
    assert classify(text) == ()


def test_other_languages_are_left_alone() -> None:
    text = "我今天晚上就要弄死你全家，你等着"
    assert classify(text, "zh") == classify(text)
    assert classify(text, "ja") == ()


def test_script_and_punctuation_do_not_matter() -> None:
    model = load_text_model()
    plain = model.ratios("信不信我叫人打断你的腿", "zh")
    assert model.ratios("信不信，我叫人打斷你的腿！", "zh") == plain
    assert model.ratios("I WILL kill you!!", "en") == model.ratios("i will kill you", "en")


def test_homophones_change_little() -> None:
    """A threat of which every sixth character is heard by its sound only is proposed all the same."""
    model = load_text_model()
    said, heard, other = (
        model.ratios(text, "zh")["threat"]
        for text in ("我要弄死你全家你等着", "我要弄似你全加你等这", "我们明天一起去公园散步吧")
    )
    assert said > heard > model.heads["zh"]["threat"].threshold > other


@given(st.floats(-40, 40), st.floats(-40, 40), st.integers(1, 1000))
def test_calibration_is_monotone(left: float, right: float, count: int) -> None:
    model = load_text_model()
    for heads in model.heads.values():
        for head in heads.values():
            low, high = sorted((left, right))
            assert model.probability(head.llr(low, count)) <= model.probability(head.llr(high, count))
            assert 0.0 < model.probability(head.llr(low, count)) < 1.0


def test_probability_at_even_evidence_is_the_prior() -> None:
    model = load_text_model()
    assert math.isclose(model.probability(0.0), model.prior)


@given(st.text(max_size=300), st.sampled_from(["zh", "en"]))
def test_features_are_distinct_buckets(text: str, language: str) -> None:
    found = features(normalised(text), language)
    assert found.dtype == np.int64
    assert np.all(np.diff(found) > 0)
    assert len(found) == 0 or (found[0] >= 0 and found[-1] < BUCKETS)


def test_mandarin_is_seen_by_sound() -> None:
    """微信 and 威信 share every feature of sound."""
    left, right = features("加我微信", "zh"), features("加我威信", "zh")
    shared = len(np.intersect1d(left, right))
    assert shared == 4 + 6  # 加, 我, 信 and 加我 as characters; two, three and four syllables, all of them
    assert len(left) == len(right)


def test_features_of_another_language_are_refused() -> None:
    with pytest.raises(ValueError, match="pass zh or en"):
        features("bonjour", "fr")


def test_normalised_texts() -> None:
    assert normalised("加個微信！２０００ 元 OK？") == "加个微信 0 元 ok"
    assert normalised("I'm 25, you?") == "im 0 you"
    assert len(normalised("a" * 5000)) == LONGEST
    assert languages(normalised("would you please 加我的微信好吗 now")) == ("zh", "en")
    assert languages("你好") == ()
