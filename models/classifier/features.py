"""Text to hashed n-grams: what the classifier sees of a sentence, the same in training and in use.

Speech arrives without punctuation, with homophones for what was said, in either script. So everything but letters and
Han characters is dropped, traditional characters are folded, and a Mandarin sentence is seen twice: as characters, and
as the toneless syllables they are read as, in which 微信 and 威信 are the same. English is seen as words and as the
letters across them, so that a misheard ending costs little.

An n-gram is hashed to one of ``BUCKETS`` numbers by a polynomial over its symbols (Weinberger et al. 2009, "Feature
hashing for large scale multitask learning"), in vectors, so that a sentence takes some 0.1 ms.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
from numpy.typing import NDArray

from models.text import pinyin
from models.text.fold import fold

Ids = NDArray[np.int64]
Symbols = NDArray[np.uint64]

BUCKET_BITS = 20
BUCKETS = 1 << BUCKET_BITS
# A sentence is judged from so many symbols; an utterance of 12 s has about 80 syllables or 200 letters.
LONGEST = 600
# Fewer are no sentence to judge: what is offensive in so few words is for the lexicon.
MIN_HAN = 6
MIN_WORDS = 4
# A sentence counts as at least so many n-grams (10 Han characters), so that a chance likeness in a few weighs less.
FEWEST = 64

# Sizes of n-grams by what they are made of.
_CHARACTERS = (1, 2, 3, 4)
_SYLLABLES = (2, 3, 4)
_LETTERS = (2, 3, 4, 5)
_WORDS = (1, 2, 3)

_HAN = re.compile(r"[\u3400-\u9fff]")
_WORD = re.compile(r"[a-z]+")
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio
_MIX = np.uint64(0xFF51AFD7ED558CCD)  # finaliser of MurmurHash3
_SHIFT = np.uint64(33)


class _Keep(dict[int, str]):
    """Translation table: letters and Han stay, digits become one 0, everything else a space."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if "a" <= char <= "z" or _HAN.match(char):
            kept = char
        elif char.isdigit():
            kept = "0"
        else:
            kept = "" if char in "'’" else " "
        if len(self) < 60_000:
            self[code] = kept
        return kept


_KEEP = _Keep()
_DIGITS = re.compile(r"0[0 ]*")


@cache
def _syllables() -> dict[int, int]:
    """Han character -> a private-use character for its usual toneless syllable."""
    number = {name: 0xE000 + index for index, name in enumerate(sorted(pinyin.syllables()))}
    return {ord(char): number[sounds[0][:-1]] for char, sounds in pinyin.readings().items()}


def normalised(text: str) -> str:
    """Lower-case letters, simplified Han and 0 for any number; single spaces where anything else was."""
    return " ".join(_DIGITS.sub("0 ", fold(text[:LONGEST]).translate(_KEEP)).split())


def languages(text: str) -> tuple[str, ...]:
    """Which of ``zh`` and ``en`` a normalised text has enough of to be judged, in this order."""
    found = []
    if len(_HAN.findall(text)) >= MIN_HAN:
        found.append("zh")
    if len(_WORD.findall(text)) >= MIN_WORDS:
        found.append("en")
    return tuple(found)


def features(text: str, language: str) -> Ids:
    """Distinct buckets of a normalised text, ascending, int64 [n]; empty where there is nothing of the language.

    Raises ValueError for a language other than ``zh`` and ``en``.
    """
    if language == "zh":
        # Mandarin is written without spaces; those of a text only say where the recogniser paused.
        joined = re.sub(r"(?<![a-z]) | (?![a-z])", "", text)
        codes = _symbols(joined)
        sounds = _symbols(joined.translate(_syllables()))
        parts = [_grams(codes, size, 0x10 + size) for size in _CHARACTERS]
        parts += [_grams(sounds, size, 0x20 + size) for size in _SYLLABLES]
    elif language == "en":
        words = _WORD.findall(text)
        if not words:
            return np.empty(0, np.int64)
        letters = _symbols(f" {' '.join(words)} ")
        tokens = np.array([_word_number(word) for word in words], np.uint64)
        parts = [_grams(letters, size, 0x30 + size) for size in _LETTERS]
        parts += [_grams(tokens, size, 0x40 + size) for size in _WORDS]
    else:
        raise ValueError(f"language: {language!r} has no features; pass zh or en")
    return np.unique(np.concatenate(parts))


def _symbols(text: str) -> Symbols:
    return np.frombuffer(text.encode("utf-32-le"), np.uint32).astype(np.uint64)


def _word_number(word: str) -> int:
    number = 0
    for char in word[:32]:
        number = (number * 31 + ord(char)) & 0xFFFFFFFFFFFF
    return number


def _grams(symbols: Symbols, size: int, salt: int) -> Ids:
    """Buckets of all n-grams of one size; ``salt`` keeps kinds and sizes apart."""
    count = len(symbols) - size + 1
    if count <= 0:
        return np.empty(0, np.int64)
    number = np.full(count, salt, np.uint64)
    for offset in range(size):
        number = (number ^ symbols[offset : offset + count]) * _MULTIPLIER
        number ^= number >> _SHIFT
    number *= _MIX
    number ^= number >> _SHIFT
    return (number & np.uint64(BUCKETS - 1)).astype(np.int64)
