"""What happens to speech before it is heard: noise, babble, another speaker, Opus. Float32, 16 kHz, mono."""

from __future__ import annotations

from collections.abc import Sequence

import av
import numpy as np

from loadtest import codecs
from loadtest.clips import RATE, Pcm
from loadtest.schema import Codec
from loadtest.sounds import Samples

_FRAME = RATE // 50


def speech_power(speech: Samples) -> float:
    """Mean power of the 20 ms frames that are within 30 dB of the loudest: pauses do not count."""
    frames = speech[: len(speech) // _FRAME * _FRAME].reshape(-1, _FRAME)
    if len(frames) == 0:
        return float(np.mean(speech**2)) if len(speech) else 0.0
    power = np.mean(frames.astype(np.float64) ** 2, axis=1)
    return float(np.mean(power[power >= power.max() * 1e-3]))


def with_noise(speech: Samples, noise: Samples, snr_db: float) -> Samples:
    """Speech plus noise (repeated or cut to its length) at a signal-to-noise ratio; scaled down where it would clip."""
    bed = np.resize(noise, len(speech)).astype(np.float32)
    noise_power = float(np.mean(bed.astype(np.float64) ** 2))
    if noise_power == 0.0:
        return speech
    gain = np.sqrt(speech_power(speech) / noise_power * 10 ** (-snr_db / 10))
    return unclipped(speech + bed * np.float32(gain))


def with_speaker(speech: Samples, other: Samples, *, below_db: float = 6.0) -> Samples:
    """Speech with a second speaker, ``below_db`` weaker, from its middle to its end."""
    start = len(speech) // 2
    rival = np.zeros_like(speech)
    piece = other[: len(speech) - start]
    rival[start : start + len(piece)] = piece
    power = speech_power(other)
    gain = np.sqrt(speech_power(speech) / power * 10 ** (-below_db / 10)) if power else 0.0
    return unclipped(speech + rival * np.float32(gain))


def babble(voices: Sequence[Samples], samples: int) -> Samples:
    """Several voices at once, each of equal power, each repeated from another point on.

    Raises:
        ValueError: when no voice is given.
    """
    if not voices:
        raise ValueError("babble needs at least one voice")
    out = np.zeros(samples, np.float32)
    for index, voice in enumerate(voices):
        level = np.float32(np.sqrt(max(speech_power(voice), 1e-12)))
        out += np.resize(np.roll(voice, index * RATE // 2), samples) / level
    return out


def through_opus(speech: Samples, bitrate: int = 24_000) -> Samples:
    """Speech after one way through Opus (raw 20 ms packets), as long as before."""
    decoder = av.CodecContext.create("opus", "r")
    if not isinstance(decoder, av.AudioCodecContext):
        raise TypeError("this build of PyAV has no Opus decoder; install the av wheel")
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    lead = np.zeros(_FRAME, np.int16)
    heard: list[Pcm] = []
    for chunk in codecs.encode([to_int16(speech), lead], Codec(name="opus", chunk_ms=20, bitrate=bitrate)):
        for frame in decoder.decode(av.Packet(chunk.payload)):
            heard += [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
    heard += [piece.to_ndarray()[0] for piece in resampler.resample(None)]
    delay = round(0.0065 * RATE)  # the encoder's look-ahead
    pcm = np.concatenate(heard)[delay : delay + len(speech)]
    out = np.zeros(len(speech), np.float32)
    out[: len(pcm)] = pcm.astype(np.float32) / 32768
    return out


def unclipped(speech: Samples) -> Samples:
    """The speech, scaled down to -0.5 dBFS where its peak is above."""
    peak, ceiling = float(np.max(np.abs(speech), initial=0.0)), 10 ** (-0.5 / 20)
    return (speech * np.float32(ceiling / peak)).astype(np.float32) if peak > ceiling else speech


def to_int16(speech: Samples) -> Pcm:
    """Float32 to int16, clipped."""
    return np.clip(np.rint(speech * 32767), -32768, 32767).astype(np.int16)
