"""Listen to what was rendered: ``python -m loadtest.voices.verify --model PATH loadtest/scenarios/demo.yaml …``.

Each clip goes through faster-whisper as the pipeline would hear it (16 kHz, greedy); the transcript is kept in the
manifest as ``heard``. A marked phrase must be heard (Mandarin by pinyin without tones, English by words), and no phrase
marked anywhere in the scenario may be heard in a clean line. Exit status 1 when a phrase fails either way.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from pypinyin import lazy_pinyin

from loadtest import clips
from loadtest.scenario import read


def sound(text: str) -> str:
    """A text as it sounds: Mandarin as pinyin without tones, English in lower case, one blank between words."""
    return " ".join(re.findall(r"[a-z0-9']+", " ".join(lazy_pinyin(text)).lower()))


def heard_in(phrase: str, transcript: str) -> bool:
    """Whether a phrase is in a transcript, by sound."""
    return f" {sound(phrase)} " in f" {sound(transcript)} "


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("scenarios", nargs="+", type=Path)
    parser.add_argument("--model", required=True, help="folder of the Whisper weights (CTranslate2)")
    arguments = parser.parse_args()
    from faster_whisper import WhisperModel

    model = WhisperModel(arguments.model, device="cpu", compute_type="int8", cpu_threads=2)
    failures = sum(check(path, model) for path in arguments.scenarios)
    sys.exit(1 if failures else 0)


def check(path: Path, model: Any) -> int:
    """Transcribe every clip of a scenario into its manifest, print them, and count the failures."""
    scenario = read(path)
    phrases = {phrase for _, _, line in scenario.lines() for phrase in line.phrases}
    manifests: dict[Path, dict[str, Any]] = {}
    failures = 0
    for room, speaker, line in scenario.lines():
        if line.audio.startswith("recordings:"):
            continue
        file = scenario.directory / line.audio
        manifest = file.parent / "manifest.json"
        document = manifests.setdefault(manifest, json.loads(manifest.read_text(encoding="utf-8")))
        clip = document["clips"][file.name]
        if "heard" not in clip:
            clip["heard"], clip["heard_language"] = transcribe(model, file)
        transcript = clip["heard"]
        missed = [phrase for phrase in line.phrases if not heard_in(phrase, transcript)]
        wrong = [] if line.phrases else [phrase for phrase in phrases if heard_in(phrase, transcript)]
        failures += len(missed) + len(wrong)
        verdict = f"MISSED {missed}" if missed else f"WRONG {wrong}" if wrong else "ok"
        print(f"{verdict:10} {room.id}/{speaker.id} [{clip['heard_language']}] {line.spoken}  ->  {transcript}")
    for manifest, document in manifests.items():
        manifest.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{scenario.name}: {failures} failures")
    return failures


def transcribe(model: Any, file: Path) -> tuple[str, str]:
    """Transcript and language of a clip by the recogniser."""
    audio = clips.read(file).astype(np.float32) / 32768
    segments, info = model.transcribe(audio, beam_size=1, without_timestamps=True, condition_on_previous_text=False)
    return "".join(segment.text for segment in segments).strip(), info.language


if __name__ == "__main__":
    main()
