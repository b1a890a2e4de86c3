"""Streams: a folded text as the strings in which the automaton looks for entries.

    x  characters        Han and digits as they are, each Latin word as its stem between spaces:  "加我 wechat "
    p  sounds            one code per syllable (Han, digits, pinyin words), other Latin letters as they are, no spaces
    q  squeezed letters  the Latin letters of a stretch without Han, no spaces, runs reduced:     "adeonwechat"
    s  skeleton          the same words as consonants heard

``streams`` builds the strings for the hot path; models.text.traced builds the same with, per character, the token
it came from. Variants of a text (fillers dropped, second readings…) are streams of the rewritten text.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cache, cached_property, lru_cache
from itertools import accumulate, chain, pairwise
from typing import NamedTuple

from models.text import pinyin, words
from models.text.variants import FILLER_VARIANT, LIGHT_VARIANT

# A Latin word: letters, with digits and signs inside that may stand for letters.
_WORD = re.compile(r"([a-z0-9@$]*[a-z](?:[a-z0-9@$'’*!]*[a-z0-9$])?)")
_PIECES = re.compile(r"[a-z]+|[0-9]+")
_LATIN = re.compile(r"[a-z]")
_MIN_LEET = 3


class _KeepWordCharacters(dict[int, str]):
    """Translation table that drops whatever is neither letter nor digit."""

    def __missing__(self, code: int) -> str:
        kept = chr(code) if chr(code).isalnum() else ""
        if len(self) < 60_000:
            self[code] = kept
        return kept


_DROP = _KeepWordCharacters()


class Word(NamedTuple):
    """A Latin token (or the digits or letters of one) in its stream forms."""

    letters: str
    x: str
    q: str
    s: str
    sounds: tuple[str, ...]  # pinyin syllables, () if it is none
    common: bool  # an everyday English word
    unknown: bool  # in no dictionary, and more than a letter
    start: int  # offset in the token
    end: int


def _is_leet(token: str) -> bool:
    """Whether digits and signs in a token stand for letters: inside it and few, as in ``w3ch4t``, not ``vx9527``."""
    if len(token) < _MIN_LEET or not any(c in "0134578@$!" for c in token):
        return False
    letters = sum(c.isalpha() for c in token)
    runs = [len(r) for r in re.findall(r"[0-9]+", token)]
    if any(r > 2 for r in runs) or "2" in token or "6" in token or "9" in token:
        return False
    tail = re.search(r"[0-9]+$", token)
    if tail and (len(tail.group()) > 1 or letters < len(token) - letters + 2) and token[-2:] != "55":
        return False
    head = re.match(r"[0-9]+", token)
    return not (head and (len(head.group()) > 1 or letters < 2))


@lru_cache(maxsize=1 << 16)
def word_forms(token: str) -> tuple[Word, ...]:
    """Stream forms of one token: one word, or its letters and digits apart."""
    bare = token.replace("'", "").replace("’", "")
    if bare.isalpha():
        pieces = [(0, len(token), bare)]
    elif _is_leet(bare):
        pieces = [(0, len(token), words.unleet(bare).replace("*", ""))]
    else:
        pieces = [(m.start(), m.end(), m.group()) for m in _PIECES.finditer(token)]
    out = []
    for start, end, text in pieces:
        if text[0].isdigit():
            out.append(Word(text, text, "", "", (), False, False, start, end))
            continue
        sounds = pinyin.split_pinyin(text)
        usual = words.english_log_probability(text)
        common, unknown = usual == words.COMMON_EN, usual == words.RARE_EN and len(text) > 1
        squeezed = words.squeeze(text)
        key = words.skeleton(squeezed)
        out.append(Word(text, words.stem(text), squeezed, key, sounds, common, unknown, start, end))
    return tuple(out)


class _Piece(NamedTuple):
    """What a word, or the characters between two words, adds to each stream."""

    x: str
    p: str
    q: str
    s: str
    spoken: str  # instead of p where some word of the text is pinyin
    pinyin: bool  # pinyin, and no everyday English word
    unknown: bool
    filler: bool  # a hesitation that a text may be read without
    light: bool  # that, or a word that may be slipped in
    word: Word | None


@lru_cache(maxsize=1 << 16)
def _pieces(token: str) -> tuple[_Piece, ...]:
    """Stream contributions of each word of one token."""
    code = pinyin.codes()
    out = []
    for word in word_forms(token):
        if word.letters[0].isdigit():
            out.append(_Piece(word.x, word.letters, "|", "|", word.letters, False, False, False, False, word))
        else:
            spoken = "".join(code[s] for s in word.sounds) or word.letters
            is_pinyin = bool(word.sounds) and not word.common
            filler, light = (v.takes(word.letters) for v in (FILLER_VARIANT, LIGHT_VARIANT))
            kinds = (is_pinyin, word.unknown, filler, light)
            out.append(_Piece(f" {word.x} ", word.letters, word.q, word.s, spoken, *kinds, word))
    return tuple(out)


# What may stand between words and says nothing in any stream.
_PLAIN_GAPS = frozenset({"", " ", "  ", ", "})


@cache
def reading_codes(second: bool) -> dict[int, str]:
    """``str.translate`` table from characters to sounds; ``second``: heteronyms by their second reading."""
    usual, others = pinyin.code_tables()
    return {**usual, **others} if second else usual


class Streams:
    """The strings of one text; q and s are empty without Latin letters.

    Where the words stand in them is worked out when it is first asked for: most texts have no key in any stream.
    """

    def __init__(
        self,
        x: str,
        p: str,
        q: str,
        s: str,
        chars: str,
        pieces: Sequence[_Piece] = (),
        spoken: bool = False,
        has_unknown: bool = False,
        has_filler: bool = False,
        has_light: bool = False,
    ) -> None:
        self.x, self.p, self.q, self.s = x, p, q, s
        self.chars = chars
        """What p is made of, before characters become sounds."""
        self.has_words, self.has_unknown = bool(pieces), has_unknown
        self.only_words = chars.isascii() and chars.isalpha()
        self._pieces, self._spoken = pieces, spoken
        self._has_filler, self._has_light = has_filler, has_light

    def without_fillers(self) -> Streams | None:
        """The streams of the text without its fillers, which are words of their own; None if it has none."""
        kept = [piece for piece in self._pieces if not piece.filler] if self._has_filler else []
        return _joined(kept, False, True) if kept else None

    def without_light_words(self) -> Streams | None:
        """The same without light words as well, and without q and s; None if it has none but fillers."""
        kept = [piece for piece in self._pieces if not piece.light] if self._has_light else []
        return _joined(kept, False, False) if kept else None

    @cached_property
    def words(self) -> list[Word]:
        """The Latin words, in order."""
        return [piece.word for piece in self._pieces if piece.word and piece.word.q]

    def words_in_x(self, start: int, end: int) -> list[str]:
        """Latin words of a range of x that begins and ends with words; "" for what is none."""
        pieces = self._pieces[bisect_left(self._x_starts, start) : bisect_left(self._x_starts, end - 1)]
        return [piece.word.letters if piece.word and piece.word.q else "" for piece in pieces]

    @cached_property
    def _x_starts(self) -> list[int]:
        starts, end, spaced = [], 0, False
        for piece in self._pieces:
            starts.append(end - (spaced and piece.x[0] == " "))  # two words share the space between them
            end, spaced = starts[-1] + len(piece.x), piece.x[-1] == " "
        return starts

    @cached_property
    def p_edges(self) -> list[int]:
        """Where words begin and end in p, save after the last."""
        return [0, *accumulate(len(piece.spoken if self._spoken else piece.p) for piece in self._pieces)]

    @cached_property
    def q_edges(self) -> list[int]:
        """Where words begin and end in q."""
        return [0, *_ends([piece.q for piece in self._pieces])]

    @cached_property
    def q_ends(self) -> list[int]:
        """Where each of the words ends in q."""
        return [end for end, piece in zip(self.q_edges[1:], self._pieces, strict=True) if piece.word and piece.word.q]

    @cached_property
    def s_edges(self) -> list[int]:
        """Where words begin and end in s."""
        return [0, *_ends([piece.s for piece in self._pieces])]

    @cached_property
    def s_ends(self) -> list[int]:
        """Where each of the words ends in s."""
        ends = self.s_edges[1:]
        return [end for end, piece in zip(ends, self._pieces, strict=True) if piece.word and piece.word.q]

    @cached_property
    def unknown(self) -> list[tuple[int, int]]:
        """Ranges of s that are words of no dictionary."""
        ranges = zip(self._pieces, pairwise(self.s_edges), strict=True)
        return [place for piece, place in ranges if piece.unknown]


def _ends(pieces: Sequence[str]) -> Iterator[int]:
    """Where each piece ends in their squeezed sequence: a letter that ends one and begins the next stands once."""
    end, last = 0, ""
    for piece in pieces:
        end += len(piece) - (piece[:1] == last and bool(piece))
        last = piece[-1:] or last
        yield end


def streams(folded: str, second: bool = False, letters: bool = True) -> Streams:
    """Streams of a folded text; ``second``: heteronyms by their second reading; without ``letters``, no q and s."""
    if not _LATIN.search(folded):
        x = folded.translate(_DROP)
        return Streams(x, x.translate(reading_codes(second)), "", "", x)
    parts = _WORD.split(folded)
    pieces: list[_Piece] = []
    if _PLAIN_GAPS.issuperset(parts[::2]):
        pieces.extend(chain.from_iterable(map(_pieces, parts[1::2])))
    else:
        for i, part in enumerate(parts):
            if i % 2:
                pieces += _pieces(part)
            elif part not in _PLAIN_GAPS and (gap := part.translate(_DROP)):
                pieces.append(_Piece(gap, gap, "|", "|", gap, False, False, False, False, None))
    return _joined(pieces, second, letters)


def _joined(pieces: Sequence[_Piece], second: bool, letters: bool) -> Streams:
    xs, ps, qs, ss, spoken, pinyins, unknown, fillers, light, _ = zip(*pieces, strict=True)
    is_pinyin = any(pinyins)
    x, chars = "".join(xs).replace("  ", " "), "".join(spoken if is_pinyin else ps)
    q, s = (words.squeeze("".join(qs)), words.squeeze("".join(ss))) if letters else ("", "")
    p = chars.translate(reading_codes(second))
    return Streams(x, p, q, s, chars, pieces, is_pinyin, any(unknown), any(fillers), light != fillers)


class Token(NamedTuple):
    """A unit of text: one Han character, one digit, or one Latin word; range in the traced text."""

    text: str
    kind: str  # "h", "d" or "w"
    start: int
    end: int
    word: Word | None


def tokenise(text: str) -> list[Token]:
    """Tokens of a folded text, in order."""
    tokens: list[Token] = []
    position = 0
    for match in _WORD.finditer(text):
        _loose(text, position, match.start(), tokens)
        for word in word_forms(match.group()):
            start, end = match.start() + word.start, match.start() + word.end
            if word.letters[0].isdigit():
                _loose(text, start, end, tokens)
            else:
                tokens.append(Token(word.letters, "w", start, end, word))
        position = match.end()
    _loose(text, position, len(text), tokens)
    return tokens


def _loose(text: str, start: int, end: int, out: list[Token]) -> None:
    """Single-character tokens of a stretch without Latin words."""
    for i, char in enumerate(text[start:end], start):
        if char.isalnum():
            out.append(Token(char, "d" if char.isdigit() else "h", i, i + 1, None))


def speaks_pinyin(text: str) -> bool:
    """Whether some word of a text is pinyin, and no everyday English word."""
    return any(piece.pinyin for match in _WORD.finditer(text) for piece in _pieces(match.group()))
