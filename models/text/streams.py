"""Streams: a folded text as the strings in which the automaton looks for entries.

    x  characters        Han and digits as they are, each Latin word as its stem between spaces:  "加我 wechat "
    p  sounds            one code per syllable (Han, digits, pinyin words), other Latin letters as they are, no spaces
    q  squeezed letters  the Latin letters of a stretch without Han, no spaces, runs reduced:     "adeonwechat"
    s  skeleton          the same words as consonants heard

``streams`` builds the strings for the hot path; ``trace_streams`` builds the same with, per character, the token
it came from. Variants of a text (fillers dropped, second readings…) are streams of the rewritten text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

from models.text import pinyin, words
from models.text.fold import Traced

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
            out.append(Word(text, text, "", "", (), False, start, end))
            continue
        sounds = pinyin.split_pinyin(text)
        common = words.english_log_probability(text) == words.COMMON_EN
        squeezed = words.squeeze(text)
        out.append(Word(text, words.stem(text), squeezed, words.skeleton(squeezed), sounds, common, start, end))
    return tuple(out)


@lru_cache(maxsize=1 << 16)
def _pieces(token: str, as_pinyin: bool) -> tuple[tuple[str, str, str, str, Word], ...]:
    """x, p, q and s contributions of each word of one token, and the word."""
    code = pinyin.codes()
    out = []
    for word in word_forms(token):
        if word.letters[0].isdigit():
            out.append((word.x, word.letters, "|", "|", word))
        else:
            sounds = "".join(code[s] for s in word.sounds) if as_pinyin else ""
            out.append((f" {word.x} ", sounds or word.letters, word.q, word.s, word))
    return tuple(out)


@lru_cache(maxsize=1 << 16)
def _speaks_pinyin(token: str) -> bool:
    """Whether a token is pinyin and no everyday English word."""
    return any(w.sounds and not w.common for w in word_forms(token))


@cache
def _codes(second: bool) -> dict[int, str]:
    usual, others = pinyin.code_tables()
    return {**usual, **others} if second else usual


class Streams(NamedTuple):
    """The strings of one text; q and s are empty without Latin letters.

    ``words`` are the Latin words in order, the ``ends`` say where each of them ends in p, q and s, and so where words
    begin, save after what is no word.
    """

    x: str
    p: str
    q: str
    s: str
    words: Sequence[Word] = ()
    edges: tuple[Sequence[int], Sequence[int], Sequence[int]] = ((), (), ())
    s_ends: Sequence[int] = ()


def streams(folded: str, second: bool = False, letters: bool = True) -> Streams:
    """Streams of a folded text; ``second``: heteronyms by their second reading; without ``letters``, no q and s."""
    first = _codes(second)
    if not _LATIN.search(folded):
        x = folded.translate(_DROP)
        return Streams(x, x.translate(first), "", "")
    parts = _WORD.split(folded)
    as_pinyin = any(map(_speaks_pinyin, parts[1::2]))
    x = p = q = s = ""
    words_: list[Word] = []
    p_edges, q_edges, s_edges, s_ends = [0], [0], [0], []
    for i, part in enumerate(parts):
        if i % 2:
            for x_piece, p_piece, q_piece, s_piece, word in _pieces(part, as_pinyin):
                x += x_piece
                p_edges.append(len(p))
                p += p_piece
                p_edges.append(len(p))
                if letters:
                    q += q_piece[1:] if q[-1:] == q_piece[0] else q_piece
                    q_edges.append(len(q))
                    s += s_piece[1:] if s_piece and s[-1:] == s_piece[0] else s_piece
                    s_edges.append(len(s))
                    if word.q:
                        words_.append(word)
                        s_ends.append(len(s))
        elif part not in {"", " "}:
            gap = part.translate(_DROP)
            if gap:
                x += gap
                p += gap
                if letters:
                    q += "" if q[-1:] == "|" else "|"
                    s += "" if s[-1:] == "|" else "|"
                    q_edges.append(len(q))
                    s_edges.append(len(s))
    return Streams(x.replace("  ", " "), p.translate(first), q, s, words_, (p_edges, q_edges, s_edges), s_ends)


# --- the slow path: the same with origins ----------------------------------------------------------------------


class Token(NamedTuple):
    """A unit of text: one Han character, one digit, or one Latin word; range in the traced text."""

    text: str
    kind: str  # "h", "d" or "w"
    start: int
    end: int
    word: Word | None


class Stream(NamedTuple):
    """A stream string and, per character, the index of its token (-1 for spaces and stretch marks)."""

    text: str
    tokens: list[int]


@dataclass(frozen=True, slots=True)
class TracedStreams:
    """Tokens of a text and its streams with origins; equal in text to ``streams`` of the same text."""

    traced: Traced
    tokens: list[Token]
    x: Stream
    p: Stream
    q: Stream
    s: Stream


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
    for i in range(start, end):
        char = text[i]
        if char.isalnum():
            out.append(Token(char, "d" if char.isdigit() else "h", i, i + 1, None))


def trace_streams(traced: Traced, second: bool = False) -> TracedStreams:
    """Streams of a traced text with the token behind each character."""
    tokens = tokenise(traced.text)
    code = pinyin.codes()
    first = _codes(second)
    as_pinyin = any(_speaks_pinyin(m.group()) for m in _WORD.finditer(traced.text))
    x, p, q, s = _Builder(), _Builder(), _Builder(), _Builder()
    for index, token in enumerate(tokens):
        if token.word is None:
            x.add(token.text, index)
            p.add(token.text.translate(first), index)
            q.add("|", -1)
            s.add("|", -1)
            continue
        if not x.ends_with(" "):
            x.add(" ", -1)
        x.add(token.word.x, index)
        x.add(" ", -1)
        if as_pinyin and token.word.sounds:
            p.add("".join(code[s] for s in token.word.sounds), index)
        else:
            p.add(token.word.letters, index)
        q.add(token.word.q, index)
        s.add(token.word.s, index)
    if not _LATIN.search(traced.text):
        q = s = _Builder()
    return TracedStreams(traced, tokens, x.stream(), p.stream(), q.squeezed(), s.squeezed())


class _Builder:
    """Collects a stream character by character."""

    def __init__(self) -> None:
        self._chars: list[str] = []
        self._tokens: list[int] = []

    def add(self, text: str, token: int) -> None:
        self._chars.extend(text)
        self._tokens.extend([token] * len(text))

    def ends_with(self, char: str) -> bool:
        return bool(self._chars) and self._chars[-1] == char

    def stream(self) -> Stream:
        return Stream("".join(self._chars), self._tokens)

    def squeezed(self) -> Stream:
        kept = [i for i, c in enumerate(self._chars) if i == 0 or c != self._chars[i - 1]]
        return Stream("".join(self._chars[i] for i in kept), [self._tokens[i] for i in kept])
