"""Words: how plausible a stretch of text is as ordinary language, and one key per English word form.

Mandarin has no spaces: whether "大麻" in "大麻烦" is the drug can only be said by asking which words the sentence is
more likely made of. ``log_probability`` answers with a unigram model over 300,000 words (Viterbi over word boundaries).
For English the same question is answered by a list of the commonest words.

Units are natural logarithms of relative frequency.
"""

from __future__ import annotations

import math
import re
from functools import cache, lru_cache
from importlib.resources import files
from itertools import chain

# Size of the corpus behind words_zh.txt, in words (sum of the counts in jieba's dict.txt).
CORPUS = 60_101_967
UNKNOWN = -16.0
LONGEST_WORD = 4
# An everyday English word, one of a dictionary, and any other (rough: one in 1,500, in 22,000, in a million).
COMMON_EN = -7.3
KNOWN_EN = -10.0
RARE_EN = -13.8
# Each letter more of a word in no dictionary makes it rarer.
LONG_EN = 8
LETTER_EN = -0.3


@cache
def frequencies() -> dict[str, float]:
    """Mandarin word of 1 to 4 characters -> log relative frequency."""
    data = files("models.text").joinpath("data")
    lists = (data.joinpath(name).read_text(encoding="utf-8") for name in ("words_zh.txt", "words_zh_later.txt"))
    table: dict[str, float] = {}
    for line in chain.from_iterable(map(str.splitlines, lists)):
        bucket, size, words = line.split("\t")
        step = int(size)
        log = int(bucket) / 2 * math.log(2) - math.log(CORPUS)
        for i in range(0, len(words), step):
            table[words[i : i + step]] = log
    for word in files("models.text").joinpath("data/words_spoken.txt").read_text(encoding="utf-8").split():
        # Everyday words that newspapers of 2013 lack; about 1,000 occurrences each.
        table[word] = max(table.get(word, UNKNOWN), math.log(1000) - math.log(CORPUS))
    return table


@cache
def common_english() -> frozenset[str]:
    """The commonest English words, without apostrophes."""
    return frozenset(files("models.text").joinpath("data/words_en.txt").read_text(encoding="utf-8").split())


@lru_cache(maxsize=1 << 15)
def segmentation(text: str, whole: tuple[int, int] | None = None) -> tuple[float, frozenset[int]]:
    """Log probability of the likeliest division of a run of Han characters into words, and where it divides.

    No word may hold the range ``whole`` and more: 枪支 in 枪支弹药 is still the word 枪支.
    """
    known = frequencies()
    best = [0.0] + [-math.inf] * len(text)
    back = [0] * (len(text) + 1)
    for end in range(1, len(text) + 1):
        for start in range(max(0, end - LONGEST_WORD), end):
            logp = known.get(text[start:end])
            if logp is None:
                if end - start > 1:
                    continue
                logp = UNKNOWN
            elif whole and start <= whole[0] and whole[1] <= end and (start, end) != whole:
                continue
            if best[start] + logp > best[end]:
                best[end], back[end] = best[start] + logp, start
    cuts, at = {0}, len(text)
    while at:
        cuts.add(at)
        at = back[at]
    return best[-1], frozenset(cuts)


def log_probability(text: str) -> float:
    """Log probability of the likeliest division of a run of Han characters; 0.0 for "" ."""
    return segmentation(text)[0]


@cache
def known_english() -> frozenset[str]:
    """Words of a small English dictionary, base forms of four letters and more."""
    return frozenset(files("models.text").joinpath("data/words_en_known.txt").read_text(encoding="utf-8").split())


@lru_cache(maxsize=1 << 15)
def english_log_probability(word: str) -> float:
    """Log probability of an English word by how usual it is, inflected forms included."""
    forms = (word, *inflection_stems(word))
    for listed, logp in ((common_english(), COMMON_EN), (known_english(), KNOWN_EN)):
        if any(form in listed for form in forms):
            return logp
    return RARE_EN


# --- one key per English word form ---------------------------------------------------------------------------

_LEET = str.maketrans("0134578@$!", "oieastbasi")
_RUN = re.compile(r"(.)\1+")
_LONG_RUN = re.compile(r"(.)\1{2,}")
_SUFFIXES = ("ings", "ing", "ers", "ies", "ied", "est", "er", "in", "ed", "es", "s", "y", "e")
# Stems shorter than this keep their suffix: "king" is not "k" + "ing".
_MIN_STEM = 3


def unleet(word: str) -> str:
    """Letters behind digits and signs: ``w3ch4t`` -> ``wechat``."""
    return word.translate(_LEET)


def squeeze(word: str) -> str:
    """Runs of a letter reduced to one: ``loooove`` -> ``love``, ``killing`` -> ``kiling``."""
    return _RUN.sub(r"\1", word)


def reduce_runs(word: str, limit: int) -> str:
    """Runs of three or more of a letter reduced to ``limit``: ``kiiill`` -> ``kill``."""
    return _LONG_RUN.sub(lambda m: m.group(1) * limit, word)


def stem(word: str) -> str:
    """Key shared by the inflected forms of a word; not a linguist's stem. Input lower-case letters."""
    squeezed = squeeze(word)
    doubled = len(squeezed) < len(word)
    if doubled:
        word = _LONG_RUN.sub(r"\1\1", word)
    if word.endswith(_SUFFIXES):
        for suffix in _SUFFIXES:
            if word.endswith(suffix) and len(word) - len(suffix) >= _MIN_STEM:
                word = word[: -len(suffix)]
                break
        if word[-1] == "y" and len(word) > _MIN_STEM:  # burying, bury
            word = word[:-1]
    return squeeze(word) if doubled else word


