"""Forms: the strings under which an entry is put into the automaton.

Expansion happens on the entry's side, once, so that a text needs only a few streams. A form belongs to one
stream (see models.text.streams) and is made of pieces; a piece says which part of the entry it stands for and how.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple

from models.lexicon.entries import Entry
from models.text import pinyin, words
from models.text.fold import fold
from models.text.streams import Token, streams, tokenise
from models.text.variants import FILLER_VARIANT

# Bounds on expansion: an entry with many heteronyms must not fill the automaton.
MAX_SOUND_FORMS = 8
MAX_FORMS = 72
_LONGEST_MIXED = 4
_LONGEST_INITIALS = 8
_MIN_INITIALS = 3
_MIN_SKELETON = 2
_MIN_SQUEEZED = 3
MIN_NAME = 6
# Two of the entry's everyday words and the name that they make expected.
MIN_TOKENS_AROUND = 3
# Two-letter abbreviations that everybody reads as the phrase; others are too often something else.
_KNOWN_PAIRS = {"wx": "微信", "vx": "微信", "sb": "傻逼", "nt": "脑瘫", "yp": "约炮"}


class Piece(NamedTuple):
    """Part of a form: the key characters, what they stand for, and how.

    ``text`` is the entry's character or word; of an alias, the alias itself, whose characters must then be there.
    """

    key: str
    text: str
    how: str  # "sound", "letters", "digit", "initial" or "alias"


class Form(NamedTuple):
    """A key for the automaton: the stream it is sought in, and its pieces (only for sounds)."""

    stream: str  # "x", "p", "q", "s", or "n": s of an entry whose own everyday words may say which name is meant
    key: str
    pieces: tuple[Piece, ...] = ()
    # Of an entry with a filler word in it, the entry without: what is left of it in a text without fillers.
    stripped: str = ""


@cache
def aliases() -> dict[str, tuple[str, ...]]:
    """Name of a service, folded -> what people write for it."""
    table: dict[str, tuple[str, ...]] = {}
    data = files("models.lexicon").joinpath("data/aliases.txt").read_text(encoding="utf-8")
    for line in data.splitlines():
        if line and not line.startswith("#"):
            name, others = line.split(":")
            table[fold(name.strip())] = tuple(fold(o) for o in others.split())
    return table


def forms(entry: Entry) -> tuple[Form, ...]:
    """Every form of an entry, without repeats; pattern entries have none."""
    if "pattern" in entry.match:
        return ()
    made = itertools.islice(_forms(entry), MAX_FORMS)
    return tuple(dict.fromkeys(form for form in made if form.key.strip()))


@lru_cache(maxsize=1 << 16)
def form_of(entry: Entry, number: int) -> Form:
    """One of the ``forms`` of an entry, made again."""
    seen: set[Form] = set()
    for form in itertools.islice(_forms(entry), MAX_FORMS):
        if form.key.strip() and form not in seen:
            if len(seen) == number:
                return form
            seen.add(form)
    raise IndexError(number)


def _forms(entry: Entry) -> Iterator[Form]:
    folded = fold(entry.text)
    bare = FILLER_VARIANT.apply(folded)
    if bare != folded and len(tokenise(bare)) > 1:
        if _sounds_suffice(entry, tokenise(bare)):
            for form in _sound_forms(tokenise(bare)):
                yield form._replace(stripped=bare)
        else:
            yield Form("x", streams(bare).x, stripped=bare)
    tokens = tokenise(folded)
    latin = all(t.kind == "w" for t in tokens)
    if not _sounds_suffice(entry, tokens):
        yield Form("x", streams(folded).x)
    if latin:
        yield from _latin_forms(entry, tokens)
        yield from _alias_forms(entry, folded)
        return
    if len(tokens) > 1 and any(t.kind == "h" for t in tokens):
        if "phonetic" in entry.match:
            yield from _sound_forms(tokens)
        elif any(t.kind == "w" for t in tokens):
            # Mixed entries are also sought without their spaces, so that spelled letters are found.
            yield from itertools.islice(_sound_forms(tokens), 1)
        yield from _alias_forms(entry, folded)
        if "initials" in entry.match:
            yield from _initial_forms(folded, tokens)


def _sounds_suffice(entry: Entry, tokens: list[Token]) -> bool:
    """Whether the entry's own characters are found by their sounds already: the usual reading is always a form."""
    return "phonetic" in entry.match and len(tokens) > 1 and all(t.kind == "h" and _sounds_of(t) for t in tokens)


