"""Songs, laughs and cries by synthesisers, and a choir by a sampler: voices that are not made by formula. 16 kHz."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

import numpy as np
import soxr
from numpy.typing import NDArray

from loadtest import clips
from loadtest.clips import RATE
from loadtest.nonspeech import sung
from loadtest.schema import Voice
from loadtest.voices import assets
from loadtest.voices.engines import RATE as ENGINE_RATE
from loadtest.voices.engines import Engines

Wave = NDArray[np.float64]
Random = np.random.Generator
_FESTIVAL: Final = Path("/usr/share/festival/voices/english")
_SOUNDFONT: Final = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
_CHOIRS: Final = (52, 53)  # General MIDI: choir aahs, voice oohs


@dataclass(frozen=True, slots=True)
class Singer:
    """A synthesiser's voice, the language of its songs, and the lowest note it sings (semitones of MIDI).

    ``festival`` sings by its own singing mode, all others through `sung`.
    """

    language: Literal["en", "zh"]
    engine: Literal["festival", "flite", "espeak", "kokoro"]
    voice: str
    low: int = 48

    @property
    def lacking(self) -> str:
        """What this machine needs to hear the singer, or "" where it has all."""
        match self.engine:
            case "festival":
                there = shutil.which("text2wave") is not None and (_FESTIVAL / self.voice).is_dir()
                return "" if there else f"festival with {self.voice}"
            case "kokoro":
                try:
                    assets.kokoro_voice(self.voice)
                    assets.optional("misaki.espeak")
                    assets.package_folder("kokoro_onnx")
                except assets.MissingAssetError:
                    return "kokoro (loadtest/voices/requirements.txt, ROOMWARDEN_KOKORO_VOICES)"
                return ""
        program = {"flite": "flite", "espeak": "espeak-ng"}[self.engine]
        return "" if shutil.which(program) else program


def sing(words: Sequence[str], singer: Singer, random: Random) -> Wave:
    """The words on a melody, a note each."""
    if singer.engine == "festival":
        return _festival(words, singer.voice, random)
    notes = sung.tune(len(words), random, low=singer.low + int(random.integers(-2, 4)))
    return sung.sing([say(word, singer) for word in words], notes, random)


@cache
def say(text: str, singer: Singer) -> Wave:
    """The text as the singer speaks it; not for festival."""
    voice = Voice.model_validate({"engine": singer.engine, "name": singer.voice})
    return np.asarray(soxr.resample(_engines().say(text, voice), ENGINE_RATE, RATE), np.float64)


def laugh(sounds: Sequence[str], singer: Singer, seconds: float, random: Random) -> Wave:
    """Laughs and cries, said by the singer one after the other with rests between them."""
    parts: list[Wave] = []
    while sum(map(len, parts)) < seconds * RATE:
        parts += [say(str(random.choice(sounds)), singer), np.zeros(int(random.uniform(0.5, 1.5) * RATE))]
    return np.concatenate(parts)[: int(seconds * RATE)]


def choir_lacking() -> list[str]:
    """Packages that `choir` needs and this machine lacks."""
    there = {"fluidsynth": shutil.which("fluidsynth") is not None, "timgm6mb-soundfont": _SOUNDFONT.is_file()}
    return [name for name, found in there.items() if not found]


def choir(seconds: float, random: Random) -> Wave:
    """People who sing "ah" or "ooh", sampled: a tune of one voice or of three, by FluidSynth."""
    events = bytearray(b"\x00\xc0" + bytes([int(random.choice(_CHOIRS))]))
    made, chord = 0.0, (0,) if random.random() < 0.5 else (0, 4, 7)
    while made < seconds:
        note = sung.tune(1, random, low=float(random.integers(48, 64)))[0]
        keys = [int(note.pitch) + step for step in chord]
        rest = 1 if random.random() < 0.8 else 600
        for place, key in enumerate(keys):
            events += _delay(rest if place == 0 else 0) + bytes([0x90, key, int(random.integers(70, 110))])
        for place, key in enumerate(keys):
            events += _delay(round(1000 * note.seconds) if place == 0 else 0) + bytes([0x80, key, 0])
        made += note.seconds + rest / 1000
    events += b"\x00\xff\x2f\x00"
    # 500 ticks a quarter at the usual 120 beats a minute: a tick is a millisecond.
    head = b"MThd" + (6).to_bytes(4, "big") + bytes([0, 0, 0, 1]) + (500).to_bytes(2, "big")
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder) / "tune.mid", Path(folder) / "tune.wav"
        score.write_bytes(head + b"MTrk" + len(events).to_bytes(4, "big") + events)
        _run("fluidsynth", "-ni", "-q", "-r", "16000", "-F", str(sound), str(_SOUNDFONT), str(score))
        return clips.read(sound).astype(np.float64)[: int(seconds * RATE)]


def _delay(ticks: int) -> bytes:
    """A MIDI delta time of up to 14 bits."""
    return bytes([0x80 | ticks >> 7, ticks & 0x7F]) if ticks > 0x7F else bytes([ticks])


def _festival(words: Sequence[str], voice: str, random: Random) -> Wave:
    notes, degree = [], int(random.integers(0, 4))
    scale = ("G3", "A3", "B3", "C4", "D4", "E4", "F4", "G4")
    for word in words:
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
        _run("text2wave", "-eval", f"(voice_{voice})", "-mode", "singing", str(score), "-o", str(sound))
        return clips.read(sound).astype(np.float64)


def _run(program: str, *arguments: str) -> None:
    subprocess.run([shutil.which(program) or program, *arguments], check=True, capture_output=True)  # noqa: S603 - fixed programs, own files


@cache
def _engines() -> Engines:
    return Engines(threads=1)
