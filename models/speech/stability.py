"""Which words of a revision also stood in the one before it, whichever part of the utterance each of them holds.

Revisions of an open utterance are windows that move on; a word that two of them heard is worth more than one that only
the latest did. `spans` says where such words stand; `without_loop` takes a decoder's repetitions out, so that what
is left can be compared.
"""

from __future__ import annotations

from difflib import SequenceMatcher

from models.speech.text import placed_units, simplify

Span = tuple[int, int]
"""Characters [begin, end) of a transcript."""

LOOP_TIMES = 3
"""A phrase is said twice for emphasis; from the third time on in a row it is taken for one."""


def spans(previous: str, text: str) -> tuple[Span, ...]:
    """Return the stretches of `text` whose words (Chinese: characters) also stand in `previous`, in the same order.

    Traditional and simplified characters are the same here. Stretches are in order and do not touch.
    """
    places = placed_units(text)
    words = [simplify(unit) for unit, _, _ in places]
    before = [simplify(unit) for unit, _, _ in placed_units(previous)]
    blocks = SequenceMatcher(None, before, words, autojunk=False).get_matching_blocks()
    found = [(block.b, block.b + block.size) for block in blocks if block.size]
    joined: list[tuple[int, int]] = []
    for begin, end in found:
        if joined and joined[-1][1] == begin:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return tuple((places[begin][1], places[end - 1][2]) for begin, end in joined)


def without_loop(text: str) -> str:
    """Return `text` with its longest run of one phrase, said `LOOP_TIMES` or more in a row, cut to its first time."""
    places = placed_units(text)
    words = [unit for unit, _, _ in places]
    best, keep, resume = 0, 0, 0
    for size in range(1, len(words) // LOOP_TIMES + 1):
        run = 0
        for index in range(size, len(words) + 1):
            if index < len(words) and words[index] == words[index - size]:
                run += 1
                continue
            if run >= size * (LOOP_TIMES - 1) and run > best:
                best, keep, resume = run, index - run - 1, index - 1
            run = 0
    if not best:
        return text
    rest = text[places[resume][2] :] if resume < len(places) else ""
    said = text[: places[keep][2]]
    # Two Latin words that come to stand side by side stay two.
    return f"{said} {rest}" if rest[:1].isalnum() and said[-1:].isascii() and rest[:1].isascii() else said + rest
