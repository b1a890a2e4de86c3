"""Our own examples: lines with alternatives, made into sentences; and what recognised speech does to a sentence."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from models.classifier.features import normalised
from models.text import pinyin, words

_ALTERNATIVES = re.compile(r"\[([^\]]*)\]")
PER_LINE = 24
# Share of the characters of a sentence that a homophone replaces, and of the English words that change.
ZH_ERRORS = 0.12
EN_ERRORS = 0.06
_EN_HEARD = {
    "you re": "your", "youre": "your", "your": "you re", "there": "their", "their": "there", "to": "two", "too": "to",
    "for": "four", "i ll": "all", "ill": "i will", "gonna": "going to", "wanna": "want to", "are": "our", "of": "off",
    "know": "no", "right": "write", "would": "wood", "hear": "here", "an": "and", "in": "and", "buy": "by",
    "whole": "hole", "its": "it is", "im": "i am", "dont": "don t", "then": "than", "break": "brake", "meat": "meet",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Example:
    """A normalised sentence, the head it is an example of ("innocent" for none), and the line that it was made from."""

    text: str
    head: str
    line: int


def expand(line: str, chance: random.Random, limit: int = PER_LINE) -> list[str]:
    """At most ``limit`` distinct sentences of a line, drawn evenly from its alternatives."""
    slots = [part.split("|") for part in _ALTERNATIVES.findall(line)]
    frame = _ALTERNATIVES.sub("\0", line).split("\0")
    found: dict[str, None] = {}
    for _ in range(limit * 4):
        chosen = [chance.choice(slot) for slot in slots]
        found[normalised("".join(a + b for a, b in zip(frame, [*chosen, ""], strict=True)))] = None
        if len(found) == limit:
            break
    return list(found)


def examples(language: str, seed: int = 0) -> list[Example]:
    """Training examples of a language. The same seed makes the same sentences."""
    chance = random.Random(seed)
    out: list[Example] = []
    number = 0
    for head, lines in _read(f"{language}.yaml").items():
        for line in lines:
            number += 1
            out += [Example(text, head, number) for text in expand(line, chance)]
    return out


def held_out(language: str) -> dict[str, list[str]]:
    """Head (or "innocent") -> normalised sentences that are never trained or tuned on."""
    return {head: [normalised(text) for text in texts] for head, texts in _read("heldout.yaml")[language].items()}


def group_sentences(language: str) -> Iterator[tuple[str, str]]:
    """(name of a group, normalised sentence that only names it)."""
    groups = _read("heldout.yaml")["groups"][language]
    for name in groups["names"]:
        for frame in groups["frames"]:
            yield name, normalised(frame.replace("{group}", name))


def misheard(text: str, language: str, chance: random.Random) -> str:
    """The sentence as a recogniser may write it: homophones of a usual kind, a word dropped or cut."""
    if language == "en":
        return " ".join(_misheard_word(word, chance) for word in text.split()).strip()
    return "".join(_homophone(char, chance) if chance.random() < ZH_ERRORS else char for char in text)


def _misheard_word(word: str, chance: random.Random) -> str:
    if chance.random() >= EN_ERRORS * (4 if word in _EN_HEARD else 1):
        return word
    if word in _EN_HEARD:
        return _EN_HEARD[word]
    return "" if chance.random() < 0.3 else word[:-1] if word.endswith(("s", "d", "g")) and len(word) > 3 else word


@cache
def _same_sound() -> dict[str, tuple[list[str], list[float]]]:
    """Toneless syllable -> the characters read so, and how usual each is as a word."""
    table: dict[str, tuple[list[str], list[float]]] = {}
    frequencies = words.frequencies()
    for char, sounds in pinyin.readings().items():
        if char in frequencies:
            chars, weights = table.setdefault(sounds[0][:-1], ([], []))
            chars.append(char)
            # The root flattens: a recogniser writes 的 often, but not for every "de".
            weights.append(2.718281828 ** (frequencies[char] / 2))
    return table


def _homophone(char: str, chance: random.Random) -> str:
    sounds = pinyin.readings().get(char)
    found = _same_sound().get(sounds[0][:-1]) if sounds else None
    return chance.choices(*found)[0] if found else char


def _read(name: str) -> Any:
    text = files("models.training").joinpath("examples").joinpath(name).read_text(encoding="utf-8")
    return yaml.safe_load(text)
