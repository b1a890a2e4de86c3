"""Laughs, cries and hums are no words; whatever stands beside a word is heard."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.speech.drafts import Draft, Reading, is_poor
from models.speech.guard import Signals, reason
from models.speech.interjections import is_interjection
from models.speech.language import Choice
from models.speech.options import WhisperOptions
from models.speech.text import compression_ratio
from models.speech.types import SpeechJob

SOUNDS = [
    "Ha-ha-ha!", "Ha, ha, ha.", "hehehehe", "he he", "Bwahahaha", "Ah, ha ha", "hoho", "Huh?", "Ugh!", "Aaaaah!", "Ooh",
    "Oh", "hmm", "Mm-hmm.", "Shhh", "la la la la", "Wee-wee-wee", "Pee-pee-pee.", "fa fa fa", "Shush, shush, shush",
    "Whoa!", "哈哈哈", "呵呵", "啊啊啊啊", "啊——", "嗯嗯，哈哈", "呜呜呜", "啦啦啦", "哎呀", "喔喔", "嗚嗚", "ははは",
    "하하하",
]  # fmt: skip

WORDS = [
    "ha ha, you are next", "no no no", "go go go", "die die die", "me me me", "hi", "he", "ho", "la", "da da da", "a",
    "em", "mum", "yo yo", "he he said", "hm hate", "aha now", "滚滚滚", "杀杀杀", "好", "你好", "啦", "滴滴",
    "哈哈你去死", "啊我要杀了你", "呵呵，滚吧", "はい", "いいえ",
]  # fmt: skip


@pytest.mark.parametrize("text", SOUNDS)
def test_sounds_of_a_voice_are_withheld_by_their_own_reason(text):
    said = Signals(text, 4.0, -0.2, 0.01, compression_ratio(text))
    assert is_interjection(text)
    assert reason(said) == "interjection"


@pytest.mark.parametrize("text", WORDS)
def test_words_stay(text):
    assert not is_interjection(text)
    assert reason(Signals(text, 4.0, -0.2, 0.01, compression_ratio(text))) is None


@given(
    st.lists(st.sampled_from(SOUNDS), max_size=3),
    st.sampled_from(["杀了你", "加我微信", "buy drugs", "kill yourself", "slut", "ho"]),
    st.lists(st.sampled_from(SOUNDS), max_size=3),
)
def test_an_offence_is_never_hidden_by_a_laugh(before, offence, after):
    assert not is_interjection(", ".join([*before, offence, *after]))


@given(st.text(alphabet="haeiouw 哈啊", max_size=200))
def test_any_text_is_answered(text):
    assert is_interjection(text) in (True, False)


@pytest.mark.parametrize(("logprob", "again"), [(-0.3, False), (-1.2, True)])
def test_a_doubtful_sound_is_listened_to_again_for_words(logprob, again):
    choice = Choice(("en",), {"en": 1.0}, 1.0)
    draft = Draft(choice, (Reading("en", "Haha.", (1,), logprob, 0.1, finished=True),), 4.0, 0.0, 0.0)
    assert is_poor(SpeechJob("one", np.zeros(16_000, np.int16)), draft, WhisperOptions()) is again
