"""Encoders for the tests: 16 kHz speech to chunks of every content type, cut as a live sender would cut them."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr

from models.segmenting import Chunk

DATA = Path(__file__).parents[1] / "data" / "audio"
OPUS_FRAMES_MS = (20, 40, 60)

# name: (content type, rate, channels)
CODECS = {
    "pcm16k": ("audio/pcm;rate=16000", 16_000, 1),
    "pcm48k-stereo": ("audio/pcm;rate=48000;channels=2", 48_000, 2),
    "pcm44k": ("audio/pcm;rate=44100", 44_100, 1),
    "l16": ("audio/L16;rate=8000;channels=1", 8_000, 1),
    "wav": ("audio/wav", 24_000, 1),
    "flac": ("audio/flac", 48_000, 1),
    "opus": ("audio/opus", 48_000, 1),
    "opus-length16": ("audio/opus;framing=length16", 48_000, 2),
    "ogg": ("audio/ogg;codecs=opus", 48_000, 1),
    "mp3": ("audio/mpeg", 44_100, 1),
    "aac": ("audio/aac", 48_000, 1),
}


@lru_cache
def phrase() -> np.ndarray:
    """The committed phrase, 3.3 s at 16 kHz, trimmed of its silence."""
    samples, rate = soundfile.read(DATA / "phrase.flac", dtype="int16")
    assert rate == 16_000
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 600)
    return samples[loud[0] : loud[-1]]


@lru_cache
def word() -> np.ndarray:
    """About 0.7 s of it."""
    return phrase()[: 16 * 700]


def silence(ms: float) -> np.ndarray:
    return np.zeros(round(ms * 16), np.int16)


def noise(ms: float, level: float = 20.0, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(round(ms * 16)) * level).astype(np.int16)


def at_rate(samples: np.ndarray, rate: int) -> np.ndarray:
    return samples if rate == 16_000 else soxr.resample(samples, 16_000, rate)


def chunks_of(
    samples: np.ndarray,
    codec: str,
    chunk_ms: int,
    *,
    start_ms: float = 1_000_000.0,
    track: str = "t",
    last: bool = True,
) -> list[Chunk]:
    """Cut and encode 16 kHz samples; token = sequence. The last chunk is marked."""
    content_type, rate, channels = CODECS[codec]
    if codec == "opus":
        chunk_ms = max(ms for ms in OPUS_FRAMES_MS if ms <= max(chunk_ms, 20))
    native = at_rate(samples, rate)
    if channels > 1:
        native = np.repeat(native[:, None], channels, axis=1)
    parts = _PARTS[codec](native, rate, chunk_ms)
    chunks = []
    time_ms = start_ms
    for sequence, (payload, duration_ms) in enumerate(parts):
        final = last and sequence == len(parts) - 1
        chunks.append(Chunk(track, sequence, time_ms, duration_ms, content_type, payload, final, token=sequence))
        time_ms += duration_ms
    return chunks


def packets(native: np.ndarray, rate: int, codec: str, frame_ms: int = 20) -> list[bytes]:
    """Raw packets of one libav encoder."""
    channels = 1 if native.ndim == 1 else native.shape[1]
    context = av.CodecContext.create(codec, "w")
    context.sample_rate = rate
    context.layout = "mono" if channels == 1 else "stereo"
    context.format = {"libopus": "s16", "libmp3lame": "s16p", "aac": "fltp", "mp2": "s16"}[codec]
    context.bit_rate = 64_000
    if codec == "libopus":
        context.options = {"frame_duration": str(frame_ms), "application": "voip"}
    context.open()
    size = context.frame_size
    native = np.concatenate([native, np.zeros((-len(native) % size, *native.shape[1:]), np.int16)])
    result = []
    for start in range(0, len(native), size):
        block = native[start : start + size]
        if context.format.name == "fltp":
            block = (block / 32768.0).astype(np.float32)
        planes = block.reshape(1, -1) if context.format.is_packed else np.atleast_2d(block.T)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(planes), context.format.name, context.layout.name)
        frame.sample_rate = rate
        frame.pts = start
        result += [bytes(p) for p in context.encode(frame)]
    return result + [bytes(p) for p in context.encode(None)]


def adts(packet: bytes, rate: int, channels: int = 1) -> bytes:
    index = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000).index(rate)
    size = len(packet) + 7
    return (
        bytes((0xFF, 0xF1, 0x40 | index << 2 | channels >> 2, (channels & 3) << 6 | size >> 11))
        + bytes((size >> 3 & 255, (size & 7) << 5 | 0x1F, 0xFC))
        + packet
    )


def ogg_file(native: np.ndarray, rate: int, page_ms: int, frame_ms: int = 20) -> bytes:
    """A whole Ogg/Opus file from libav's own muxer."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="ogg", options={"page_duration": str(page_ms * 1000)}) as container:
        stream = container.add_stream("libopus", rate=rate, options={"frame_duration": str(frame_ms)})
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(native.reshape(1, -1), "s16", "mono")
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return buffer.getvalue()


def ogg_pages(file: bytes) -> list[tuple[bytes, int]]:
    """(page, its granule position)."""
    return [(b"OggS" + part, int.from_bytes(part[2:10], "little")) for part in file.split(b"OggS")[1:]]


def _pcm(dtype):
    def parts(native, rate, chunk_ms):
        size = rate * chunk_ms // 1000
        cuts = [native[i : i + size] for i in range(0, len(native), size)]
        return [(c.astype(dtype).tobytes(), len(c) * 1000 / rate) for c in cuts]

    return parts


def _files(kind):
    def parts(native, rate, chunk_ms):
        size = rate * chunk_ms // 1000
        result = []
        for i in range(0, len(native), size):
            buffer = io.BytesIO()
            soundfile.write(buffer, native[i : i + size], rate, format=kind)
            result.append((buffer.getvalue(), len(native[i : i + size]) * 1000 / rate))
        return result

    return parts


def _groups(encoded: list[bytes], packet_ms: float, chunk_ms: int, join=b"".join):
    count = max(1, round(chunk_ms / packet_ms))
    groups = [encoded[i : i + count] for i in range(0, len(encoded), count)]
    return [(join(group), len(group) * packet_ms) for group in groups]


def _opus(native, rate, chunk_ms):
    return _groups(packets(native, rate, "libopus", chunk_ms), chunk_ms, chunk_ms)


def _opus16(native, rate, chunk_ms):
    def join(group):
        return b"".join(len(p).to_bytes(2, "big") + p for p in group)

    return _groups(packets(native, rate, "libopus"), 20, chunk_ms, join)


def _ogg(native, rate, chunk_ms):
    result = []
    before = 0
    for page, granule in ogg_pages(ogg_file(native, rate, chunk_ms)):
        result.append((page, (granule - before) / 48))
        before = granule
    return result


def _mp3(native, rate, chunk_ms):
    return _groups(packets(native, rate, "libmp3lame"), 1152 * 1000 / rate, chunk_ms)


def _aac(native, rate, chunk_ms):
    return _groups([adts(p, rate) for p in packets(native, rate, "aac")], 1024 * 1000 / rate, chunk_ms)


_PARTS = {
    "pcm16k": _pcm("<i2"),
    "pcm48k-stereo": _pcm("<i2"),
    "pcm44k": _pcm("<i2"),
    "l16": _pcm(">i2"),
    "wav": _files("WAV"),
    "flac": _files("FLAC"),
    "opus": _opus,
    "opus-length16": _opus16,
    "ogg": _ogg,
    "mp3": _mp3,
    "aac": _aac,
}
