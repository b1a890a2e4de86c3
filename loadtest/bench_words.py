"""How far word times are from the truth: ``python -m loadtest.bench_words MANIFEST``, from `loadtest.voices.timed`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np

from loadtest import clips
from models.speech import Recogniser, SpeechJob, Word, simplify
from models.speech.loading import load_recogniser
from models.speech.text import units


@dataclass(frozen=True, slots=True)
class Miss:
    """How far one word's edges are off, in ms: positive is late."""

    start_ms: float
    end_ms: float


def misses(truth: Sequence[dict[str, Any]], heard: Sequence[Word]) -> list[Miss]:
    """Errors of the words that were heard right; Mandarin words by their first and last character."""
    true_units, owner = _spelled([str(word["text"]) for word in truth])
    heard_units, source = _spelled([word.text for word in heard])
    pairs = {
        block.a + step: block.b + step
        for block in SequenceMatcher(None, true_units, heard_units, autojunk=False).get_matching_blocks()
        for step in range(block.size)
    }
    found = []
    for index, word in enumerate(truth):
        places = [place for place, who in enumerate(owner) if who == index]
        if places and all(place in pairs for place in places):
            first, last = heard[source[pairs[places[0]]]], heard[source[pairs[places[-1]]]]
            found.append(Miss(first.start_ms - word["start_ms"], last.end_ms - word["end_ms"]))
    return found


def measure(manifest: Path, recogniser: Recogniser) -> dict[str, Any]:
    """Errors by way of rendering and language."""
    groups: dict[str, list[Miss]] = {}
    spoken: dict[str, int] = {}
    for line in manifest.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        job = SpeechJob(entry["path"], clips.read(manifest.parent / entry["path"]))
        (result,) = recogniser.transcribe([job])
        name = f"{entry['way']} {entry['language']}"
        spoken[name] = spoken.get(name, 0) + len(entry["words"])
        groups.setdefault(name, []).extend(misses(entry["words"], recogniser.word_times(job, result)))
    return {name: _figures(found, spoken[name]) for name, found in groups.items()}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--whisper", default="whisper-base")
    arguments = parser.parse_args()
    result = measure(arguments.manifest, load_recogniser(arguments.whisper, threads=1))
    print(json.dumps(result, indent=2, ensure_ascii=False))


def _figures(found: Sequence[Miss], spoken: int) -> dict[str, Any]:
    starts = np.array([miss.start_ms for miss in found])
    ends = np.array([miss.end_ms for miss in found])
    return {
        "words": spoken,
        "heard_right": len(found),
        "start": _spread(starts),
        "end": _spread(ends),
    }


def _spread(errors: np.ndarray[Any, np.dtype[Any]]) -> dict[str, float]:
    if not len(errors):
        return {}
    size = np.abs(errors)
    return {
        "median_ms": round(float(np.median(size)), 1),
        "p90_ms": round(float(np.quantile(size, 0.9)), 1),
        "bias_ms": round(float(np.median(errors)), 1),
    }


def _spelled(words: Sequence[str]) -> tuple[list[str], list[int]]:
    """All units (words, Chinese characters) and for each the word it came from."""
    spelled, owner = [], []
    for index, word in enumerate(words):
        for unit in units(simplify(word)):
            spelled.append(unit)
            owner.append(index)
    return spelled, owner


if __name__ == "__main__":
    main()
