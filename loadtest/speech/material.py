"""The utterances of a reference set as `segment` cuts them, and error rates against what was said."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtest import clips
from loadtest.clips import RATE, Pcm
from loadtest.cutting import utterances
from models.speech import simplify
from models.speech.text import units


class NoReference(FileNotFoundError):
    """There is no reference set where it was looked for; the text says how to get one."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One utterance, and the number of the file that it was cut from."""

    samples: Pcm
    file: int

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / RATE


@dataclass(frozen=True, slots=True)
class Reference:
    """What was said in each file and in which language, and the utterances in it."""

    texts: tuple[str, ...]
    languages: tuple[str, ...]
    pieces: tuple[Piece, ...]


def load(directory: Path, limit: int = 0) -> Reference:
    """Read a set made by ``python -m loadtest.voices.reference`` and cut it; ``limit`` files evenly spread over it.

    Raises:
        NoReference: when the directory has no manifest.
    """
    manifest = directory / "manifest.jsonl"
    if not manifest.is_file():
        raise NoReference(
            f"{directory} holds no manifest.jsonl; name a reference set with --reference, or render one with "
            "python -m loadtest.voices.reference"
        )
    entries = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    if limit and limit < len(entries):
        entries = [entries[index * len(entries) // limit] for index in range(limit)]
    pieces = []
    for number, entry in enumerate(entries):
        pieces += [Piece(cut.samples, number) for cut in utterances(clips.read(directory / entry["path"]))]
    return Reference(
        tuple(str(entry["text"]) for entry in entries),
        tuple(str(entry["language"]) for entry in entries),
        tuple(pieces),
    )


def errors(reference: Reference, heard: Sequence[str]) -> Mapping[str, float]:
    """Error rate by language, in percent: Mandarin by character (simplified), English by word, mixed by both.

    ``heard`` has a transcript for each piece. The rate is that of the whole set: edits over units said.
    """
    wrong: dict[str, int] = {}
    said: dict[str, int] = {}
    for number, (text, language) in enumerate(zip(reference.texts, reference.languages, strict=True)):
        answer = " ".join(words for words, piece in zip(heard, reference.pieces, strict=True) if piece.file == number)
        truth = units(simplify(text))
        for key in (language, "all"):
            wrong[key] = wrong.get(key, 0) + edits(truth, units(simplify(answer)))
            said[key] = said.get(key, 0) + len(truth)
    return {key: round(100.0 * wrong[key] / max(1, said[key]), 2) for key in wrong}


def edits(truth: Sequence[str], heard: Sequence[str]) -> int:
    """Least insertions, deletions and substitutions between two sequences (Levenshtein 1966)."""
    row = list(range(len(heard) + 1))
    for index, unit in enumerate(truth, 1):
        before, row = row, [index]
        for place, other in enumerate(heard, 1):
            row.append(min(before[place] + 1, row[-1] + 1, before[place - 1] + (unit != other)))
    return row[-1]
