"""The automata: every form of every entry, under one Aho-Corasick machine per stream.

Keys carry no Python objects: a key's value is the head of a chain of (entry, form) numbers in flat arrays, so
that 100,000 entries stay within a few hundred megabytes. Forms are expanded again when one is found.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

import ahocorasick

from models.lexicon.entries import Entry
from models.lexicon.forms import Form, forms, is_abbreviation
from models.lexicon.patterns import required_characters, required_literal

# Set in the number of a form that is what is left of an entry without its fillers.
STRIPPED = 0x8000
# A key in a text: start, end, and the head of the chain of entries that have it.
Found = tuple[int, int, int]
# Kinds of keys: those of the streams (x apart from h, without Latin letters; s apart from n, of longer entries; p apart
# from what is Latin letters alone: l, and abbreviations, a), and t, literals of patterns.
STREAMS = "xhplaqsnt"
# An abbreviation has no Latin word beside it, and so is a whole run of letters or syllables in p.
_RUN = re.compile(r"[a-z\ue000-\uf8ff]+")


class Automaton:
    """Finds keys of ``entries`` in the streams of a text."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._machines = {name: ahocorasick.Automaton(ahocorasick.STORE_INTS) for name in STREAMS}
        self._entry = array("L")
        self._form = array("H")
        self._next = array("l")
        self._length = array("H")
        self._always: list[tuple[int, tuple[frozenset[str], ...]]] = []  # patterns without a literal to look for
        for number, entry in enumerate(entries):
            if "pattern" in entry.match:
                literal = required_literal(entry.text)
                if literal:
                    self._put("t", literal, number, 0)
                else:
                    self._always.append((number, required_characters(entry.text)))
                continue
            for index, form in enumerate(forms(entry)):
                self._put(_machine_of(form), form.key, number, index | STRIPPED * bool(form.stripped))
        self._iterators = {}
        for name, machine in self._machines.items():
            if len(machine) and name != "a":
                machine.make_automaton()
                self._iterators[name] = machine.iter

    def _put(self, stream: str, key: str, entry: int, form: int) -> None:
        machine = self._machines[stream]
        head = machine.get(key, -1)
        machine.add_word(key, len(self._entry))
        self._entry.append(entry)
        self._form.append(form)
        self._next.append(head)
        self._length.append(len(key))

    def find(self, stream: str, text: str) -> list[Found]:
        """Every key in one stream of a text."""
        iterate = self._iterators.get(stream)
        if iterate is None:
            return []
        length = self._length
        return [(last + 1 - length[head], last + 1, head) for last, head in iterate(text)]

    def patterns(self, folded: str, characters: AbstractSet[str]) -> list[int]:
        """Numbers of the patterns that may match a folded text of these characters."""
        found = {number for _, _, chain in self.find("t", folded) for number, _ in self.entries(chain)}
        for number, needed in self._always:
            if not any(chars.isdisjoint(characters) for chars in needed):
                found.add(number)
        return sorted(found)

    def abbreviations(self, chars: str) -> list[Found]:
        """Abbreviations in ``Streams.chars``."""
        head = self._machines["a"].get
        if chars.isascii() and chars.isalpha():  # one run
            return [(0, len(chars), chain)] if (chain := head(chars, -1)) >= 0 else []
        return [(m.start(), m.end(), chain) for m in _RUN.finditer(chars) if (chain := head(m.group(), -1)) >= 0]

    def entries(self, chain: int) -> Iterator[tuple[int, int]]:
        """(entry number, form number) of everything that has a key."""
        while chain >= 0:
            yield self._entry[chain], self._form[chain]
            chain = self._next[chain]

    def __len__(self) -> int:
        return sum(map(len, self._machines.values()))


def _machine_of(form: Form) -> str:
    if form.stream == "x" and " " not in form.key:
        return "h"
    if form.stream == "p" and form.key.isascii():
        return "a" if is_abbreviation(form) else "l"
    return form.stream
