"""Decodes the training clips: FLAC, WAV, Ogg Opus or MP3 to 16 kHz mono float32."""

from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

SAMPLE_RATE = 16_000

Samples = NDArray[np.float32]


def read_audio(path: Path) -> Samples:
    """Return the file's samples in [-1, 1] at 16 kHz, channels averaged.

    libsndfile refuses Opus files shorter than its look-ahead, so those go through FFmpeg.
    Raises OSError or `av.error.FFmpegError` if neither can decode the file.
    """
    try:
        samples, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
        mono = samples.mean(axis=1)
    except soundfile.LibsndfileError:
        mono, rate = _read_with_ffmpeg(path)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE)
    return np.asarray(mono, np.float32)


def _read_with_ffmpeg(path: Path) -> tuple[Samples, int]:
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler(format="flt", layout="mono")
        parts = [
            out.to_ndarray().reshape(-1)
            for frame in [*container.decode(stream), None]
            for out in resampler.resample(frame)
        ]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32), int(stream.rate)