def _latin_forms(entry: Entry, tokens: list[Token]) -> Iterator[Form]:
    letters = "".join(t.text for t in tokens)
    if len(letters) >= _MIN_SQUEEZED:
        yield Form("q", words.squeeze(letters))
    if "phonetic" in entry.match:
        names = [t for t in tokens if is_name(t)]
        sounds = words.squeeze("".join(t.word.s for t in tokens if t.word))
        if names and len(sounds) >= _MIN_SKELETON + (len(tokens) > 1):
            yield Form("s" if len(tokens) < MIN_TOKENS_AROUND else "n", sounds)
    if "phonetic" in entry.match or "initials" in entry.match:
        spoken = [pinyin.split_pinyin(t.text) for t in tokens]
        if all(spoken) and sum(map(len, spoken)) > 1:
            # An entry written in pinyin is also found in characters.
            code = pinyin.codes()
            pieces = tuple(Piece(code[s], s, "sound") for word in spoken for s in word)
            yield Form("p", "".join(p.key for p in pieces), pieces)


def is_name(token: Token) -> bool:
    """Whether a Latin word may be misheard: a name of a substance, a service…, no everyday word, and long enough."""
    return token.word is not None and not token.word.common and len(token.text) >= MIN_NAME


def is_abbreviation(form: Form) -> bool:
    """Whether a form is Latin letters for Han characters, and no name of its own: it has no Latin word beside it."""
    return bool(form.pieces) and form.key.isascii() and all(piece.how != "alias" for piece in form.pieces)


def _sounds_of(token: Token) -> list[Piece]:
    """Ways in which one token of an entry sounds."""
    code = pinyin.codes()
    if token.kind == "d":
        return [Piece(code[s], token.text, "digit") for s in pinyin.DIGIT_SOUNDS.get(token.text, ())]
    if token.kind == "w":
        return [Piece(token.text, token.text, "letters")]
    keys = dict.fromkeys(code[r[:-1]] for r in pinyin.readings().get(token.text, ()))
    return [Piece(k, token.text, "sound") for k in keys]


def _product(choices: Iterable[list[Piece]]) -> Iterator[Form]:
    for pieces in itertools.product(*choices):
        yield Form("p", "".join(p.key for p in pieces), pieces)


def _sound_forms(tokens: list[Token]) -> Iterator[Form]:
    yield from itertools.islice(_product([_sounds_of(t) for t in tokens]), MAX_SOUND_FORMS)


def _initial_pieces(token: Token) -> list[Piece]:
    return [Piece(letter, token.text, "initial") for letter in pinyin.initial_letters(token.text)]


def _initial_forms(folded: str, tokens: list[Token]) -> Iterator[Form]:
    """Whole abbreviations (jwx), and for short entries any stretch abbreviated (加wx, jia w信)."""
    size = len(tokens)
    if size > _LONGEST_INITIALS:
        return
    usual = [_sounds_of(t)[:1] for t in tokens]
    letters = [_initial_pieces(t) if t.kind == "h" else _sounds_of(t)[:1] for t in tokens]
    if not all(letters):
        return
    for form in itertools.islice(_product(letters), 6):
        if sum(t.kind == "h" for t in tokens) >= _MIN_INITIALS or _KNOWN_PAIRS.get(form.key) == folded:
            yield form
    if size > _LONGEST_MIXED:
        return
    for mask in range(1, 2**size - 1):
        if size == 4 and mask.bit_count() == 3 and mask not in {0b0111, 0b1110}:
            continue
        chosen = [letters[i] if mask >> (size - 1 - i) & 1 else usual[i] for i in range(size)]
        if any(tokens[i].kind == "h" and mask >> (size - 1 - i) & 1 for i in range(size)) and all(chosen):
            yield from itertools.islice(_product(chosen), 4)


def _alias_forms(entry: Entry, folded: str) -> Iterator[Form]:
    """The entry with the name of a service replaced by what people write for it."""
    if not {"initials", "phonetic"} & set(entry.match):
        return
    for name, others in aliases().items():
        at = folded.find(name)
        if at < 0:
            continue
        before, after = tokenise(folded[:at]), tokenise(folded[at + len(name) :])
        for other in others:
            if not before and not after and not _stands_alone(other):
                continue
            choices = [_sounds_of(t)[:1] for t in before]
            choices += [_alias_pieces(t) for t in tokenise(other)]
            choices += [_sounds_of(t)[:1] for t in after]
            if all(choices):
                yield from _product(choices)


def _stands_alone(alias: str) -> bool:
    """Whether an alias means the service without words around it: no ordinary word, no lone letter."""
    if alias.isascii():
        return len(alias) > 2 or alias in _KNOWN_PAIRS
    return not alias.isalpha() or (len(alias) > 1 and alias not in words.frequencies())


def _alias_pieces(token: Token) -> list[Piece]:
    code = pinyin.codes()
    if token.word is not None and token.word.sounds and not token.word.common:
        return [Piece("".join(code[s] for s in token.word.sounds), token.text, "alias")]
    return [Piece(p.key, token.text, "alias") for p in _sounds_of(token)[:1]]
