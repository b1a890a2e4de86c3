"""An hour and more of sound without words, in two halves: one to fit the guard on, one to judge it by.

The halves share nothing: neither what makes a sound, nor a package, nor a song or a singer. Packages and synthesisers
that are not installed are left out; `missing` names them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from loadtest import clips
from loadtest.clips import RATE, Pcm
from loadtest.nonspeech import outside, rooms, songs, voice
from loadtest.nonspeech.songs import Singer
from loadtest.voices import degrade

Half = Literal["fit", "judge"]
Random = np.random.Generator
Made = Mapping[str, tuple[float, Callable[[float, Random], NDArray[np.float64]]]]
CLIP_S: Final = 30.0
SEEDS: Final[Mapping[Half, int]] = {"fit": 1, "judge": 3}

MADE: Final[Mapping[Half, Made]] = {
    "fit": {
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
    },
    "judge": {
        "rain and wind": (4.0, outside.rain),
        "engines": (3.0, outside.engine),
        "applause": (3.0, outside.applause),
        "dishes": (3.0, outside.dishes),
        "whistling": (4.0, voice.whistling),
        "humming": (5.0, voice.humming),
        "sobbing": (5.0, voice.sobbing),
    },
}
"""Minutes of each kind, and what makes it."""


@dataclass(frozen=True, slots=True)
class Package:
    """Files of a Debian package without speech, chosen by their names; at most ``minutes`` of them are used."""

    name: str
    kind: str
    pattern: str
    minutes: float


_GAMES: Final = "/usr/share/games/"
_DROID: Final = "/usr/share/freedroidrpg/data/sound/"
FOUND: Final[Mapping[Half, tuple[Package, ...]]] = {
    "fit": (
        Package("frozen-bubble-data", "found music and effects", _GAMES + "frozen-bubble/snd/*.ogg", 8.0),
        Package("sound-theme-freedesktop", "found effects", "/usr/share/sounds/freedesktop/stereo/[b-z]*.oga", 2.0),
        Package("fretsonfire-songs-sectoid", "found music", _GAMES + "fretsonfire/data/songs/sectoid/*/song.ogg", 6.0),
        Package("singularity-music", "found music", _GAMES + "singularity/music/*.ogg", 6.0),
        Package("asc-music", "found music", _GAMES + "asc/music/*.mp3", 4.0),
        Package("ardentryst", "found music", _GAMES + "ardentryst/Music/*.ogg", 4.0),
        Package("fillets-ng-data", "found music", _GAMES + "fillets-ng/music/*.ogg", 4.0),
        Package("extremetuxracer-data", "found music", _GAMES + "etr/music/*.ogg", 3.0),
        Package("ardentryst", "found effects", _GAMES + "ardentryst/Sounds/**/*.ogg", 4.0),
        Package("teeworlds-data", "found effects", _GAMES + "teeworlds/data/audio/[fhsw]*.wv", 3.0),
        Package("sonic-pi-samples", "found effects", "/usr/share/sonic-pi/samples/*.flac", 3.0),
    ),
    "judge": (
        Package("hyperrogue-music", "found music", "/usr/share/hyperrogue/music/*.ogg", 5.0),
        Package("asterisk-moh-opsound-wav", "found music", "/usr/share/asterisk/moh/*.wav", 4.0),
        Package("colobot-common-sounds", "found music", _GAMES + "colobot/music/*.ogg", 4.0),
        Package("freedroidrpg-data", "found music", _DROID + "music/*.ogg", 3.0),
        Package("wesnoth-1.16-data", "found effects", _GAMES + "wesnoth/1.16/data/core/sounds/*.ogg", 4.0),
        Package("warmux-data", "found effects", _GAMES + "warmux/sound/default/weapons/*.ogg", 2.0),
        Package("warmux-data", "found effects", _GAMES + "warmux/sound/default/voices/[di][en]*.ogg", 1.0),
        Package("freedroidrpg-data", "found effects", _DROID + "effects/*.ogg", 1.5),
        Package("colobot-common-sounds", "found effects", _GAMES + "colobot/sounds/*.wav", 1.5),
        Package("oxygen-sounds", "found effects", "/usr/share/sounds/Oxygen-*.ogg", 1.0),
    ),
}

SINGERS: Final[Mapping[Half, tuple[Singer, ...]]] = {
    "fit": (
        Singer("en", "festival", "kal_diphone"),
        Singer("en", "flite", "slt", 57),
        Singer("en", "flite", "rms", 45),
        Singer("en", "espeak", "en-us", 48),
        Singer("en", "kokoro", "af_heart", 57),
        Singer("en", "kokoro", "am_fenrir", 45),
        Singer("zh", "espeak", "cmn", 47),
        Singer("zh", "kokoro", "zf_xiaoxiao", 57),
        Singer("zh", "kokoro", "zm_yunxi", 47),
    ),
    "judge": (
        Singer("en", "festival", "ked_diphone"),
        Singer("en", "flite", "awb", 47),
        Singer("en", "espeak", "en-gb+f3", 56),
        Singer("en", "kokoro", "bf_emma", 56),
        Singer("en", "kokoro", "am_michael", 45),
        Singer("zh", "espeak", "cmn+f2", 56),
        Singer("zh", "kokoro", "zf_xiaoni", 57),
        Singer("zh", "kokoro", "zm_yunyang", 46),
    ),
}

SONGS: Final[Mapping[Half, Mapping[str, tuple[str, ...]]]] = {
    "fit": {
        "en": (
            "oh when the saints go marching in i want to be in that number",
            "row row row your boat gently down the stream merrily merrily life is but a dream",
            "twinkle twinkle little star how i wonder what you are",
            "should old acquaintance be forgot and never brought to mind",
            "amazing grace how sweet the sound that saved a wretch like me",
            "my bonnie lies over the ocean my bonnie lies over the sea",
            "london bridge is falling down my fair lady",
        ),
        "zh": (
            "两 只 老 虎 跑 得 快 一 只 没 有 耳 朵",
            "好 一 朵 美 丽 的 茉 莉 花 芬 芳 美 丽 满 枝 桠",
            "小 白 菜 呀 地 里 黄 呀 三 两 岁 呀 没 了 娘 呀",
        ),
    },
    "judge": {
        "en": (
            "she will be coming round the mountain when she comes",
            "in a cavern in a canyon lived a miner and his daughter clementine",
            "oh susanna don't you cry for me i come from alabama",
            "swing low sweet chariot coming for to carry me home",
            "home on the range where the deer and the antelope play",
        ),
        "zh": (
            "长 亭 外 古 道 边 芳 草 碧 连 天",
            "跑 马 溜 溜 的 山 上 一 朵 溜 溜 的 云",
            "一 闪 一 闪 亮 晶 晶 满 天 都 是 小 星 星",
        ),
    },
}
"""Words of songs that nobody owns any more, a note for each."""

VOWELS: Final[Mapping[Half, Mapping[str, tuple[str, ...]]]] = {
    "fit": {"en": ("la", "ah", "doo"), "zh": ("啊", "啦")},
    "judge": {"en": ("na", "oh", "hey", "ooh"), "zh": ("哦", "呀", "哎")},
}
LAUGHS: Final[Mapping[Half, Mapping[str, tuple[str, ...]]]] = {
    "fit": {"en": ("ha ha ha ha!", "he he he!", "aaah!", "ugh!"), "zh": ("哈哈哈哈！", "呵呵呵！", "啊！")},
    "judge": {
        "en": ("hahaha, ha ha!", "ho ho ho ho!", "hee hee hee!", "ow!", "hmm", "whoa!", "aaargh!"),
        "zh": ("哈哈，哈哈哈！", "嘿嘿嘿！", "呜呜呜", "哎呀！", "嗯，嗯", "哇！"),
    },
}
"""What singers sing instead of words, and how they laugh and cry."""
MINUTES_OF_VOWELS: Final = 4.0
MINUTES_OF_LAUGHS: Final = 4.0
MINUTES_OF_CHOIR: Final[Mapping[Half, float]] = {"fit": 0.0, "judge": 4.0}


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Up to 30 s of one kind of sound."""

    kind: str
    name: str
    samples: Pcm


