"""Phonetic lexicon: loading, matching, explaining."""

from models.lexicon.entries import Entry, lexicon_json_schema, parse_lexicon
from models.lexicon.hits import Hit
from models.lexicon.library import compiled, load_lexicon, starter_lexicon
from models.lexicon.matcher import Lexicon
from models.lexicon.source import InvalidSourceError, Problem
from models.lexicon.source import InvalidSourceError as LexiconError

__all__ = [
    "Entry", "Hit", "InvalidSourceError", "Lexicon", "LexiconError", "Problem", "compiled", "lexicon_json_schema",
    "load_lexicon", "parse_lexicon", "starter_lexicon",
]  # fmt: skip
