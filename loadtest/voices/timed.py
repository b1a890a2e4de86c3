"""Render speech whose word boundaries are known: ``python -m loadtest.voices.timed --out DIR``.

Two ways. ``joined``: the words of a sentence said one by one by a Kokoro voice and put together with pauses of 40 to
160 ms; a word lasts from where its sound begins to where it ends. ``festival``: whole English sentences by Debian's
festival, which tells when each sound ends because it has laid them out itself. Each line of ``manifest.jsonl`` has
``path``, ``language``, ``way`` and ``words`` (text, start_ms, end_ms).
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile
import soxr

from loadtest import clips
from loadtest.clips import RATE
from loadtest.schema import Voice
from loadtest.sounds import Samples
from loadtest.voices import assets, degrade
from loadtest.voices.engines import RATE as ENGINE_RATE
from loadtest.voices.engines import Engines, trim
from loadtest.voices.reference import KOKORO_EN, KOKORO_ZH, sentences

_LEAD_MS = 200.0

Timed = tuple[Samples, list[dict[str, Any]]]
"""Speech and its words: text, start_ms, end_ms."""


def joined(language: Literal["en", "zh"], engines: Engines, limit: int) -> list[Timed]:
    """The first sentences of a list, word by word, the voices in turn."""
    made = []
    voices = KOKORO_EN if language == "en" else KOKORO_ZH
    random = np.random.default_rng(0)
    for number, sentence in enumerate([line for line in sentences(language) if line.language == language][:limit]):
        voice = Voice(name=voices[number % len(voices)])
        pieces: list[Samples] = [np.zeros(int(_LEAD_MS * RATE / 1000), np.float32)]
        words: list[dict[str, Any]] = []
        at = _LEAD_MS
        for text in _words(sentence.text, language):
            speech = trim(engines.say(text, voice), threshold_dbfs=-40.0, keep_ms=0.0)
            sound = soxr.resample(speech, ENGINE_RATE, RATE).astype(np.float32)
            length = 1000.0 * len(sound) / RATE
            words.append({"text": text, "start_ms": round(at, 1), "end_ms": round(at + length, 1)})
            pause = np.zeros(int(random.uniform(0.04, 0.16) * RATE), np.float32)
            pieces += [sound, pause]
            at += length + 1000.0 * len(pause) / RATE
        made.append((np.concatenate([*pieces, np.zeros(RATE // 4, np.float32)]), words))
    return made


def festival(limit: int) -> list[Timed]:
    """The first English sentences in one breath each, with the ends of their words from the synthesiser.

    Raises:
        MissingAssetError: when festival is not installed.
    """
    program = shutil.which("festival")
    if program is None:
        raise assets.MissingAssetError("festival is not installed; apt-get install festival festvox-kallpc16k")
    made = []
    for sentence in [line for line in sentences("en") if line.language == "en"][:limit]:
        with tempfile.TemporaryDirectory() as folder:
            sound, labels, segments = (Path(folder) / name for name in ("speech.wav", "words.lab", "sounds.lab"))
            plain = re.sub(r"[^A-Za-z' ,.?]", "", sentence.text)
            script = (
                f'(set! u (utt.synth (Utterance Text "{plain}")))\n(utt.save.wave u "{sound}" \'riff)\n'
                f'(utt.save.words u "{labels}")\n(utt.save.segs u "{segments}")\n'
            )
            subprocess.run([program, "--pipe"], input=script.encode(), check=True, capture_output=True)  # noqa: S603 - fixed program
            speech = clips.read(sound).astype(np.float32) / np.float32(32768)
            made.append((speech, _timed(_ends(labels), _ends(segments))))
    return made


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=12, help="sentences of each language and way")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    engines = Engines(threads=1)
    lines = []
    ways: dict[tuple[str, str], Callable[[], list[Timed]]] = {
        ("festival", "en"): lambda: festival(2 * arguments.limit),
        ("joined", "zh"): lambda: joined("zh", engines, arguments.limit),
        ("joined", "en"): lambda: joined("en", engines, arguments.limit),
    }
    for (way, language), make in ways.items():
        for number, (speech, words) in enumerate(make()):
            path = arguments.out / f"{way}-{language}-{number:02d}.flac"
            soundfile.write(path, degrade.to_int16(speech), RATE, format="FLAC", subtype="PCM_16")
            lines.append({"path": path.name, "language": language, "way": way, "words": words})
        manifest = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
        (arguments.out / "manifest.jsonl").write_text(manifest + "\n", encoding="utf-8")
        print(f"{way} {language}: done", flush=True)


def _words(text: str, language: str) -> list[str]:
    if language == "en":
        return re.findall(r"[A-Za-z']+", text)
    cut: list[str] = assets.optional("jieba").lcut(re.sub(r"[^\u4e00-\u9fff]", " ", text))
    return [word for word in cut if word.strip()]


def _ends(labels: Path) -> list[tuple[float, str]]:
    """Ends in ms and names of an xlabel file: ``end 100 name`` a line after ``#``."""
    rows = [line.split() for line in labels.read_text(encoding="utf-8").partition("#")[2].splitlines()]
    return [(1000.0 * float(row[0]), row[2]) for row in rows if len(row) == 3]


def _timed(words: list[tuple[float, str]], sounds: list[tuple[float, str]]) -> list[dict[str, Any]]:
    """Words with both times: each begins with the first sound after the last word that is not a pause."""
    timed, before = [], 0.0
    for end, text in words:
        pauses = [at for at, name in sounds if name == "pau" and before < at < end]
        timed.append({"text": text, "start_ms": round(max([before, *pauses]), 1), "end_ms": round(end, 1)})
        before = end
    return timed


if __name__ == "__main__":
    main()
