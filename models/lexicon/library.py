"""Lexicons in use: compiled once for a process, from files, texts or the starter lists."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path

from models.lexicon.entries import Entry, parse_lexicon, read_lexicon_files, version_of
from models.lexicon.matcher import Lexicon

_in_use: weakref.WeakValueDictionary[str, Lexicon] = weakref.WeakValueDictionary()
_compiling = threading.Lock()


def compiled(entries: Iterable[Entry]) -> Lexicon:
    """The lexicon of these entries: one for the whole process, for as long as anybody holds it.

    Stages in one process want the same lists, and compiling takes seconds where they are long.
    """
    wanted = tuple(entries)
    version = version_of(wanted)
    with _compiling:
        found = _in_use.get(version)
        if found is None or found.entries != wanted:  # the version is a shortened hash
            found = _in_use[version] = Lexicon(wanted)
        return found


def load_lexicon(source: str | Path | Sequence[str | Path] | None = None) -> Lexicon:
    """A lexicon from a file, several files, a YAML text (any string with a line break), or the starter lists (None).

    Raises LexiconError naming file, line, field and remedy of every fault.
    """
    if source is None:
        return starter_lexicon()
    if isinstance(source, str) and "\n" in source:
        return compiled(parse_lexicon(source))
    paths = [source] if isinstance(source, str | Path) else list(source)
    return compiled(read_lexicon_files(paths))


def starter_lexicon() -> Lexicon:
    """The lists that come with the package, in the order of their file names."""
    folder = files("models.lexicon").joinpath("data")
    texts = sorted((f.name, f.read_text(encoding="utf-8")) for f in folder.iterdir() if f.name.endswith(".yaml"))
    return compiled(entry for name, text in texts for entry in parse_lexicon(text, name))
