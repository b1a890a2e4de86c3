"""An hour and more of sound without words, in two halves: one to fit the guard on, one to judge it by.

Made sounds differ between the halves by their seed, found ones by their packages. Packages that are not installed are
left out; `missing` names them.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from loadtest import clips
from loadtest.clips import RATE, Pcm
from loadtest.nonspeech import rooms, voice
from loadtest.voices import degrade

Half = Literal["fit", "judge"]
Random = np.random.Generator
CLIP_S: Final = 30.0
SEEDS: Final[Mapping[Half, int]] = {"fit": 1, "judge": 2}

MADE: Final[Mapping[str, tuple[float, Callable[[float, Random], NDArray[np.float64]]]]] = {
    "silence": (2.0, lambda seconds, random: random.standard_normal(int(seconds * RATE)) * 1e-4),
    "noise": (4.0, rooms.noise),
    "hum and fan": (3.0, rooms.hum),
    "keyboard": (4.0, rooms.keyboard),
    "knocks and claps": (2.0, rooms.knocks),
    "tones": (2.0, rooms.tones),
    "breath": (4.0, voice.breathing),
    "laughter": (7.0, voice.laughter),
    "music": (4.0, rooms.music),
    "singing": (10.0, voice.singing),
}
"""Minutes of each kind, and what makes it."""


@dataclass(frozen=True, slots=True)
class Package:
    """Files of a Debian package without speech; at most ``minutes`` of them are used."""

    name: str
    kind: str
    pattern: str
    minutes: float


_GAMES: Final = "/usr/share/games/"
FOUND: Final[Mapping[Half, tuple[Package, ...]]] = {
    "fit": (
        Package("frozen-bubble-data", "found music and effects", _GAMES + "frozen-bubble/snd/*.ogg", 8.0),
        Package("sound-theme-freedesktop", "found effects", "/usr/share/sounds/freedesktop/stereo/[b-z]*.oga", 2.0),
        Package("fretsonfire-songs-sectoid", "found music", _GAMES + "fretsonfire/data/songs/sectoid/*/song.ogg", 6.0),
        Package("singularity-music", "found music", _GAMES + "singularity/music/*.ogg", 6.0),
    ),
    "judge": (
        Package("asc-music", "found music", _GAMES + "asc/music/*.mp3", 4.0),
        Package("ardentryst", "found music", _GAMES + "ardentryst/Music/*.ogg", 4.0),
        Package("fillets-ng-data", "found music", _GAMES + "fillets-ng/music/*.ogg", 4.0),
        Package("extremetuxracer-data", "found music", _GAMES + "etr/music/*.ogg", 3.0),
        Package("ardentryst", "found effects", _GAMES + "ardentryst/Sounds/**/*.ogg", 4.0),
        Package("teeworlds-data", "found effects", _GAMES + "teeworlds/data/audio/[fhsw]*.wv", 3.0),
        Package("sonic-pi-samples", "found effects", "/usr/share/sonic-pi/samples/*.flac", 3.0),
    ),
}

SONGS: Final[Mapping[Half, tuple[str, ...]]] = {
    "fit": (
        "oh when the saints go marching in i want to be in that number",
        "row row row your boat gently down the stream merrily merrily life is but a dream",
        "twinkle twinkle little star how i wonder what you are",
    ),
    "judge": (
        "should old acquaintance be forgot and never brought to mind",
        "amazing grace how sweet the sound that saved a wretch like me",
        "my bonnie lies over the ocean my bonnie lies over the sea",
        "london bridge is falling down my fair lady",
    ),
}
"""Words of songs that nobody owns any more, for a synthesiser that sings (Debian's festival)."""


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Up to 30 s of one kind of sound."""

    kind: str
    name: str
    samples: Pcm


def collection(half: Half, *, scale: float = 1.0) -> Iterator[Clip]:
    """All clips of a half; ``scale`` multiplies the minutes of each kind."""
    for kind, (minutes, make) in MADE.items():
        for number in range(max(1, round(minutes * scale * 60 / CLIP_S))):
            random = np.random.default_rng([SEEDS[half], number, sum(kind.encode())])
            yield Clip(kind, f"{kind} {number}", _played(make(CLIP_S, random), random, quiet=kind == "silence"))
    for package in FOUND[half]:
        yield from found(package, half, scale)
    yield from songs(half, scale)


def missing(half: Half) -> list[str]:
    """Packages that this machine lacks."""
    lacking = [package.name for package in FOUND[half] if not _files(package.pattern)]
    return sorted({*lacking, *([] if shutil.which("text2wave") else ["festival"])})


def found(package: Package, half: Half, scale: float) -> Iterator[Clip]:
    """Pieces of a package's files: of each in turn up to 30 s, from anywhere in it."""
    files = _files(package.pattern)
    left, turn = package.minutes * scale * 60, 0
    while files and left > 0 and turn < 4 * len(files):
        path, random = files[turn % len(files)], np.random.default_rng([SEEDS[half], turn])
        whole = clips.read(path)
        size = min(len(whole), int(CLIP_S * RATE))
        begin = int(random.integers(0, len(whole) - size + 1))
        piece = whole[begin : begin + size].astype(np.float64)
        fresh = turn < len(files) or len(whole) > 4 * size  # short files are used once
        if piece.any() and fresh:
            yield Clip(package.kind, f"{package.name} {path.stem}", _played(piece, random))
            left -= size / RATE
        turn += 1


def songs(half: Half, scale: float) -> Iterator[Clip]:
    """Festival sings the songs of a half, at several pitches; nothing where it is not installed."""
    if shutil.which("text2wave") is None:
        return
    for take in range(max(1, round(4 * scale))):
        for number, words in enumerate(SONGS[half]):
            random = np.random.default_rng([SEEDS[half], take, number])
            yield Clip("sung words", f"song {take}-{number}", _played(_sung(words, random), random))


def _sung(words: str, random: Random) -> NDArray[np.float64]:
    notes, degree = [], int(random.integers(0, 4))
    scale = ("G3", "A3", "B3", "C4", "D4", "E4", "F4", "G4")
    for word in words.split():
        degree = int(np.clip(degree + random.integers(-2, 3), 0, len(scale) - 1))
        beats = random.choice([0.4, 0.6, 0.9])
        notes.append(f'<PITCH NOTE="{scale[degree]}"><DURATION BEATS="{beats}">{word}</DURATION></PITCH>')
    song = (
        '<?xml version="1.0"?>\n<!DOCTYPE SINGING PUBLIC "-//SINGING//DTD SINGING mark up//EN" '
        f'"Singing.v0_1.dtd" []>\n<SINGING BPM="{int(random.integers(50, 90))}">{"".join(notes)}</SINGING>\n'
    )
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder) / "song.xml", Path(folder) / "song.wav"
        score.write_text(song, encoding="utf-8")
        program = shutil.which("text2wave") or "text2wave"
        subprocess.run([program, "-mode", "singing", str(score), "-o", str(sound)], check=True, capture_output=True)  # noqa: S603 - fixed program, own file
        return clips.read(sound).astype(np.float64)


def _played(wave: NDArray[np.float64], random: Random, *, quiet: bool = False) -> Pcm:
    """The sound as a microphone sends it: its peak from -30 to -1 dBFS (silence as it is), half of all by Opus."""
    if not quiet:
        wave = wave / max(float(np.abs(wave).max()), 1e-9) * 10 ** (random.uniform(-30, -1) / 20)
    sound = wave.astype(np.float32)
    return degrade.to_int16(degrade.through_opus(sound) if random.random() < 0.5 else sound)


def _files(pattern: str) -> list[Path]:
    return sorted(Path("/").glob(pattern.lstrip("/")))
