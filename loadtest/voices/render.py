"""Render the lines of scenarios: ``python -m loadtest.voices.render loadtest/scenarios/demo.yaml …``.

Each line becomes one small Opus file; ``manifest.json`` beside the files keeps text, voice, length, the exact times
of marked phrases, what Whisper hears (``loadtest.voices.verify``), and the file's SHA-256. A line whose text and voice
have not changed is not rendered again. The times of a marked phrase are exact only in lines with ``split``, where it is
rendered as a piece of its own; in others the end of the line stands for it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from loadtest.scenario import Scenario, Speaker, Utterance, read
from loadtest.voices import opus_file
from loadtest.voices.engines import RATE, Engines, Speech

PIECES = re.compile(r"(\{[^{}]+\})")
_LEAD_MS, _TAIL_MS, _JOIN_MS = 40, 120, 90


def render(engines: Engines, line: Utterance, speaker: Speaker) -> tuple[Speech, list[dict[str, Any]]]:
    """Speech of one line, and the times in ms of its marked phrases.

    Raises:
        ValueError: when the speaker has no voice.
    """
    if speaker.voice is None:
        raise ValueError(f"speaker {speaker.id!r} has no voice; give one, or point each line to a recording")
    pieces = [piece for piece in PIECES.split(line.text) if re.search(r"\w", piece)] if line.split else [line.spoken]
    marks = []
    parts: list[Speech] = [_silence(_LEAD_MS)]
    for number, piece in enumerate(pieces):
        if number:
            parts.append(_silence(_JOIN_MS))
        speech = engines.say(_sentence(piece), speaker.voice)
        start = sum(map(len, parts))
        if piece.startswith("{"):
            start_ms, end_ms = 1000 * start / RATE, 1000 * (start + len(speech)) / RATE
            marks.append({"phrase": piece[1:-1], "start_ms": round(start_ms, 1), "end_ms": round(end_ms, 1)})
        parts.append(speech)
    return np.concatenate([*parts, _silence(_TAIL_MS)]), marks


def render_scenario(scenario: Scenario, engines: Engines, *, bitrate: int = 24_000) -> int:
    """Render what is new or changed; returns the number of clips written."""
    written = 0
    manifests: dict[Path, dict[str, Any]] = {}
    for _, speaker, line in scenario.lines():
        if line.audio.startswith("recordings:") or speaker.voice is None:
            continue
        file = scenario.directory / line.audio
        clips = manifests.setdefault(file.parent, _read(file.parent / "manifest.json"))
        wanted = {"text": line.text, "split": line.split, "voice": speaker.voice.model_dump()}
        known = clips.get(file.name)
        if known and file.is_file() and {key: known[key] for key in wanted} == wanted:
            continue
        speech, marks = render(engines, line, speaker)
        opus_file.write(file, speech, bitrate=bitrate)
        clips[file.name] = {
            **wanted,
            "duration_ms": round(1000 * len(speech) / RATE, 1),
            "marks": marks,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        }
        written += 1
        print(f"{file.name}  {len(speech) / RATE:.1f} s")
    for folder, clips in manifests.items():
        _prune(folder, clips, {Path(line.audio).name for _, _, line in scenario.lines()})
        document = {"scenario": scenario.name, "bitrate": bitrate, "clips": dict(sorted(clips.items()))}
        text = json.dumps(document, ensure_ascii=False, indent=1)
        (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")
    return written


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("scenarios", nargs="+", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bitrate", type=int, default=24_000)
    arguments = parser.parse_args()
    for path in arguments.scenarios:
        scenario = read(path)
        engines = Engines(threads=arguments.threads, seed=scenario.seed)
        print(f"{scenario.name}: {render_scenario(scenario, engines, bitrate=arguments.bitrate)} clips written")


def _sentence(piece: str) -> str:
    """A piece as a sentence of its own: without braces and leading punctuation, closed by a stop."""
    text = piece.strip("{}").strip().lstrip("，。,.!?！？ ")
    if text.endswith(("。", ".", "?", "？", "!", "！")):
        return text
    return text.rstrip("，, ") + ("。" if re.search(r"[\u4e00-\u9fff]", text) else ".")


def _silence(ms: int) -> Speech:
    return np.zeros(RATE * ms // 1000, np.float32)


def _read(manifest: Path) -> dict[str, Any]:
    if not manifest.is_file():
        return {}
    clips: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))["clips"]
    return clips


def _prune(folder: Path, clips: dict[str, Any], wanted: set[str]) -> None:
    """Forget clips that the scenario no longer has."""
    for name in set(clips) - wanted:
        del clips[name]
        (folder / name).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
