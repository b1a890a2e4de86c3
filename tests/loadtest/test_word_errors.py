"""Word times against known boundaries: pairing words and reading a synthesiser's labels."""

from loadtest.bench_words import Miss, misses
from loadtest.voices import timed
from models.speech import Word


def said(text, start, end):
    return {"text": text, "start_ms": start, "end_ms": end}


def test_words_are_paired_by_what_was_heard_right():
    truth = [said("give", 100, 300), said("me", 320, 400), said("a", 410, 450), said("break", 460, 800)]
    heard = [
        Word("Give", 90, 310, 1.0),
        Word("me", 300, 410, 1.0),
        Word("the", 410, 450, 1.0),
        Word("break.", 500, 790, 1.0),
    ]
    assert misses(truth, heard) == [Miss(-10, 10), Miss(-20, 10), Miss(40, -10)]


def test_mandarin_words_by_their_characters_and_simplified():
    truth = [said("直播间", 100, 700), said("大家", 800, 1000)]
    heard = [Word(text, 100 * n, 100 * n + 90, 1.0) for n, text in enumerate("直播間大佳")]
    assert misses(truth, heard) == [Miss(-100, -410)]
    assert misses(truth, []) == []


def test_pauses_belong_to_no_word(tmp_path):
    words, sounds = tmp_path / "w", tmp_path / "s"
    words.write_text("#\n\t0.4397 100 Give\n\t1.0000 100 me\n", encoding="utf-8")
    sounds.write_text("#\n0.2200 100 pau\n0.4397 100 v\n0.6000 100 pau\n1.0 100 iy\n1.2 100 pau\n", encoding="utf-8")
    assert timed._timed(timed._ends(words), timed._ends(sounds)) == [
        said("Give", 220.0, 439.7),
        said("me", 600.0, 1000.0),
    ]
