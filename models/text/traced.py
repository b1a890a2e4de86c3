"""Streams with origins: per character of a stream, the token of the text that it came from.

The slow path, for the few texts in which something may have been found. In text the streams are those of
``models.text.streams``; a test holds them to it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple

from models.text import pinyin
from models.text.fold import Traced
from models.text.streams import Word, reading_codes, speaks_pinyin, tokenise


class Stream(NamedTuple):
    """A stream string and, per character, the index of its token (-1 for spaces and stretch marks)."""

    text: str
    tokens: list[int]


class TracedStreams:
    """Tokens of a text and its streams with origins, each made when asked for; in text those of ``streams``."""

    def __init__(self, traced: Traced, second: bool = False) -> None:
        self.traced = traced
        self.tokens = tokenise(traced.text)
        self._codes = reading_codes(second)
        self._has_words = any(token.word is not None for token in self.tokens)

    @cached_property
    def x(self) -> Stream:
        """Characters."""
        if not self._has_words:
            return Stream("".join([token.text for token in self.tokens]), list(range(len(self.tokens))))
        x = _Builder()
        for index, token in enumerate(self.tokens):
            if token.word is None:
                x.add(token.text, index)
                continue
            if not x.ends_with(" "):
                x.add(" ", -1)
            x.add(token.word.x, index)
            x.add(" ", -1)
        return x.stream()

    @cached_property
    def p(self) -> Stream:
        """Sounds."""
        if not self._has_words:
            return Stream(self.x.text.translate(self._codes), self.x.tokens)
        code = pinyin.codes()
        as_pinyin = speaks_pinyin(self.traced.text)
        p = _Builder()
        for index, token in enumerate(self.tokens):
            if token.word is None:
                p.add(token.text.translate(self._codes), index)
            elif as_pinyin and token.word.sounds:
                p.add("".join(code[s] for s in token.word.sounds), index)
            else:
                p.add(token.word.letters, index)
        return p.stream()

    @cached_property
    def q(self) -> Stream:
        """Squeezed letters."""
        return self._letters(attrgetter("q"))

    @cached_property
    def s(self) -> Stream:
        """Skeletons."""
        return self._letters(attrgetter("s"))

    def _letters(self, of: Callable[[Word], str]) -> Stream:
        out = _Builder()
        if self._has_words:
            for index, token in enumerate(self.tokens):
                if token.word is None:
                    out.add("|", -1)
                else:
                    out.add(of(token.word), index)
        return out.squeezed()


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
