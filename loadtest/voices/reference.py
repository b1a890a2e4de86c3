"""Render the reference set for error rates: ``python -m loadtest.voices.reference --out DIR``.

What is in it, and what each line of ``manifest.jsonl`` says, is in README.md beside this file. Deterministic: one seed,
one set. Renderings are kept under ``DIR/clean`` and not made again, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
import soxr

from loadtest import clips, sounds
from loadtest.clips import RATE
from loadtest.schema import Language, Voice
from loadtest.sounds import Samples
from loadtest.voices import degrade, recordings
from loadtest.voices.engines import RATE as ENGINE_RATE
from loadtest.voices.engines import Engines

TEXTS = Path(__file__).with_name("texts")
NOISES = ("white", "pink", "babble")
LEVELS_DB = (20, 10, 5)
_LEAD_S = 0.15
_BABBLE = 5

KOKORO_EN = ("af_heart", "am_fenrir", "bf_emma", "bm_george", "af_bella", "am_michael", "bm_fable", "am_adam")
KOKORO_ZH = (
    "zf_xiaoxiao",
    "zm_yunxi",
    "zf_xiaobei",
    "zm_yunjian",
    "zf_xiaoyi",
    "zm_yunxia",
    "zm_yunyang",
)
OTHERS_EN = (
    Voice(engine="piper", name="joe"),
    Voice(engine="hibari", name="heart"),
    Voice(engine="flite", name="slt"),
    Voice(engine="flite", name="rms"),
    Voice(engine="flite", name="awb"),
    Voice(engine="espeak", name="en-us"),
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """One line of a text list."""

    id: str
    text: str
    language: Language


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the manifest; ``path`` is relative to it."""

    path: str
    text: str
    language: Language
    voice: str
    engine: str
    condition: str
    id: str
    duration_s: float
    source: Literal["rendered", "recorded"]


def sentences(language: Literal["en", "zh"]) -> list[Sentence]:
    """The sentences of a list; ids count within it."""
    lines = (TEXTS / f"{language}.txt").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line and not line.startswith("#")]
    out = []
    for number, line in enumerate(kept, start=1):
        mixed = line.startswith("mixed:")
        text = line.removeprefix("mixed:").strip()
        out.append(Sentence(f"{language}-{number:03d}", text, "mixed" if mixed else language))
    return out


