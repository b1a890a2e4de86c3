"""Scenarios: which rooms, who says what and when, and which takedowns are due.

A scenario is a YAML file of the fields in ``loadtest.schema``. ``load`` reads it, fills in what the rendering knows of
each clip (``manifest.json`` beside the audio: duration and the exact times of the marked phrases), drops optional rooms
whose recordings this machine lacks (with a note), and refuses everything else that is not in order in one sentence:
file, field, remedy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from loadtest import clips
from loadtest.schema import (
    SANCTIONS,
    SCENARIOS,
    Background,
    Codec,
    Due,
    DueTakedown,
    Impairments,
    Language,
    Mark,
    Room,
    Scenario,
    ScenarioError,
    Speaker,
    Utterance,
    Voice,
    spoken_end,
)

__all__ = [
    "SANCTIONS",
    "SCENARIOS",
    "Background",
    "Codec",
    "Due",
    "DueTakedown",
    "Impairments",
    "Language",
    "Mark",
    "Room",
    "Scenario",
    "ScenarioError",
    "Speaker",
    "Utterance",
    "Voice",
    "from_files",
    "load",
    "read",
    "spoken_end",
]


def load(path: Path | str, *, recordings: Sequence[Path] | None = None) -> Scenario:
    """Scenario from a YAML file, or by the name of a bundled one (``demo``, ``smoke``, ``ten_tracks``).

    ``recordings`` are the folders in which ``recordings:`` paths are looked up (default: ``clips.RECORDINGS``).

    Raises:
        ScenarioError: when the file is missing, is no YAML, has a wrong field, lacks audio, or lets a speaker talk
            over himself.
    """
    file = Path(path)
    if not file.suffix and not file.exists():
        file = SCENARIOS / f"{path}.yaml"
    scenario = read(file)
    manifests: dict[Path, Mapping[str, Any]] = {}
    rooms: list[Room] = []
    notes: list[str] = []
    for index, room in enumerate(scenario.rooms):
        speakers = []
        try:
            for number, speaker in enumerate(room.speakers):
                field = f"{file.name}: rooms[{index}].speakers[{number}]"
                speakers.append(_with_clips(speaker, field, file.parent, recordings, manifests))
        except clips.NoRecordingError as missing:
            if not room.optional:
                raise ScenarioError(f"{file.name}: rooms[{index}]: {missing}") from None
            notes.append(f"room {room.id} left out: {missing}")
            continue
        rooms.append(room.model_copy(update={"speakers": tuple(speakers)}))
    if not rooms:
        raise ScenarioError(f"{file.name}: rooms: every room is optional and none can be played; add one that can")
    return scenario.model_copy(update={"rooms": tuple(rooms), "directory": file.parent, "notes": tuple(notes)})


def from_files(
    paths: Sequence[Path | str],
    *,
    rooms: int = 1,
    tenant: str = "demo",
    codec: Codec | None = None,
    impairments: Impairments | None = None,
    kind: str = "voice-chat",
    gap_s: float = 0.5,
    seed: int = 0,
) -> Scenario:
    """Scenario in which each of ``rooms`` rooms plays the files one after another, as one speaker.

    Raises:
        ScenarioError: when no file is given or one cannot be read.
    """
    if not paths:
        raise ScenarioError("files: name at least one audio file to replay")
    utterances, at_s = [], 0.0
    for path in map(Path, paths):
        try:
            duration_ms = clips.duration_ms(path)
        except (clips.UnreadableClipError, clips.NoRecordingError) as problem:
            raise ScenarioError(str(problem)) from None
        utterances.append(Utterance(at_s=at_s, text=path.name, audio=str(path.absolute()), duration_ms=duration_ms))
        at_s += duration_ms / 1000.0 + gap_s
    speaker = Speaker(id="speaker-1", clean=True, utterances=tuple(utterances))
    room = Room(id="replay", kind=kind, speakers=(speaker,))
    base = Scenario(
        name="replay",
        tenant=tenant,
        seed=seed,
        duration_s=at_s,
        codec=codec or Codec(),
        impairments=impairments or Impairments(),
        rooms=(room,),
    )
    return base.scaled(rooms)


def read(file: Path) -> Scenario:
    """The scenario as written, audio paths filled in but neither looked up nor measured.

    Raises:
        ScenarioError: when the file is missing, is no YAML, or has a wrong field.
    """
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        bundled = ", ".join(sorted(path.stem for path in SCENARIOS.glob("*.yaml")))
        raise ScenarioError(f"{file.name}: no such scenario; give a YAML file, or one of {bundled}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        where = getattr(problem, "problem_mark", None)
        line = f" line {where.line + 1}" if where else ""
        raise ScenarioError(f"{file.name}:{line} is no YAML; correct the indentation or quoting") from None
    try:
        scenario = Scenario.model_validate(document)
    except ValidationError as problem:
        raise ScenarioError(f"{file.name}: {_first(problem)}") from None
    rooms = []
    for room in scenario.rooms:
        speakers = [_named(speaker, f"audio/{scenario.name}/{room.id}-{speaker.id}") for speaker in room.speakers]
        rooms.append(room.model_copy(update={"speakers": tuple(speakers)}))
    return scenario.model_copy(update={"rooms": tuple(rooms), "directory": file.parent})


def _first(problem: ValidationError) -> str:
    first = problem.errors(include_input=False)[0]
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"])
    field = "".join(steps).lstrip(".") or "top level"
    more = f" (and {problem.error_count() - 1} more)" if problem.error_count() > 1 else ""
    return f"{field}: {first['msg'].removeprefix('Value error, ')}; correct this field{more}"


def _named(speaker: Speaker, stem: str) -> Speaker:
    lines = tuple(
        line if line.audio else line.model_copy(update={"audio": f"{stem}-{number}.opus"})
        for number, line in enumerate(speaker.utterances, start=1)
    )
    return speaker.model_copy(update={"utterances": lines})


def _with_clips(
    speaker: Speaker,
    field: str,
    directory: Path,
    recordings: Sequence[Path] | None,
    manifests: dict[Path, Mapping[str, Any]],
) -> Speaker:
    """The speaker with absolute audio paths, durations and marks."""
    resolved: list[Utterance] = []
    for index, utterance in enumerate(speaker.utterances):
        here = f"{field}.utterances[{index}]"
        path = clips.locate(utterance.audio, directory, recordings)
        if not path.is_file():
            raise ScenarioError(
                f"{here}.audio: {utterance.audio} is missing; render it with `python -m loadtest.voices.render`"
            )
        clip = _manifest(path.parent, manifests).get(path.name)
        if clip and clip["text"] != utterance.text:
            raise ScenarioError(f"{here}.text: differs from what {path.name} says; render the scenario again")
        try:
            duration_ms = float(clip["duration_ms"]) if clip else clips.duration_ms(path)
        except clips.UnreadableClipError as problem:
            raise ScenarioError(f"{here}.audio: {problem}") from None
        marks = tuple(Mark(**mark) for mark in clip["marks"]) if clip else ()
        at_s = utterance.at_s
        if utterance.after_s is not None:
            before = resolved[-1] if resolved else None
            at_s = utterance.after_s + (before.at_s + before.duration_ms / 1000.0 if before else 0.0)
        update = {"audio": str(path.absolute()), "duration_ms": duration_ms, "marks": marks, "at_s": at_s}
        resolved.append(utterance.model_copy(update=update))
    resolved.sort(key=lambda utterance: utterance.at_s)
    for earlier, later in pairwise(resolved):
        if later.at_s < earlier.at_s + earlier.duration_ms / 1000.0:
            ready = earlier.at_s + earlier.duration_ms / 1000.0
            raise ScenarioError(
                f"{field}: the line at {later.at_s:g} s starts before the one at {earlier.at_s:g} s ends; "
                f"set its at_s to {ready:.1f} or later"
            )
    return speaker.model_copy(update={"utterances": tuple(resolved)})


def _manifest(folder: Path, cache: dict[Path, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Clip name to its entry in the folder's manifest; empty where there is none."""
    if folder not in cache:
        file = folder / "manifest.json"
        cache[folder] = json.loads(file.read_text(encoding="utf-8"))["clips"] if file.is_file() else {}
    return cache[folder]
