"""Entries that are regular expressions: checked for cost when loaded, tried only where their literals occur.

A pattern is matched against the text as written and against its folded form, without regard to case.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from models.text.fold import fold, fold_char, trace

# Beyond this a text is no utterance; the cut bounds the time of any admitted pattern.
LONGEST_TEXT = 600
_LONGEST_PATTERN = 300


def _parse(pattern: str) -> Any:
    # The standard library's own parser, which has no public name; used to look, never to match.
    from re import _parser  # type: ignore[attr-defined]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _parser.parse(pattern)


def _repeats(tree: Any, inside: bool) -> bool:
    """Whether an unbounded repeat stands inside another, where backtracking becomes exponential."""
    for op, argument in tree:
        name = str(op)
        if name in {"MAX_REPEAT", "MIN_REPEAT"}:
            _, high, body = argument
            unbounded = int(high) > 64
            if (unbounded and inside) or _repeats(body, inside or unbounded):
                return True
        elif name == "SUBPATTERN":
            if _repeats(argument[-1], inside):
                return True
        elif name == "BRANCH":
            if any(_repeats(branch, inside) for branch in argument[1]):
                return True
        elif name in {"ASSERT", "ASSERT_NOT"} and _repeats(argument[1], inside):
            return True
    return False


def pattern_fault(pattern: str) -> tuple[str, str] | None:
    """What is wrong with a pattern and the remedy, or None."""
    if len(pattern) > _LONGEST_PATTERN:
        return "the pattern is too long", f"keep it below {_LONGEST_PATTERN} characters"
    try:
        compiled = re.compile(pattern, re.IGNORECASE)
        tree = _parse(pattern)
    except (re.error, OverflowError) as error:
        return f"not a regular expression: {error}", "correct it, or escape the character with \\"
    if compiled.match(""):
        return "the pattern matches the empty text", "require at least one character"
    if _repeats(tree, inside=False):
        return "a repeat inside a repeat can take exponential time", "bound the inner one, as in {0,8}"
    return None


def required_literal(pattern: str) -> str:
    """The longest run of characters that every match contains; "" if none can be named."""
    best = run = ""
    for op, argument in _parse(pattern):
        if str(op) == "LITERAL":
            # Folding must leave it one character, or the folded text could not be searched for it.
            folded = fold_char(chr(argument))
            run = run + folded if len(folded) == 1 else ""
            best = max(best, run, key=len)
        else:
            run = ""
    return best


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """The pattern as written, and with its literal characters simplified as texts are."""
    simplified = "".join(fold_char(c) if c.isalpha() and not c.isascii() else c for c in pattern)
    return re.compile(pattern, re.IGNORECASE), re.compile(simplified, re.IGNORECASE)


def find_pattern(pattern: str, text: str) -> Sequence[tuple[int, int]]:
    """Spans of the pattern in ``text`` (at most its first LONGEST_TEXT characters), non-empty ones only."""
    text = text[:LONGEST_TEXT]
    written, simplified = _compiled(pattern)
    spans = [m.span() for m in written.finditer(text) if m.end() > m.start()]
    if spans:
        return spans
    folded = fold(text)
    if folded == text or not simplified.search(folded):
        return []
    traced = trace(text)
    return [traced.span(m.start(), m.end()) for m in simplified.finditer(traced.text) if m.end() > m.start()]
