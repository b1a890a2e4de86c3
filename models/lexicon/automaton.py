"""The automata: every form of every entry, under one Aho-Corasick machine per stream.

Keys carry no Python objects: a key's value is the head of a chain of (entry, form) numbers in flat arrays, so
that 100,000 entries stay within a few hundred megabytes. Forms are expanded again when one is found.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

import ahocorasick

from models.lexicon.entries import Entry
from models.lexicon.forms import forms
from models.lexicon.patterns import required_literal
from models.lexicon.screen import on_edges

# Number of a pattern's trigger among an entry's forms.
TRIGGER = 0x7FFF
# Set in the number of a form that is what is left of an entry without its fillers.
STRIPPED = 0x8000
# Streams of a text, and the folded text itself for the literals of patterns.
STREAMS = "xpqst"


class Automaton:
    """Finds keys of ``entries`` in the streams of a text."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._machines = {name: ahocorasick.Automaton(ahocorasick.STORE_INTS) for name in STREAMS}
        self._entry = array("L")
        self._form = array("H")
        self._next = array("l")
        self._length = array("H")
        self.always: list[int] = []  # patterns without a literal to look for
        for number, entry in enumerate(entries):
            if "pattern" in entry.match:
                literal = required_literal(entry.text)
                if literal:
                    self._put("t", literal, number, TRIGGER)
                else:
                    self.always.append(number)
                continue
            for index, form in enumerate(forms(entry)):
                self._put(form.stream, form.key, number, index | (STRIPPED if form.stripped else 0))
        self._iterators = {}
        for name, machine in self._machines.items():
            if len(machine):
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

    def find(self, stream: str, text: str, edges: Sequence[int] = ()) -> Iterator[tuple[int, int, int, int]]:
        """(start, end, entry number, form number) of every key in one stream of a text.

        Where ``edges`` of words are given, Latin letters must begin and end with their words.
        """
        iterate = self._iterators.get(stream)
        if iterate is None:
            return
        for last, head in iterate(text):
            end = last + 1
            start = end - self._length[head]
            if edges and not on_edges(text, start, end, edges):
                continue
            link = head
            while link >= 0:
                yield start, end, self._entry[link], self._form[link]
                link = self._next[link]

    def __len__(self) -> int:
        return sum(map(len, self._machines.values()))