def inflection_stems(word: str) -> tuple[str, ...]:
    """What a word may be a regular inflection of."""
    out = []
    for suffix in ("s", "es", "ed", "d", "ing", "er", "ers", "ly", "y"):
        if word.endswith(suffix) and len(word) - len(suffix) >= _MIN_STEM:
            base = word[: -len(suffix)]
            out += [base, base + "e"]
            if base[-1] == base[-2]:
                out.append(base[:-1])
    return tuple(out)


_ENDINGS = ("s", "es", "ed", "d", "ing", "in", "ings", "er", "ers", "r", "rs")
# Endings of a verb: "selling drugs" is found in "sells drugs", but "hookers" not in "hooked".
_VERBAL = ("s", "es", "ed", "ing")
# Endings that an entry may have lost in what was said: "betting site" is found in "bet site", "hookers" not in "hook".
_SHEDDABLE = ("s", "es", "ed", "d", "ing")


@lru_cache(maxsize=1 << 14)
def inflects(form: str, base: str) -> bool:
    """Whether ``form`` is the word ``base`` of an entry or one of its regular inflections."""
    if form == base:
        return True
    endings: tuple[str, ...] = _ENDINGS
    if len(form) < len(base):
        form, base, endings = base, form, _SHEDDABLE
    if len(base) < _MIN_STEM:
        return form == base + "s" and len(base) > 1
    for ending in endings:
        if len(base) == _MIN_STEM and ending in {"er", "ers", "in", "r", "rs", "d"}:
            continue
        if form in {base + ending, base + base[-1] + ending}:
            return True
        if base[-1] == "e" and ending[0] in "ei" and form == base[:-1] + ending:
            return True
        if base[-1] == "y" and ending in {"es", "ed", "er", "ers"} and form == base[:-1] + "i" + ending:
            return True
    return not _verbs(form).isdisjoint(_verbs(base))


def _verbs(form: str) -> frozenset[str]:
    """English verbs of which a word may be an inflected form."""
    bases = {form[: -len(e)] for e in _VERBAL if form.endswith(e)}
    bases |= {b + "e" for b in bases} | {b[:-1] for b in bases if b[-2:-1] == b[-1:]}
    return frozenset(b for b in bases if len(b) >= _MIN_STEM and (b in known_english() or b in common_english()))


VOWEL_EDIT = 0.6
VOICED_EDIT = 0.9
SONORANT_DROP = 1.0
CONSONANT_EDIT = 1.5
_SOFT = "aeiouyhw"
_VOICED_PAIRS = frozenset({"bp", "dt", "gk", "vf", "zs", "jC", "mn", "lr"})
_DIGRAPHS = re.compile(r"ph|ck|gh|wh|kn|wr|sch|tch|sh|ch|th|qu|x|dge?(?=[eiy])|c(?=[eiy])")
_DIGRAPH_SOUND = {"ph": "f", "ck": "k", "gh": "g", "wh": "w", "kn": "n", "wr": "r", "sch": "sk", "tch": "C", "sh": "C",
                  "ch": "C", "th": "t", "qu": "k", "x": "ks", "dg": "j", "dge": "j", "c": "s"}  # fmt: skip
_HEARD = str.maketrans("cqz", "kks")
_SOUND = str.maketrans("bcdfgjklmnpqrstvz", "pktfkCklmnpklstfs", "aeiouyhw")


def skeleton(word: str) -> str:
    """Consonants as heard, voiced and voiceless merged, vowels dropped: ``telegram`` -> ``tlklm``.

    A rough phonetic key in the manner of Metaphone; it only proposes, ``heard_distance`` decides.
    """
    return squeeze(_DIGRAPHS.sub(lambda m: _DIGRAPH_SOUND[m.group()], word).translate(_SOUND))


def drop_cost(char: str) -> float:
    """Cost of a sound that is heard where none was said, or the other way round."""
    return VOWEL_EDIT if char in _SOFT else SONORANT_DROP if char in "lmnr" else CONSONANT_EDIT


def substitution(left: str, right: str) -> float:
    """Cost of hearing one sound for another."""
    if left == right:
        return 0.0
    if left in _SOFT and right in _SOFT:
        return VOWEL_EDIT
    return VOICED_EDIT if left + right in _VOICED_PAIRS or right + left in _VOICED_PAIRS else CONSONANT_EDIT


def sounded(word: str) -> str:
    """A word with its consonants as heard and its vowels kept, for the weighted distance."""
    return squeeze(_DIGRAPHS.sub(lambda m: _DIGRAPH_SOUND[m.group()], word).translate(_HEARD))


@lru_cache(maxsize=1 << 16)
def _vowels(word: str) -> str:
    return "".join([c for c in sounded(word) if c in _SOFT])


@lru_cache(maxsize=1 << 16)
def _edits(left: str, right: str) -> int:
    """Levenshtein distance."""
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]


def least_distance(left: str, right: str) -> float:
    """Lower bound of ``heard_distance``, from the vowels alone: soon said, as words have few patterns of them."""
    return VOWEL_EDIT * _edits(_vowels(left), _vowels(right))


@lru_cache(maxsize=1 << 14)
def heard_distance(left: str, right: str) -> float:
    """Weighted Levenshtein distance of two words as heard: vowels and silent letters are cheap, consonants are not."""
    left, right = sounded(left), sounded(right)
    insert = [drop_cost(c) for c in right]
    row = [0.0]
    for cost in insert:
        row.append(row[-1] + cost)
    for a in left:
        drop = drop_cost(a)
        previous, row[0] = row[0], row[0] + drop
        for j, b in enumerate(right, 1):
            previous, row[j] = row[j], min(row[j] + drop, row[j - 1] + insert[j - 1], previous + substitution(a, b))
    return row[-1]
