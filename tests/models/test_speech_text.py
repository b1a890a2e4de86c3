"""Measures of a transcript, its simplified form, and the language choice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.speech.language import LanguagePolicy, update_prior
from models.speech.text import compression_ratio, repetition, simplify, units


def test_units_are_characters_and_words():
    assert units("我有一个 iPhone，don't you?") == ["我", "有", "一", "个", "iphone", "don't", "you"]
    assert units("ＡＢＣ 123") == ["abc", "123"]
    assert units("！？ …") == []


def test_repetition_finds_the_phrase_that_covers_most():
    looped = repetition(units("so " + "I am going home " * 5))
    assert looped.times == 5
    assert looped.share == pytest.approx(20 / 21)
    assert repetition(units("哈" * 8)).times == 8
    assert repetition(units("every word is new")).times == 1
    assert repetition([]).share == 0.0


@given(st.lists(st.sampled_from("abcd"), max_size=40))
def test_repetition_is_bounded(words):
    found = repetition(words)
    assert 0.0 <= found.share <= 1.0
    assert 1 <= found.times <= max(1, len(words))


def test_compression_ratio():
    assert compression_ratio("") == 0.0
    assert compression_ratio("再来一次" * 40) > 2.4
    assert compression_ratio("今天的天气真不错，我们去公园走走吧") < 2.0


def test_simplify_keeps_everything_but_the_script():
    assert simplify("這個遊戲的第二關怎麼過啊 OK?") == "这个游戏的第二关怎么过啊 OK?"
    assert simplify("plain") == "plain"


@given(st.text(max_size=40))
def test_simplify_is_idempotent_on_ascii_and_never_empty(text):
    assert bool(simplify(text)) == bool(text)


EVIDENCE = [("zh", 0.6), ("en", 0.3), ("ja", 0.05), ("cy", 0.05)]


def test_a_clear_language_is_decoded_once():
    choice = LanguagePolicy().choose([("en", 0.97), ("zh", 0.01)])
    assert choice.candidates == ("en",)
    assert choice.probability > 0.98
    assert sum(choice.posterior.values()) == pytest.approx(1.0)


def test_a_split_posterior_is_decoded_both_ways():
    assert LanguagePolicy().choose(EVIDENCE).candidates == ("zh", "en")


def test_habit_settles_a_split_but_does_not_overrule_the_ear():
    policy = LanguagePolicy()
    assert policy.choose(EVIDENCE, {"zh": 0.9, "en": 0.1}).candidates == ("zh",)
    switched = policy.choose([("en", 0.98), ("zh", 0.01)], {"zh": 1.0})
    assert switched.candidates[0] == "en"


def test_stray_guesses_stay_within_the_supported_languages():
    choice = LanguagePolicy().choose([("ja", 0.5), ("zh", 0.4), ("en", 0.01)])
    assert choice.candidates == ("zh",)


def test_a_language_that_is_not_supported_is_said_so():
    choice = LanguagePolicy().choose([("ja", 0.97), ("zh", 0.01), ("en", 0.01)])
    assert choice.candidates == ("ja",)
    assert set(choice.posterior) == {"zh", "en"}


def test_no_evidence_leaves_the_prior():
    assert LanguagePolicy().choose([], {"zh": 0.7, "en": 0.3}).posterior["zh"] == pytest.approx(0.7)


def test_no_supported_language_is_refused():
    with pytest.raises(ValueError, match="supported"):
        LanguagePolicy(supported=())


probabilities = st.floats(0.0, 1.0)


@given(probabilities, probabilities, probabilities, st.none() | st.fixed_dictionaries({"zh": probabilities}))
def test_posterior_is_a_distribution(zh, en, other, prior):
    choice = LanguagePolicy().choose([("zh", zh), ("en", en), ("ko", other)], prior)
    assert sum(choice.posterior.values()) == pytest.approx(1.0)
    assert choice.candidates


@given(st.lists(probabilities, min_size=1, max_size=20))
def test_prior_stays_a_distribution(history):
    prior = None
    for zh in history:
        prior = update_prior(prior, {"zh": zh, "en": 1.0 - zh})
    assert sum(prior.values()) == pytest.approx(1.0)
