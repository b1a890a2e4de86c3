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


# A repeat that may go on longer than this counts as open.
_OPEN = 64
# More often than this nothing may be repeated that holds a choice or another repeat.
_MAX_NESTED = 4
# So many open repeats in a row may take the same characters: each makes a text of 600 a few hundred times dearer.
_MAX_OPEN = 2
# Characters that stand for the kinds there are; a pattern's own are added.
_PROBES = "a1 _-.,:加一，\n"
_REPEATS = frozenset({"MAX_REPEAT", "MIN_REPEAT"})


def _literals(tree: Any) -> set[str]:
    """Characters that a pattern names."""
    found: set[str] = set()
    for op, argument in tree:
        name = str(op)
        if name in {"LITERAL", "NOT_LITERAL"}:
            found.add(chr(argument))
        elif name == "IN":
            found |= _literals(argument)
        elif name == "RANGE":
            found.add(chr(argument[0]))
        for part in _parts(name, argument):
            found |= _literals(part)
    return found


def _parts(name: str, argument: Any) -> list[Any]:
    """Parts of a parsed element that are patterns themselves."""
    if name in _REPEATS or name == "POSSESSIVE_REPEAT":
        return [argument[2]]
    if name == "SUBPATTERN":
        return [argument[-1]]
    if name == "BRANCH":
        return list(argument[1])
    if name in {"ASSERT", "ASSERT_NOT"}:
        return [argument[1]]
    return [argument] if name == "ATOMIC_GROUP" else []


def _takes(tree: Any, char: str) -> bool:
    """Whether some element of a pattern may match a character; yes where that cannot be told."""
    for op, argument in tree:
        name = str(op)
        if name == "LITERAL" and chr(argument).casefold() != char.casefold():
            continue
        if name in {"AT", "ASSERT", "ASSERT_NOT"}:
            continue
        if name == "IN" and not _in_set(argument, char):
            continue
        parts = _parts(name, argument)
        if parts and not any(_takes(part, char) for part in parts):
            continue
        return True
    return False


def _in_set(items: Any, char: str) -> bool:
    found = False
    for op, argument in items:
        name = str(op)
        if name == "LITERAL":
            found |= chr(argument).casefold() == char.casefold()
        elif name == "RANGE":
            found |= argument[0] <= ord(char) <= argument[1] or argument[0] <= ord(char.swapcase()[:1]) <= argument[1]
        elif name == "CATEGORY":
            found |= _in_category(str(argument), char)
    return found != (str(items[0][0]) == "NEGATE")


def _in_category(name: str, char: str) -> bool:
    kind = name.removeprefix("CATEGORY_").removeprefix("NOT_")
    inside = {
        "DIGIT": char.isdigit(), "SPACE": char.isspace(), "WORD": char.isalnum() or char == "_",
    }.get(kind, True)  # fmt: skip
    return inside != ("NOT_" in name)


def _nested(tree: Any, inside: bool) -> bool:
    """Whether a choice or a varying repeat stands inside a repeat: the ways to match multiply with every round."""
    for op, argument in tree:
        name = str(op)
        within = inside
        if name in _REPEATS:
            low, high, _ = argument
            if inside and int(high) != int(low):
                return True
            within = inside or int(high) > _MAX_NESTED
        elif name == "BRANCH" and inside:
            return True
        if any(_nested(part, within) for part in _parts(name, argument)):
            return True
    return False


def _crowded(tree: Any, char: str) -> bool:
    """Whether too many open repeats in a row may take the same character; what must come between ends a row."""
    row = 0
    for op, argument in tree:
        name = str(op)
        if name in _REPEATS:
            low, high, body = argument
            takes = _takes(body, char)
            if takes and int(high) > _OPEN:
                row += 1
            elif not takes and int(low) > 0:
                row = 0
        elif name in {"LITERAL", "IN", "NOT_LITERAL"} and not _takes([(op, argument)], char):
            row = 0
        elif name == "SUBPATTERN":
            row += sum(str(o) in _REPEATS and int(a[1]) > _OPEN and _takes(a[2], char) for o, a in argument[-1])
        if row > _MAX_OPEN or any(_crowded(part, char) for part in _parts(name, argument)):
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
    if _nested(tree, inside=False):
        return (
            "a repeat or choice inside a repeat can take exponential time",
            "repeat it at most 4 times, as in {0,4}, or write single characters as a set, as in [ab]",
        )
    if any(_crowded(tree, char) for char in {*_PROBES, *_literals(tree)}):
        return (
            f"more than {_MAX_OPEN} repeats in a row may take the same characters, in very long time",
            "bound them, as in .{0,8}",
        )
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


def required_characters(pattern: str) -> tuple[frozenset[str], ...]:
    """Sets of which every match has a character in its folded text; only those that can be told."""
    sets = []
    for op, argument in _parse(pattern):
        chars = _one_of(str(op), argument)
        folded = [fold_char(char) for char in chars]
        if chars and all(len(char) == 1 for char in folded):
            sets.append(frozenset(folded))
    return tuple(sets)


def _one_of(op: str, argument: Any) -> list[str]:
    """Characters of which an element takes one, if it is so simple."""
    if op == "LITERAL":
        return [chr(argument)]
    if op == "SUBPATTERN" and len(argument[-1]) == 1:
        return _one_of(str(argument[-1][0][0]), argument[-1][0][1])
    if op == "IN" and all(str(kind) == "LITERAL" for kind, _ in argument):
        return [chr(code) for _, code in argument]
    return []


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
