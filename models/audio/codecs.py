"""One chunk's bytes to mono int16 samples at the sender's own rate."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.audio.content_type import FASTEST, SLOWEST, AudioFormat
from models.audio.errors import AudioError
from models.audio.framing import OPUS_RATE, Packet, adts_packets, mpeg_packets, opus_packets
from models.audio.ogg import OggOpus
from models.audio.opus import Opus, library

RATE = 16_000  # Hz, of everything behind the decoder
Samples = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one chunk gave: mono int16 `pcm` at `rate` Hz, and the 16 kHz samples that the chunk stands for.

    The two may differ for a moment (a packet that ends in the next chunk); the resampler evens them out.
    """

    pcm: Samples
    rate: int
    span: int


class Codec(Protocol):
    """Decodes the chunks of one track in order; raises AudioError, after which it is thrown away."""

    def decode(self, payload: bytes) -> Decoded:
        """Mono samples of one chunk."""


def at_16_khz(samples: int, rate: int) -> int:
    """Samples at `rate` Hz as whole samples at 16 kHz, to the nearest."""
    return (samples * RATE + rate // 2) // rate


def open_codec(wanted: AudioFormat, most_seconds: float) -> Codec:
    """A fresh codec; no chunk may decode to more than `most_seconds` of audio."""
    match wanted.codec:
        case "pcm":
            return Pcm(np.dtype("<i2"), wanted.rate, wanted.channels, most_seconds)
        case "pcm-big-endian":
            return Pcm(np.dtype(">i2"), wanted.rate, wanted.channels, most_seconds)
        case "opus":
            framing = wanted.framing
            return _opus(lambda payload: (opus_packets(payload, framing), None), most_seconds)
        case "ogg":
            return _opus(OggOpus().packets, most_seconds)
        case "mpeg":
            return Packets("mp3float", lambda payload: (mpeg_packets(payload), None), most_seconds)
        case "aac":
            return Packets("aac", lambda payload: (adts_packets(payload), None), most_seconds)
        case "file":
            return File(most_seconds)


Cut = Callable[[bytes], tuple[list[Packet], int | None]]
"""The packets of a chunk and, where it differs from their sum, the samples that the chunk stands for."""


def _opus(cut: Cut, most_seconds: float) -> Codec:
    return Packets("libopus", cut, most_seconds) if library() is None else OpusPackets(cut, most_seconds)


class Pcm:
    """Headerless 16-bit samples, interleaved; any cut on a sample boundary will do."""

    def __init__(self, dtype: np.dtype[Any], rate: int, channels: int, most_seconds: float) -> None:
        self._dtype, self._rate, self._channels = dtype, rate, channels
        self._most = int(most_seconds * rate)

    def decode(self, payload: bytes) -> Decoded:
        """Raises "truncated" where the bytes end inside a sample."""
        width = 2 * self._channels
        if len(payload) % width:
            raise AudioError("truncated", f"cut audio/pcm at whole samples of {width} bytes")
        count = len(payload) // width
        _check_length(count, self._most)
        pcm = np.frombuffer(payload, self._dtype).astype(np.int16, copy=False)
        if self._channels > 1:
            pcm = _mono(pcm.reshape(-1, self._channels))
        return Decoded(pcm, self._rate, at_16_khz(count, self._rate))


class Packets:
    """MPEG audio, AAC, and Opus where libopus is not at hand: headers are read here, libav decodes the packets."""

    def __init__(self, name: str, cut: Cut, most_seconds: float) -> None:
        import av

        self._av = av
        self._cut = cut
        self._most_seconds = most_seconds
        context: Any = av.CodecContext.create(name, "r")
        if name == "libopus":  # raw packets carry neither; libopus mixes stereo packets down itself
            context.sample_rate = 48_000
            context.layout = "mono"
        self._context = context

    def decode(self, payload: bytes) -> Decoded:
        """Raises "undecodable" for what libav refuses, "too-long" before anything is decoded."""
        packets, started = self._cut(payload)
        rates = {packet.rate for packet in packets}
        if len(rates) > 1:
            raise AudioError("undecodable", "keep to one sampling rate within a chunk")
        rate = rates.pop() if rates else 48_000
        length = sum(packet.samples for packet in packets) if started is None else started
        _check_length(max(length, sum(p.samples for p in packets)), int(self._most_seconds * rate))
        pieces: list[Samples] = []
        decoded_rate = rate
        for packet in packets:
            frames = self._frames(packet)
            if frames:
                decoded_rate = frames[0].sample_rate  # HE-AAC: twice the rate of the header
                pieces.extend(_frame_samples(frame) for frame in frames)
            else:
                pieces.append(np.zeros(packet.samples * decoded_rate // rate, np.int16))
        pcm = pieces[0] if len(pieces) == 1 else np.concatenate([np.zeros(0, np.int16), *pieces])
        return Decoded(pcm, decoded_rate, at_16_khz(length, rate))

    def _frames(self, packet: Packet) -> list[Any]:
        if packet.data is None:
            return []
        try:
            frames: list[Any] = self._context.decode(self._av.Packet(packet.data))
        except self._av.FFmpegError as error:
            raise AudioError("undecodable", "send packets that the codec accepts") from error
        return frames


class OpusPackets:
    """Opus by libopus, at 16 kHz."""

    def __init__(self, cut: Cut, most_seconds: float) -> None:
        self._cut = cut
        self._most = int(most_seconds * OPUS_RATE)
        self._decoder = Opus()

    def decode(self, payload: bytes) -> Decoded:
        """Raises "undecodable" for what libopus refuses, "too-long" before anything is decoded."""
        packets, started = self._cut(payload)
        decoded = sum(packet.samples for packet in packets)
        length = decoded if started is None else started
        _check_length(max(length, decoded), self._most)
        return Decoded(self._decoder.decode(packets), RATE, at_16_khz(length, OPUS_RATE))


class File:
    """FLAC and WAV: each chunk is a whole file with its own header."""

    def __init__(self, most_seconds: float) -> None:
        self._most_seconds = most_seconds

    def decode(self, payload: bytes) -> Decoded:
        """Raises "truncated" where the header promises more samples than follow."""
        import soundfile

        _check_wav_size(payload)
        try:
            with soundfile.SoundFile(io.BytesIO(payload)) as file:
                rate, promised = file.samplerate, file.frames
                if not SLOWEST <= rate <= FASTEST:
                    raise AudioError("unknown-codec", f"use a rate from {SLOWEST} to {FASTEST} Hz")
                most = int(self._most_seconds * rate)
                # libsndfile does not scale float files read as integers, so those are read as they are.
                real = file.subtype in ("FLOAT", "DOUBLE")
                samples = file.read(most + 1, dtype="float32" if real else "int16", always_2d=True)
        except soundfile.SoundFileError as error:
            raise AudioError("undecodable", "send one whole FLAC or WAV file in each chunk") from error
        _check_length(len(samples), most)
        if len(samples) < min(promised, most):
            raise AudioError("truncated", "send one whole FLAC or WAV file in each chunk")
        pcm = _mono(_to_int16(samples) if real else samples)
        return Decoded(pcm, rate, at_16_khz(len(pcm), rate))


def _check_length(samples: int, most: int) -> None:
    if samples > most:
        raise AudioError("too-long", "send shorter chunks; 20 ms to 2 s is usual")


def _check_wav_size(payload: bytes) -> None:
    """libsndfile reads a cut-off WAV without complaint: compare its data chunk with what is there."""
    if payload[:4] != b"RIFF" or payload[8:12] != b"WAVE":
        return
    at = 12
    while at + 8 <= len(payload):
        size = int.from_bytes(payload[at + 4 : at + 8], "little")
        if payload[at : at + 4] == b"data":
            # Sizes of 2 GiB and more are what streaming writers put for "not known yet".
            if size < 1 << 31 and at + 8 + size > len(payload):
                raise AudioError("truncated", "send one whole FLAC or WAV file in each chunk")
            return
        at += 8 + size + (size & 1)


def _frame_samples(frame: Any) -> Samples:
    """One libav frame as mono int16."""
    samples: NDArray[Any] = frame.to_ndarray()  # [channels, n], or [1, n * channels] where interleaved
    channels: int = frame.layout.nb_channels
    if samples.dtype != np.int16:
        samples = _to_int16(samples)
    return _mono(samples.T if frame.format.is_planar else samples.reshape(-1, channels))


def _to_int16(samples: NDArray[np.floating[Any]]) -> Samples:
    """Full scale 1.0 to 32768, clipped; what is not a number becomes silence."""
    scaled: NDArray[Any] = np.nan_to_num(np.clip(samples * 32768.0, -32768.0, 32767.0))
    return scaled.astype(np.int16)


def _mono(samples: Samples) -> Samples:
    """Mean over the channels of an array [n, channels], contiguous."""
    channels = samples.shape[1]
    if channels == 1:
        return samples.reshape(-1)
    total = samples[:, 0].astype(np.int32)
    for channel in range(1, channels):  # column by column: five times faster than a sum over rows
        total += samples[:, channel]
    mean: Samples = (total // channels).astype(np.int16)
    return mean
