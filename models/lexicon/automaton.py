"""The automaton: every form of every entry under one Aho-Corasick machine, walked once per text.

Keys carry no Python objects: a key's value is the head of a chain of (entry, form) numbers in flat arrays, so
that 100,000 entries stay within a few hundred megabytes. Forms are expanded again when one is found.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

import ahocorasick

from models.lexicon.entries import Entry
from models.lexicon.forms import expand
from models.lexicon.patterns import required_literal

# Number of a pattern's trigger among an entry's forms.
TRIGGER = 0xFFFF
# Streams in the order of their numbers: a form and its stream are kept in one number.
STREAMS = "xpqs"


class Automaton:
    """Finds keys of ``entries`` in a haystack."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._machine = ahocorasick.Automaton(ahocorasick.STORE_INTS)
        self._entry = array("L")
        self._form = array("H")
        self._next = array("l")
        self._length = array("H")
        self.always: list[int] = []  # patterns without a literal to look for
        for number, entry in enumerate(entries):
            if "pattern" in entry.match:
                literal = required_literal(entry.text)
                if literal:
                    self._put(literal, number, TRIGGER)
                else:
                    self.always.append(number)
                continue
            for index, form in enumerate(expand(entry)):
                self._put(form.key, number, index * len(STREAMS) + STREAMS.index(form.stream))
        self._empty = not len(self._machine)
        if not self._empty:
            self._machine.make_automaton()

    def _put(self, key: str, entry: int, form: int) -> None:
        head = self._machine.get(key, -1)
        self._machine.add_word(key, len(self._entry))
        self._entry.append(entry)
        self._form.append(form)
        self._next.append(head)
        self._length.append(len(key))

    def find(self, haystack: str) -> Iterator[tuple[int, int, int, int]]:
        """(start, end, entry number, form number) of every key in the haystack."""
        if self._empty:
            return
        for last, head in self._machine.iter(haystack):
            end = last + 1
            link = head
            while link >= 0:
                yield end - self._length[link], end, self._entry[link], self._form[link]
                link = self._next[link]

    def __len__(self) -> int:
        return len(self._machine)
