"""Whisper's tokens: the special ones by meaning, text from ids, and words from text tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS_PER_TIMESTAMP = 0.02
"""Timestamp tokens count steps of 20 ms, one position of the encoder."""

_CJK = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\u3040-\u30ff]")
_BROKEN = "\ufffd"


@dataclass(frozen=True, slots=True)
class Span:
    """Text tokens that Whisper placed between two timestamps (seconds; `end` is None if none followed)."""

    start: float
    end: float | None
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WordTokens:
    """One written word, or one to three Chinese characters of one token, and the text tokens that spell it."""

    text: str
    first: int
    last: int


def split_cjk(text: str) -> list[str]:
    """Split a piece of text into its Chinese or Japanese characters, punctuation kept with what it follows."""
    parts: list[str] = []
    for char in text:
        if parts and not (_CJK.match(char) and _CJK.search(parts[-1])):
            parts[-1] += char
        else:
            parts.append(char)
    return parts


class Vocabulary:
    """The tokenizer of one Whisper model, read from its `tokenizer.json`."""

    def __init__(self, directory: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer: Any = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self.start = self._id("<|startoftranscript|>")
        self.end = self._id("<|endoftext|>")
        self.transcribe = self._id("<|transcribe|>")
        self.no_timestamps = self._id("<|notimestamps|>")
        self.first_timestamp = self.no_timestamps + 1

    def language(self, code: str) -> int:
        """Return the token of a language by its code; raise ValueError if the model does not know it."""
        return self._id(f"<|{code}|>")

    def prompt(self, code: str) -> list[int]:
        """Return the tokens that ask for a transcript in the language `code`, timed from 0 s on."""
        return [self.start, self.language(code), self.transcribe, self.first_timestamp]

    def align_prompt(self, code: str) -> list[int]:
        """Return the tokens that `ctranslate2.models.Whisper.align` puts before the text."""
        return [self.start, self.language(code), self.transcribe]

    def tokens(self, text: str) -> list[int]:
        """Return the tokens that spell `text` as a transcript: a Latin word at its start has its space before it."""
        spaced = f" {text}" if text[:1].isascii() and text[:1].isalnum() else text
        return list(self._tokenizer.encode(spaced, add_special_tokens=False).ids)

    def text(self, tokens: Sequence[int]) -> str:
        """Return the text of `tokens`, special and timestamp tokens left out."""
        plain = [token for token in tokens if token < self.end]
        text: str = self._tokenizer.decode(plain)
        return text.strip()

    def spans(self, tokens: Sequence[int]) -> list[Span]:
        """Cut a timed transcript (begun at 0 s by the prompt) at its timestamps."""
        spans: list[Span] = []
        start, text = 0.0, list[int]()
        for token in tokens:
            if token < self.end:
                text.append(token)
            elif token >= self.first_timestamp:
                at = (token - self.first_timestamp) * SECONDS_PER_TIMESTAMP
                if text:
                    spans.append(Span(start, at, tuple(text)))
                    text = []
                start = at
        if text:
            spans.append(Span(start, None, tuple(text)))
        return spans

    def words(self, tokens: Sequence[int]) -> list[WordTokens]:
        """Split text tokens into words; Chinese and Japanese have no spaces, so there each token is one."""
        words: list[WordTokens] = []
        for text, first, last in self._characters(tokens):
            begins = not words or text.startswith(" ") or _CJK.search(text) or _CJK.search(words[-1].text)
            if begins and any(char.isalnum() for char in text):
                words.append(WordTokens(text.strip(), first, last))
            elif words:  # a piece of a word, or punctuation, belongs to what stands before it
                words[-1] = WordTokens(words[-1].text + text.strip(), words[-1].first, last)
        return words

    def _characters(self, tokens: Sequence[int]) -> list[tuple[str, int, int]]:
        """Join tokens until they spell whole characters: rare ones take up to three byte-level tokens."""
        pieces: list[tuple[str, int, int]] = []
        first = 0
        for index in range(len(tokens)):
            text: str = self._tokenizer.decode(list(tokens[first : index + 1]))
            if _BROKEN not in text:
                pieces.append((text, first, index))
                first = index + 1
        return pieces

    def _id(self, token: str) -> int:
        number: int | None = self._tokenizer.token_to_id(token)
        if number is None:
            raise ValueError(f"the model has no token {token}: use a multilingual Whisper model")
        return number
