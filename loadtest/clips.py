"""Audio files as arrays: any format that PyAV reads, as int16, 16 kHz, mono; and where human recordings are found."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE = 16_000
"""Sampling rate of every array in this package, Hz."""

Pcm = NDArray[np.int16]

RECORDINGS = (Path("/usr/share/pocketsphinx/test/data"), Path("/usr/local/share/pocketsphinx/test/data"))
"""Where Debian's pocketsphinx-testdata lies; ``ROOMWARDEN_RECORDINGS`` (folders joined by ``:``) comes first."""

_PREFIX = "recordings:"


class NoRecordingError(LookupError):
    """A human recording that this machine lacks."""


class UnreadableClipError(ValueError):
    """A file that holds no audio we can decode."""


def locate(audio: str, directory: Path, recordings: Sequence[Path] | None = None) -> Path:
    """Path of a clip: relative to ``directory``, or, after ``recordings:``, in the first folder that has it.

    Raises:
        NoRecordingError: when no folder has the recording.
    """
    if not audio.startswith(_PREFIX):
        return directory / audio
    name = audio.removeprefix(_PREFIX)
    extra = [Path(entry) for entry in os.environ.get("ROOMWARDEN_RECORDINGS", "").split(":") if entry]
    for folder in recordings if recordings is not None else (*extra, *RECORDINGS):
        if (folder / name).is_file():
            return folder / name
    raise NoRecordingError(
        f"recording {name} is not on this machine; install the package pocketsphinx-testdata, "
        "or name its folder in ROOMWARDEN_RECORDINGS"
    )


@lru_cache(maxsize=64)
def read(path: Path) -> Pcm:
    """The clip as int16 [samples], 16 kHz, mono. Cached: treat it as read-only.

    Raises:
        UnreadableClipError: when the file is missing, or holds no audio that PyAV can decode.
    """
    blocks: list[Pcm] = []
    try:
        with av.open(str(path)) as container:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
            for frame in container.decode(audio=0):
                blocks.extend(block.to_ndarray()[0] for block in resampler.resample(frame))
            blocks.extend(block.to_ndarray()[0] for block in resampler.resample(None))
    except (av.FFmpegError, IndexError, OSError):
        raise UnreadableClipError(
            f"{path.name} cannot be read as audio; give a WAV, FLAC, MP3, AAC or Opus file"
        ) from None
    if not blocks:
        raise UnreadableClipError(f"{path.name} holds no audio; give a file with sound in it")
    samples = np.concatenate(blocks).astype(np.int16, copy=False)
    samples.setflags(write=False)
    return samples


def duration_ms(path: Path) -> float:
    """Length of a clip in ms, by decoding it.

    Raises:
        UnreadableClipError: see ``read``.
    """
    return 1000.0 * len(read(path)) / RATE
