"""Words that two revisions share, decoders that repeat themselves, and when a doubtful partial is believed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.speech import SpeechJob
from models.speech.drafts import Draft, Reading, result
from models.speech.language import Choice
from models.speech.options import WhisperOptions
from models.speech.stability import spans, without_loop
from models.speech.text import units

TEXT = st.text(st.sampled_from("我你加微信 abc,。"), max_size=30)
DOUBTFUL = {"avg_logprob": -0.6, "no_speech": 0.92}


def stable(previous, text):
    return [text[begin:end] for begin, end in spans(previous, text)]


def test_a_window_that_moved_on_keeps_the_words_in_the_middle():
    assert stable("胡来第二次好多了，加我微信，下", "加我微信，下次我多做几个") == ["加我微信，下"]
    assert stable("of milk. Add me on wet.", "milk, add me on WhatsApp. She") == ["milk, add me on"]


def test_what_was_heard_otherwise_is_not_stable():
    assert stable("我们去人肉收水", "我们去人肉搜索它") == ["我们去人肉"]
    assert stable("", "加我微信") == []


def test_scripts_are_the_same():
    assert stable("發給你們看", "发给你们看看") == ["发给你们看"]


@given(TEXT, TEXT)
def test_stretches_lie_in_order_within_the_text_and_apart(previous, text):
    edges = [edge for span in spans(previous, text) for edge in span]
    assert edges == sorted(edges)
    assert not edges or (edges[0] >= 0 and edges[-1] <= len(text))


@given(TEXT)
def test_a_text_is_stable_against_itself(text):
    covered = "".join(text[begin:end] for begin, end in spans(text, text))
    assert [char for char in covered if char.isalnum()] == [char for char in text if char.isalnum()]


@pytest.mark.parametrize(
    ("text", "once"),
    [
        ("patient with me. " + "I will kill you. " * 3, "patient with me. I will kill you. "),
        ("奥廊,奥廊,奥廊,奥廊,好", "奥廊,好"),
        ("操你妈操你妈", "操你妈操你妈"),
        ("no no no no", "no"),
        ("你好", "你好"),
        ("你a你a你a你b", "你a b"),
    ],
)  # fmt: skip
def test_a_loop_is_said_once(text, once):
    assert without_loop(text) == once


@given(TEXT)
def test_a_loop_loses_repetitions_and_no_word(text):
    words, cut = units(text), units(without_loop(text))
    assert set(cut) == set(words)
    assert len(cut) < len(words) or without_loop(text) == text


def heard(text, *, partial=True, previous="", finished=True, avg_logprob=-0.3, no_speech=0.1, seconds=3.0):
    job = SpeechJob("u", np.zeros(1, np.int16), partial=partial, previous=previous, speech_seconds=seconds)
    reading = Reading("zh", text, (1, 2, 3), avg_logprob, no_speech, finished)
    choice = Choice(("zh",), {"zh": 0.99, "en": 0.01}, 0.99)
    return result(job, Draft(choice, (reading,), 4.0, 0.1, 0.1), WhisperOptions())


def test_a_doubtful_partial_is_believed_if_the_revision_before_says_the_same():
    text = "加我微信，下次我多做几个"
    assert heard(text, **DOUBTFUL).guard == "no-speech"
    assert heard(text, previous="今天的天气非常好啊", **DOUBTFUL).guard == "no-speech"
    believed = heard(text, previous="第二次好多了，加我微信，下", **DOUBTFUL)
    assert (believed.guard, believed.text, believed.tokens) == (None, text, (1, 2, 3))


def test_a_final_is_not():
    text = "加我微信，下次我多做几个"
    assert heard(text, partial=False, previous=text, **DOUBTFUL).guard == "no-speech"


def test_words_little_better_than_chance_are_never_confirmed():
    text = "加我微信，下次我多做几个"
    assert heard(text, previous=text, avg_logprob=-1.1, no_speech=0.9).guard == "no-speech"


@pytest.mark.parametrize("phrase", ["谢谢观看", "Thank you."])
def test_what_whisper_writes_for_noise_does_not_confirm_itself(phrase):
    assert heard(phrase, previous=phrase, **DOUBTFUL).guard is not None


def test_a_partial_that_loops_says_it_once_if_it_was_heard_before():
    loop = "patient with me. " + "I will kill you. " * 8
    assert heard(loop, finished=False).guard == "loop"
    believed = heard(loop, previous="she is very patient with me I will", finished=False)
    assert (believed.guard, believed.text) == (None, "patient with me. I will kill you.")
    assert believed.tokens == ()  # they spell the loop
