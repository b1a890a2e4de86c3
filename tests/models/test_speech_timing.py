"""Words in their places: from a recogniser's words to the characters of the transcript."""

from hypothesis import given
from hypothesis import strategies as st

from models.speech import Word
from models.speech.timing import WordTime, placed


def test_words_are_found_in_order_in_the_text():
    words = [Word(text, 10 * n, 10 * n + 10, 1.0) for n, text in enumerate(["go", "go", "now!"])]
    assert placed("go, go now!", words) == (
        WordTime(0, 2, 0, 10),
        WordTime(4, 6, 10, 20),
        WordTime(7, 11, 20, 30),
    )


def test_a_word_that_is_not_in_the_text_is_left_out():
    words = [Word(text, 0, 10, 1.0) for text in ("你", "坏", "好")]
    assert [(time.begin, time.end) for time in placed("你好", words)] == [(0, 1), (1, 2)]
    assert placed("", words) == ()


@given(st.lists(st.text("ab你好", min_size=1, max_size=4), max_size=12), st.sampled_from(["", " ", ", "]))
def test_places_never_overlap_and_spell_their_words(texts, between):
    text = between.join(texts)
    times = placed(text, [Word(word, n, n + 1, 1.0) for n, word in enumerate(texts)])
    assert len(times) == len(texts)
    end = 0
    for time, word in zip(times, texts, strict=True):
        assert time.begin >= end
        assert text[time.begin : time.end] == word
        end = time.end
