"""Small measures of a transcript, and its simplified form."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

_CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u3040-\u30ff\uac00-\ud7af"
_UNITS = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+(?:['’][^\W{_CJK}]+)*")


@dataclass(frozen=True, slots=True)
class Repetition:
    """The longest stretch of one phrase said over and over: how often, and its share of all units."""

    times: int
    share: float


def units(text: str) -> list[str]:
    """Split `text` into what is spoken: Chinese, Japanese and Korean by character, all else by word."""
    return _UNITS.findall(unicodedata.normalize("NFKC", text).casefold())


def placed_units(text: str) -> list[tuple[str, int, int]]:
    """Return the units of `text` as written (not normalised), each with its characters [begin, end)."""
    return [(match.group().casefold(), *match.span()) for match in _UNITS.finditer(text)]


def compression_ratio(text: str) -> float:
    """Return UTF-8 length over zlib-compressed length, as in OpenAI's `whisper/utils.py`; 0 for no text."""
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw)) if raw else 0.0


def repetition(words: list[str], longest_phrase: int = 12) -> Repetition:
    """Return the repetition in `words` that covers most of them; `times` is 1 where nothing repeats."""
    best = Repetition(times=1, share=0.0)
    count = len(words)
    for size in range(1, min(longest_phrase, count // 2) + 1):
        run = 0
        for index in range(size, count):
            run = run + 1 if words[index] == words[index - size] else 0
            if run < size:
                continue
            covered = run + size
            if covered / count > best.share:
                best = Repetition(times=covered // size, share=covered / count)
    return best


@cache
def _converter() -> Callable[[str], str]:
    from opencc import OpenCC

    convert: Callable[[str], str] = OpenCC("t2s").convert
    return convert


def simplify(text: str) -> str:
    """Return `text` with traditional Chinese characters in their simplified form (OpenCC t2s), for matching."""
    return text if text.isascii() else _converter()(text)