def collection(half: Half, *, scale: float = 1.0) -> Iterator[Clip]:
    """All clips of a half; ``scale`` multiplies the minutes of each kind."""
    for kind, (minutes, make) in MADE[half].items():
        for number in range(max(1, round(minutes * scale * 60 / CLIP_S))):
            random = np.random.default_rng([SEEDS[half], number, sum(kind.encode())])
            yield Clip(kind, f"{kind} {number}", _played(make(CLIP_S, random), random, quiet=kind == "silence"))
    for package in FOUND[half]:
        yield from found(package, half, scale)
    yield from sung(half, scale)


def missing(half: Half) -> list[str]:
    """Packages and synthesisers that this machine lacks."""
    lacking = [package.name for package in FOUND[half] if not _files(package.pattern)]
    lacking += [singer.lacking for singer in SINGERS[half] if singer.lacking]
    return sorted({*lacking, *(songs.choir_lacking() if MINUTES_OF_CHOIR[half] else ())})


def found(package: Package, half: Half, scale: float) -> Iterator[Clip]:
    """Pieces of a package's files: of each in turn up to 30 s, from anywhere in it."""
    files = _files(package.pattern)
    left, turn = package.minutes * scale * 60, 0
    while files and left > 0 and turn < 4 * len(files):
        path, random = files[turn % len(files)], np.random.default_rng([SEEDS[half], turn])
        turn += 1
        try:
            whole = clips.read(path)
        except clips.UnreadableClipError:  # a damaged file in a package is no reason to measure nothing
            continue
        size = min(len(whole), int(CLIP_S * RATE))
        begin = int(random.integers(0, len(whole) - size + 1))
        piece = whole[begin : begin + size].astype(np.float64)
        fresh = turn <= len(files) or len(whole) > 4 * size  # short files are used once
        if piece.any() and fresh:
            yield Clip(package.kind, f"{package.name} {path.stem}", _played(piece, random))
            left -= size / RATE


