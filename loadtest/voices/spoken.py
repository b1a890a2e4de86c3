"""Render the evasion suite as speech: ``python -m loadtest.voices.spoken --out DIR``.

The written suite (tests/data/judge) disguises phrases as people type them. What can be said aloud of it is said here
by Kokoro's voices in turn, and sent through Opus at 24 kbit/s. Disguises for the eye (look-alike letters, emoji, stars,
spaces, traditional characters, pinyin in Latin letters) have no sound of their own and are left out and counted.
``manifest.jsonl`` has one line for each file; ``deploy.bench_spoken`` reads it. Renderings are kept and not made again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import yaml

from loadtest import clips
from loadtest.schema import Voice
from loadtest.voices import degrade
from loadtest.voices.engines import RATE as ENGINE_RATE
from loadtest.voices.engines import Engines
from loadtest.voices.reference import KOKORO_EN, KOKORO_ZH, padded, write_flac

SUITE = ("evasion_disguised.yaml", "evasion_heldout.yaml", "evasion_innocent.yaml")
# Kinds of disguise that are heard, not only seen.
SPEAKABLE = frozenset({
    "zh-homophone", "zh-accent", "zh-fillers", "zh-initials", "zh-mixed-language", "zh-fillers-spacing", "zh-letters",
    "en-spelled", "en-inflection", "en-split", "en-misheard", "en-fillers", "en-forms", "en-split-misheard",
})  # fmt: skip
# What is left of a sentence must be words, letters and pauses.
_SAYABLE = re.compile(r"[\u4e00-\u9fffA-Za-z' ,，、]+")
_STRETCHED = re.compile(r"([a-z])\1\1")
_JOINED = re.compile(r"[a-z]{13,}")
# Letters that are said one by one, as in "vx" or "cnm"; with a vowel they may be pinyin, which has no sound of its own.
_LETTERS = re.compile(r"(?<![A-Za-z'])[A-Za-z]+(?![A-Za-z'])")
_VOWEL = re.compile(r"[A-Za-z][aeiou]|[aeiou][A-Za-z]", re.IGNORECASE)
_LETTER_KINDS = frozenset({"zh-initials", "zh-letters"})
_HAN = re.compile(r"[\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence of the suite; ``expected`` is the first level of its category, "" for an innocent one."""

    text: str
    kind: str
    expected: str
    suite: str

    @property
    def language(self) -> str:
        """The language whose voices say it."""
        return "zh" if _HAN.search(self.text) else "en"


@dataclass(frozen=True, slots=True)
class Spoken:
    """One line of the manifest; ``path`` is relative to it."""

    path: str
    text: str
    kind: str
    expected: str
    suite: str
    language: str
    voice: str


def suite(folder: Path) -> list[Line]:
    """Every sentence of the written suite in ``folder``."""
    lines: list[Line] = []
    for name in SUITE:
        data = yaml.safe_load((folder / name).read_text(encoding="utf-8"))
        held = name == "evasion_heldout.yaml"
        parts = data if held else {name.removeprefix("evasion_").removesuffix(".yaml"): data}
        for part, kinds in parts.items():
            lines += _lines(kinds, part == "innocent", "held out" if held else "development")
    return lines


def _lines(kinds: dict[str, list[Any]], innocent: bool, name: str) -> Iterator[Line]:
    for kind, rows in kinds.items():
        for row in rows:
            expected, text = ("", row) if innocent else row
            yield Line(str(text), f"innocent-{kind}" if innocent else kind, str(expected), name)


def can_be_said(line: Line) -> bool:
    """Whether the sentence keeps its disguise, or its innocence, when it is read aloud."""
    if line.expected and line.kind not in SPEAKABLE:
        return False
    if line.kind in _LETTER_KINDS and _VOWEL.search(line.text):
        return False
    return bool(_SAYABLE.fullmatch(line.text)) and not _STRETCHED.search(line.text) and not _JOINED.search(line.text)


def aloud(line: Line) -> str:
    """The sentence as it is given to the voice: abbreviations letter by letter."""
    if line.kind in _LETTER_KINDS:
        return _LETTERS.sub(lambda found: " ".join(found.group().upper()), line.text)
    return line.text


def chosen(lines: Sequence[Line], per_kind: int | None, seed: int) -> list[Line]:
    """At most ``per_kind`` sentences of each kind, all without a limit; drawn and shuffled by seed.

    Shuffled, so that a set whose rendering is interrupted is a smaller one of the same kind.
    """
    kinds: dict[str, list[Line]] = {}
    for line in lines:
        kinds.setdefault(f"{line.suite} {line.kind}", []).append(line)
    chance = random.Random(seed)
    out: list[Line] = []
    for rows in kinds.values():
        out += rows if per_kind is None or len(rows) <= per_kind else chance.sample(rows, per_kind)
    chance.shuffle(out)
    return out


def render(out: Path, lines: Sequence[Line], voices: int, each: int, threads: int) -> Iterator[Spoken]:
    """Say every line by ``each`` of ``voices`` voices in turn; files that are there already stay.

    Raises:
        MissingAssetError: when a synthesiser or a voice is not on this machine.
    """
    engines = Engines(threads=threads)
    names = {"zh": KOKORO_ZH[:voices], "en": KOKORO_EN[:voices]}
    turns: Counter[str] = Counter()
    for line in lines:
        for _ in range(each):
            of_language = names[line.language]
            name = of_language[turns[line.language] % len(of_language)]
            turns[line.language] += 1
            path = out / "opus24" / f"{_key(line)}-{name}.flac"
            if not path.is_file():
                speech = engines.say(aloud(line), Voice(name=name, speed=0.95 if line.language == "zh" else 1.0))
                heard = padded(soxr.resample(speech, ENGINE_RATE, clips.RATE))
                write_flac(path, degrade.through_opus(heard.astype(np.float32)))
            yield Spoken(
                path.relative_to(out).as_posix(), line.text, line.kind, line.expected, line.suite, line.language, name
            )


def _key(line: Line) -> str:
    return hashlib.sha256(aloud(line).encode()).hexdigest()[:12]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--suite", type=Path, default=Path("tests/data/judge"), help="folder of the written suite")
    parser.add_argument("--per-kind", type=int, help="at most so many sentences of each kind and suite")
    parser.add_argument("--voices", type=int, default=6, help="voices of each language")
    parser.add_argument("--each", type=int, default=1, help="voices that say each sentence")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    every = suite(options.suite)
    sayable = [line for line in every if can_be_said(line)]
    lines = chosen(sayable, options.per_kind, options.seed)
    left_out = Counter(line.kind for line in every if not can_be_said(line))
    print(f"{len(every)} sentences, {sum(left_out.values())} cannot be said: {dict(left_out)}; rendering {len(lines)}")
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.out / "manifest.jsonl").open("w", encoding="utf-8") as manifest:
        for spoken in render(options.out, lines, options.voices, options.each, options.threads):
            manifest.write(json.dumps(asdict(spoken), ensure_ascii=False) + "\n")
            manifest.flush()


if __name__ == "__main__":
    main()