def first(language: Literal["en", "zh"], limit: int | None) -> list[Sentence]:
    """The first ``limit`` sentences of a list and, for each six of them, one of those in two languages."""
    lines = sentences(language)
    if limit is None:
        return lines
    mixed = [line for line in lines if line.language == "mixed"]
    return [line for line in lines if line.language != "mixed"][:limit] + mixed[: limit // 6]


def voices_for(sentence: Sentence, number: int) -> list[Voice]:
    """Who says a sentence: a Kokoro voice in turn, and another engine or voice in turn.

    Mandarin and sentences of two languages are said by two Mandarin Kokoro voices. Left out are those that Whisper
    base hardly understands at their cleanest: zf_xiaoni (61 % of characters wrong) and eSpeak NG's cmn (93 %).
    """
    zh = [Voice(name=KOKORO_ZH[(number + turn) % len(KOKORO_ZH)], speed=0.95) for turn in (0, 3)]
    if sentence.language != "en":
        return zh
    return [Voice(name=KOKORO_EN[number % len(KOKORO_EN)]), OTHERS_EN[number % len(OTHERS_EN)]]


def conditions(number: int, *, full: bool) -> list[tuple[str, int]]:
    """The noises of a rendering, as (kind, dB): one kind in turn, or all, at each level."""
    kinds = NOISES if full else (NOISES[number % len(NOISES)],)
    return [(kind, level) for kind in kinds for level in LEVELS_DB]


def rendered(out: Path, engines: Engines, limit: int | None) -> list[tuple[Entry, int]]:
    """All clean renderings, made where they are missing; with the number of each sentence in its list.

    The lists take turns, so that an interrupted run has both languages.
    """
    made = []
    for number, pair in enumerate(zip_longest(first("en", limit), first("zh", limit))):
        for sentence in filter(None, pair):
            for voice in voices_for(sentence, number):
                path = out / "clean" / f"{sentence.id}-{voice.engine}-{voice.name}.flac"
                if not path.is_file():
                    speech = engines.say(sentence.text, voice)
                    write_flac(path, padded(soxr.resample(speech, ENGINE_RATE, RATE)))
                    print(path.name, flush=True)
                made.append((_entry(out, path, sentence, voice.name, voice.engine, "clean", "rendered"), number))
    return made


def degraded(out: Path, entry: Entry, number: int, others: Sequence[Samples], *, full: bool) -> Iterator[Entry]:
    """One rendering in every other condition; ``others`` are other people's renderings."""
    speech = _read(out / entry.path)
    sentence = Sentence(entry.id, entry.text, entry.language)

    def keep(condition: str, sound: Samples) -> Entry:
        path = out / condition / Path(entry.path).name
        write_flac(path, sound)
        return _entry(out, path, sentence, entry.voice, entry.engine, condition, entry.source)

    yield keep("opus24", degrade.through_opus(speech))
    for kind, level in conditions(number, full=full):
        if kind == "babble":
            noise = degrade.babble(others[:_BABBLE], len(speech))
        else:
            noise = sounds.make("white" if kind == "white" else "pink", len(speech), seed=number)
        yield keep(f"{kind}{level}", degrade.with_noise(speech, noise, level))
    yield keep("overlap", degrade.with_speaker(speech, others[0]))


def recorded(out: Path) -> list[Entry]:
    """Human recordings with known text, as recorded and through Opus; empty where none is installed."""
    entries = []
    for recording in recordings.installed(out):
        sentence = Sentence(recording.id, recording.text, "en")
        speech = clips.read(recording.path).astype(np.float32) / np.float32(32768)
        for condition, sound in (("clean", speech), ("opus24", degrade.through_opus(speech))):
            path = out / "recorded" / condition / f"{recording.corpus}-{sentence.id}.flac"
            write_flac(path, sound)
            entries.append(_entry(out, path, sentence, recording.corpus, "human", condition, "recorded"))
    return entries


def build(out: Path, *, limit: int | None = None, full: bool = False, threads: int = 2, seed: int = 0) -> list[Entry]:
    """Make the set under ``out`` and its manifest; returns the manifest's entries.

    Raises:
        MissingAssetError: when a synthesiser or a voice is not on this machine.
    """
    clean = rendered(out, Engines(threads=threads, seed=seed), limit)
    entries = [entry for entry, _ in clean]
    for index, (entry, number) in enumerate(clean):
        # Others: same list, other sentences, spread over it; no sentence is noise for itself.
        pool = [other for other, _ in clean if other.id != entry.id and other.id[:2] == entry.id[:2]]
        others = [_read(out / pool[(index * 7 + step * 31) % len(pool)].path) for step in range(_BABBLE)]
        entries += degraded(out, entry, number, others, full=full)
    entries += recorded(out)
    _manifest(out, entries)
    return entries


def subset(entries: Sequence[Entry], out: Path, to: Path) -> list[Entry]:
    """Copy one file for each sentence of ``entries`` to the folder ``to``: voices in turn, conditions in turn."""
    choices: dict[str, dict[str, list[Entry]]] = {}
    for entry in entries:  # of each voice the clean file first, then the others in the order of their making
        if entry.source == "rendered":
            choices.setdefault(entry.id, {}).setdefault(entry.voice, []).append(entry)
    kept = []
    turns: Counter[str] = Counter()
    for name, voices in choices.items():
        turn = turns[name[:2]]
        turns[name[:2]] += 1
        files = list(voices.values())[turn % len(voices)]
        entry = files[turn // len(voices) % len(files)]
        target = to / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(out / entry.path, target)
        kept.append(entry)
    _manifest(to, kept)
    return kept


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--limit", type=int, help="only the first N sentences of each list (2 or more)")
    parser.add_argument("--subset", type=Path, help="also copy one file for each sentence to this folder")
    parser.add_argument("--full", action="store_true", help="every noise at every level")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    entries = build(
        arguments.out, limit=arguments.limit, full=arguments.full, threads=arguments.threads, seed=arguments.seed
    )
    if arguments.subset:
        subset(entries, arguments.out, arguments.subset)
    hours = sum(entry.duration_s for entry in entries) / 3600
    print(f"{len(entries)} files, {hours:.2f} hours")


def _manifest(folder: Path, entries: Sequence[Entry]) -> None:
    lines = [json.dumps(asdict(entry), ensure_ascii=False) for entry in entries]
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _entry(
    out: Path,
    path: Path,
    sentence: Sentence,
    voice: str,
    engine: str,
    condition: str,
    source: Literal["rendered", "recorded"],
) -> Entry:
    seconds = round(soundfile.info(path).duration, 3)
    name = path.relative_to(out).as_posix()
    return Entry(name, sentence.text, sentence.language, voice, engine, condition, sentence.id, seconds, source)


def padded(speech: Samples) -> Samples:
    """The speech with 150 ms of silence before and after it."""
    silence = np.zeros(int(_LEAD_S * RATE), np.float32)
    return np.concatenate([silence, speech.astype(np.float32), silence])


def _read(path: Path) -> Samples:
    samples, _ = soundfile.read(path, dtype="float32")
    return np.asarray(samples, np.float32)


def write_flac(path: Path, speech: Samples) -> None:
    """Write 16 kHz speech as FLAC, 16 bits, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, degrade.to_int16(speech), RATE, format="FLAC", subtype="PCM_16")


if __name__ == "__main__":
    main()
