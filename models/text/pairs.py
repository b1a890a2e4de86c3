"""Word pairs: how fluent a run of Han characters is as Mandarin.

A bigram model, where models.text.words has a unigram one: it knows that 载了 and 交给 are said, and that 思你 is not.
It is asked only of the few places at which an entry may have been heard, so it stays as it comes from its file, one
string of followers a word, and takes no more memory than that.

``data/pairs_zh.txt`` has a line a word: the word, its log probability, and the words likelier after it than elsewhere,
each with a sign for by how much; both in steps of half a nat (see models.text.build_pairs).
"""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

from models.text.words import LONGEST_WORD

PAIRS = Path(__file__).parent / "data" / "pairs_zh.txt"
STEP = 0.5
# The sign for a gain of 0.
FIRST_STEP = ord("!")
# Log probability of a character that the table lacks.
UNKNOWN = -17.0


@cache
def _table() -> dict[str, tuple[float, str]]:
    """Word -> log probability, and its followers, each with its sign."""
    table: dict[str, tuple[float, str]] = {}
    for line in PAIRS.read_text(encoding="utf-8").splitlines():
        word, step, followers = line.split("\t")
        table[word] = (-STEP * int(step), followers)
    return table


def gain(followers: str, word: str) -> float:
    """By how much likelier a word is among the followers of another than elsewhere, in nats."""
    at = followers.find(word)
    while at >= 0:
        end = at + len(word)
        if (at == 0 or followers[at - 1].isascii()) and followers[end].isascii():
            return STEP * (ord(followers[end]) - FIRST_STEP)
        at = followers.find(word, at + 1)
    return 0.0


@lru_cache(maxsize=1 << 14)
def fluency(text: str) -> float:
    """Log probability of the likeliest division of a run of Han characters into words; 0.0 for "" ."""
    table = _table()
    # Per place: each word that may end there, with the best sum so far and the followers of the word.
    best: list[list[tuple[float, str]]] = [[(0.0, "")], *([] for _ in text)]
    for start in range(len(text)):
        for end in range(start + 1, min(start + LONGEST_WORD, len(text)) + 1):
            word = text[start:end]
            known = table.get(word)
            if known is None:
                if end - start > 1:
                    continue
                known = (UNKNOWN, "")
            usual, followers = known
            total = max(before + gain(others, word) for before, others in best[start])
            best[end].append((total + usual, followers))
    return max(total for total, _ in best[-1])