def sung(half: Half, scale: float) -> Iterator[Clip]:
    """What singers sing, with words and without, and how they laugh; a choir."""
    singers = [singer for singer in SINGERS[half] if not singer.lacking]
    speakers = [singer for singer in singers if singer.engine != "festival"]
    for place, singer in enumerate(singers):
        for number, words in enumerate(SONGS[half][singer.language][: max(1, round(5 * scale))]):
            random = np.random.default_rng([SEEDS[half], place, number])
            yield _clip("sung words", f"{singer.voice} {number}", songs.sing(words.split(), singer, random), random)
    for place, singer in enumerate(speakers):
        share = scale / len(speakers)
        for number in range(max(1, round(share * MINUTES_OF_VOWELS * 60 / 15.0))):
            random = np.random.default_rng([SEEDS[half], place, number, 1])
            vowels = [str(vowel) for vowel in random.choice(VOWELS[half][singer.language], 20)]
            yield _clip("sung vowels", f"{singer.voice} {number}", songs.sing(vowels, singer, random), random)
        for number in range(max(1, round(share * MINUTES_OF_LAUGHS * 60 / CLIP_S))):
            random = np.random.default_rng([SEEDS[half], place, number, 2])
            sounds = songs.laugh(LAUGHS[half][singer.language], singer, CLIP_S, random)
            yield _clip("spoken laughs and cries", f"{singer.voice} {number}", sounds, random)
    if MINUTES_OF_CHOIR[half] and not songs.choir_lacking():
        for number in range(max(1, round(scale * MINUTES_OF_CHOIR[half] * 60 / CLIP_S))):
            random = np.random.default_rng([SEEDS[half], number, 3])
            yield _clip("sampled choir", f"choir {number}", songs.choir(CLIP_S, random), random)


def _clip(kind: str, name: str, wave: NDArray[np.float64], random: Random) -> Clip:
    return Clip(kind, name, _played(wave, random))


def _played(wave: NDArray[np.float64], random: Random, *, quiet: bool = False) -> Pcm:
    """The sound as a microphone sends it: its peak from -30 to -1 dBFS (silence as it is), half of all by Opus."""
    if not quiet:
        wave = wave / max(float(np.abs(wave).max()), 1e-9) * 10 ** (random.uniform(-30, -1) / 20)
    sound = wave.astype(np.float32)
    return degrade.to_int16(degrade.through_opus(sound) if random.random() < 0.5 else sound)


def _files(pattern: str) -> list[Path]:
    return sorted(Path("/").glob(pattern.lstrip("/")))
