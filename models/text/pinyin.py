"""Mandarin sounds: readings of characters, confusable syllables, and the one-character codes of the automaton.

A syllable is written without tone (``xin``). Syllables that speakers and recognisers mix up share one *class*, and each
class has one private-use character, its *code*, so that a sentence becomes a string of sounds with one
``str.translate``. Classes are broad on purpose: they only find candidates. ``sound_cost`` then says how far
two syllables really are from each other.

Confusion sets: the retroflex pairs, n/l and the nasal finals are those of Mandarin textbooks on dialectal accents; f/h
before u and r/l are southern; eng/ong is eastern.
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files

_INITIALS = (
    "zh",
    "ch",
    "sh",
    "b",
    "p",
    "m",
    "f",
    "d",
    "t",
    "n",
    "l",
    "g",
    "k",
    "h",
    "j",
    "q",
    "x",
    "r",
    "z",
    "c",
    "s",
    "y",
    "w",
)
# f before a vowel sounds like hu before it, where the two are confused.
_F_AS_HU = {
    "fa": "hua",
    "fan": "huan",
    "fang": "huang",
    "fei": "hui",
    "fen": "hun",
    "feng": "hong",
    "fo": "huo",
    "fu": "hu",
    "fou": "hou",
}
_MERGED_INITIAL = {"zh": "z", "ch": "c", "sh": "s", "n": "l", "r": "l"}
_MERGED_FINAL = {"ang": "an", "eng": "en", "ing": "in", "iang": "ian", "uang": "uan", "ong": "en", "un": "en"}
_INITIAL_COST = {frozenset(p): c for p, c in (
    (("zh", "z"), 0.9), (("ch", "c"), 0.9), (("sh", "s"), 0.9), (("n", "l"), 1.2), (("r", "l"), 1.8),
    (("n", "r"), 3.0))}  # fmt: skip
_FINAL_COST = {frozenset(p): c for p, c in (
    (("an", "ang"), 1.0), (("en", "eng"), 0.8), (("in", "ing"), 0.8), (("ian", "iang"), 1.5), (("uan", "uang"), 1.2),
    (("eng", "ong"), 1.5), (("en", "ong"), 3.5), (("un", "ong"), 2.5), (("un", "en"), 3.0),
    (("un", "eng"), 3.5))}  # fmt: skip
_F_H_COST = 1.6
FIRST_CODE = 0xE000
DIGIT_SOUNDS: dict[str, tuple[str, ...]] = {
    "0": ("ling",), "1": ("yi", "yao"), "2": ("er",), "3": ("san",), "4": ("si",), "5": ("wu",), "6": ("liu",),
    "7": ("qi",), "8": ("ba",), "9": ("jiu",)}  # fmt: skip


@cache
def readings() -> dict[str, tuple[str, ...]]:
    """Character -> readings with tone digit, the usual one first, such as ``("hang2", "xing2")``; 0 is neutral."""
    data = files("models.text").joinpath("data/readings.txt").read_text(encoding="utf-8")
    table: dict[str, tuple[str, ...]] = {}
    for line in data.splitlines():
        sounds, chars = line.split("\t")
        table.update(dict.fromkeys(chars, tuple(sounds.split(" "))))
    return table


@cache
def syllables() -> frozenset[str]:
    """Every toneless syllable that some character has, ü written v."""
    return frozenset(sound[:-1] for sounds in readings().values() for sound in sounds)


def parts(syllable: str) -> tuple[str, str]:
    """Initial (may be empty) and final of a toneless syllable."""
    for initial in _INITIALS:
        if syllable.startswith(initial):
            return initial, syllable[len(initial) :]
    return "", syllable


@lru_cache(maxsize=1024)
def sound_class(syllable: str) -> str:
    """Name of the class of syllables that may be confused with this one."""
    initial, final = parts(_F_AS_HU.get(syllable, syllable))
    return _MERGED_INITIAL.get(initial, initial) + _MERGED_FINAL.get(final, final)


@cache
def codes() -> dict[str, str]:
    """Toneless syllable -> private-use character of its class."""
    names = sorted({sound_class(s) for s in syllables()})
    number = {name: chr(FIRST_CODE + i) for i, name in enumerate(names)}
    return {s: number[sound_class(s)] for s in syllables()}


@cache
def code_tables() -> tuple[dict[int, str], dict[int, str]]:
    """``str.translate`` tables from characters and digits to codes: usual readings, and second readings.

    The second table holds only characters whose second reading falls in another class.
    """
    code = codes()
    first: dict[int, str] = {ord(d): code[sounds[0]] for d, sounds in DIGIT_SOUNDS.items()}
    second: dict[int, str] = {}
    for char, sounds in readings().items():
        first[ord(char)] = code[sounds[0][:-1]]
        others = [code[s[:-1]] for s in sounds[1:] if code[s[:-1]] != first[ord(char)]]
        if others:
            second[ord(char)] = others[0]
    return first, second


@lru_cache(maxsize=1 << 16)
def sound_cost(left: str, right: str) -> float | None:
    """Distance of two toneless syllables: 0 the same, up to about 4 confusable, None unrelated."""
    if left == right:
        return 0.0
    cost = 0.0
    if left.startswith("f") != right.startswith("f"):
        cost += _F_H_COST
        left, right = _F_AS_HU.get(left, left), _F_AS_HU.get(right, right)
    (li, lf), (ri, rf) = parts(left), parts(right)
    if li != ri:
        initial = _INITIAL_COST.get(frozenset((li, ri)))
        if initial is None:
            return None
        cost += initial
    if lf != rf:
        final = _FINAL_COST.get(frozenset((lf, rf)))
        if final is None:
            return None
        cost += final
    return cost


@cache
def _last_letters() -> frozenset[str]:
    """Letters in which a syllable may end: most English words end in another."""
    return frozenset(syllable[-1] for syllable in syllables())


@lru_cache(maxsize=1 << 14)
def split_pinyin(word: str) -> tuple[str, ...]:
    """Syllables of a lower-case Latin word if it is pinyin throughout, longest first; () otherwise.

    Single letters are not taken for syllables: in writing they are initials far more often.
    """
    if not 2 <= len(word) <= 40 or word[-1] not in _last_letters():
        return ()
    known = syllables()
    best: list[tuple[str, ...] | None] = [()] + [None] * len(word)
    for end in range(1, len(word) + 1):
        for start in range(max(0, end - 6), end):
            head = best[start]
            piece = word[start:end]
            # A lone vowel inside a word makes almost any English word "pinyin".
            if head is None or piece not in known or (len(piece) == 1):
                continue
            current = best[end]
            if current is None or len(head) + 1 < len(current):
                best[end] = (*head, piece)
    return best[len(word)] or ()


def initial_letters(char: str) -> tuple[str, ...]:
    """Letters that stand for a character in abbreviations: its pinyin initial, and v where that is w."""
    letters: list[str] = []
    for sound in readings().get(char, ()):
        letter = sound[0]
        if letter not in letters:
            letters.append(letter)
        if letter == "w" and "v" not in letters:
            letters.append("v")
    return tuple(letters)
