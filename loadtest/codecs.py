"""PCM to wire chunks, in every codec that ``segment`` must read.

========================  ==============================  ======================================================
name                      content type                    a chunk is
========================  ==============================  ======================================================
pcm                       audio/pcm;rate=R;channels=C     s16le samples, interleaved
opus                      audio/opus                      one raw packet (chunk of 10, 20, 40, 60, 80, 100, 120 ms)
opus-length16             audio/opus;framing=length16     20 ms packets, each after its length, 2 bytes big-endian
ogg                       audio/ogg                       a whole Ogg stream: headers, then this chunk's packets
ogg-stream                audio/ogg                       pages of one long Ogg stream; headers in the first chunk only
flac                      audio/flac                      a whole FLAC file
mp3                       audio/mpeg                      frames of 36 ms without bit reservoir
aac                       audio/aac                       ADTS frames of 64 ms
========================  ==============================  ======================================================

Opus, MP3 and AAC run one encoder along the whole track, as real senders do; MP3 and AAC therefore come up to 70 ms
late (their encoder's delay), and the last chunk may be up to two frames longer than the audio.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from loadtest.clips import RATE, Pcm
from loadtest.ogg import OpusPages
from loadtest.schema import Codec

OPUS_FRAME_MS = 20
OPUS_PACKET_MS = (10, 20, 40, 60, 80, 100, 120)
_SILENCE_RMS = 32768 * 10 ** (-50 / 20)
"""A chunk below -50 dBFS (RMS) counts as silent: about what voice encoders' own DTX takes for background noise."""


@dataclass(frozen=True, slots=True)
class EncodedChunk:
    """One chunk as it goes on the wire; ``offset_ms`` is the time of its first sample within the track."""

    offset_ms: float
    duration_ms: float
    payload: bytes
    silent: bool


def content_type(codec: Codec) -> str:
    """What the record's ``content-type`` header says."""
    match codec.name:
        case "pcm":
            channels = f";channels={codec.channels}" if codec.channels > 1 else ""
            return f"audio/pcm;rate={codec.rate}{channels}"
        case "opus":
            return "audio/opus"
        case "opus-length16":
            return "audio/opus;framing=length16"
        case "ogg" | "ogg-stream":
            return "audio/ogg"
        case "flac":
            return "audio/flac"
        case "mp3":
            return "audio/mpeg"
        case "aac":
            return "audio/aac"


def chunk_ms(codec: Codec) -> int:
    """The true length of a chunk: the wish of the scenario, rounded up to what the codec can do."""
    if codec.name == "opus":
        return next((size for size in OPUS_PACKET_MS if size >= codec.chunk_ms), OPUS_PACKET_MS[-1])
    frame = {"opus-length16": 20, "ogg": 20, "ogg-stream": 20, "mp3": 36, "aac": 64}.get(codec.name, 1)
    return math.ceil(codec.chunk_ms / frame) * frame


def encode(blocks: Iterable[Pcm], codec: Codec, *, serial: int = 1) -> Iterator[EncodedChunk]:
    """Chunks of a track, one by one, as its PCM (int16, 16 kHz, mono, any block sizes) arrives.

    ``serial`` is the Ogg stream's number. Memory holds one chunk and the codec's delay.
    """
    size = chunk_ms(codec)
    match codec.name:
        case "pcm":
            return _pcm(blocks, codec, size)
        case "flac":
            return _flac(blocks, codec, size)
        case "opus":
            return _packets(_opus(codec, size), blocks, size, size, b"".join)
        case "opus-length16":
            return _packets(_opus(codec, OPUS_FRAME_MS), blocks, OPUS_FRAME_MS, size, length16)
        case "ogg" | "ogg-stream":
            return _ogg(blocks, codec, size, serial)
        case "mp3":
            mp3 = _encoder("libmp3lame", codec.bitrate, {"reservoir": "0"})
            return _packets(mp3, blocks, 36, size, b"".join)
        case "aac":
            return _packets(_encoder("aac", codec.bitrate, {}), blocks, 64, size, adts)


def length16(packets: Sequence[bytes]) -> bytes:
    """Packets, each after its length as two bytes, big-endian."""
    return b"".join(struct.pack(">H", len(packet)) + packet for packet in packets)


def adts(packets: Sequence[bytes]) -> bytes:
    """AAC-LC packets (16 kHz, mono), each after its 7-byte ADTS header (ISO/IEC 13818-7, section 6.2)."""
    rate_index, channels = 8, 1
    out = []
    for packet in packets:
        length = len(packet) + 7
        head = (0xFFF1 << 40) | (1 << 38) | (rate_index << 34) | (channels << 30) | (length << 13) | (0x7FF << 2)
        out.append(head.to_bytes(7, "big") + packet)
    return b"".join(out)


def is_silent(pcm: Pcm) -> bool:
    """Whether a block's RMS lies below -50 dBFS."""
    if len(pcm) == 0:
        return True
    level = pcm.astype(np.float32)
    return bool(np.sqrt(np.dot(level, level) / len(pcm)) < _SILENCE_RMS)


def _rebuffer(blocks: Iterable[Pcm], size: int) -> Iterator[Pcm]:
    """Blocks of exactly ``size`` samples; the last one may be shorter."""
    held: list[Pcm] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += len(block)
        if count >= size:
            joined = np.concatenate(held)
            whole = count // size * size
            for start in range(0, whole, size):
                yield joined[start : start + size]
            held, count = [joined[whole:]], count - whole
    if count:
        yield np.concatenate(held)


def _resampled(blocks: Iterable[Pcm], rate: int) -> Iterator[Pcm]:
    if rate == RATE:
        yield from blocks
        return
    # Floats in and out: soxr dithers 16-bit results by the time of day, and two replays would differ.
    stream = soxr.ResampleStream(RATE, rate, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield _rounded(stream.resample_chunk(block.astype(np.float32)))
    yield _rounded(stream.resample_chunk(np.zeros(0, np.float32), last=True))


def _rounded(samples: NDArray[np.float32]) -> Pcm:
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)


def _pcm(blocks: Iterable[Pcm], codec: Codec, size_ms: int) -> Iterator[EncodedChunk]:
    samples = codec.rate * size_ms // 1000
    offset = 0
    for block in _rebuffer(_resampled(blocks, codec.rate), samples):
        wire = np.repeat(block, codec.channels) if codec.channels > 1 else block
        payload = wire.astype("<i2").tobytes()
        yield EncodedChunk(1000 * offset / codec.rate, 1000 * len(block) / codec.rate, payload, is_silent(block))
        offset += len(block)


def _flac(blocks: Iterable[Pcm], codec: Codec, size_ms: int) -> Iterator[EncodedChunk]:
    samples = codec.rate * size_ms // 1000
    offset = 0
    for block in _rebuffer(_resampled(blocks, codec.rate), samples):
        wire = np.repeat(block[:, None], codec.channels, axis=1)
        file = io.BytesIO()
        soundfile.write(file, wire, codec.rate, format="FLAC", subtype="PCM_16")
        duration = 1000 * len(block) / codec.rate
        yield EncodedChunk(1000 * offset / codec.rate, duration, file.getvalue(), is_silent(block))
        offset += len(block)


def _encoder(name: str, bitrate: int, options: dict[str, str]) -> av.AudioCodecContext:
    context = av.CodecContext.create(name, "w")
    if not isinstance(context, av.AudioCodecContext):
        raise TypeError(f"{name} is no audio encoder; name one of libopus, libmp3lame, aac")
    context.sample_rate = RATE
    context.layout = "mono"
    context.format = {"libopus": "s16", "libmp3lame": "s16p", "aac": "fltp"}[name]
    context.bit_rate = bitrate
    context.options = options
    context.open()
    return context


def _opus(codec: Codec, frame_ms: int) -> av.AudioCodecContext:
    options = {"frame_duration": str(frame_ms), "application": "voip", "compression_level": "5"}
    return _encoder("libopus", codec.bitrate, options)


def _batches(
    encoder: av.AudioCodecContext, blocks: Iterable[Pcm], frame_ms: int, size_ms: int
) -> Iterator[tuple[list[bytes], bool]]:
    """The packets of each chunk, and whether its input was silent (up to the encoder's delay)."""
    size = RATE * frame_ms // 1000
    sample_format = encoder.format.name
    batch: list[bytes] = []
    silent = True
    frames = _rebuffer(blocks, size)
    for index, block in enumerate(frames):
        padded = np.zeros((1, size), np.int16)
        padded[0, : len(block)] = block
        samples = padded if sample_format != "fltp" else (padded / 32768).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format=sample_format, layout="mono")
        frame.sample_rate = RATE
        frame.pts = index * size
        silent = silent and is_silent(block)
        batch.extend(bytes(packet) for packet in encoder.encode(frame))
        if len(batch) * frame_ms >= size_ms:
            yield batch, silent
            batch, silent = [], True
    if encoder.name != "libopus":  # Opus only holds back 6.5 ms: not worth a packet that exceeds the track
        batch.extend(bytes(packet) for packet in encoder.encode(None))
    if batch:
        yield batch, silent


def _packets(
    encoder: av.AudioCodecContext,
    blocks: Iterable[Pcm],
    frame_ms: int,
    size_ms: int,
    join: Callable[[Sequence[bytes]], bytes],
) -> Iterator[EncodedChunk]:
    offset = 0
    for batch, silent in _batches(encoder, blocks, frame_ms, size_ms):
        duration = len(batch) * frame_ms
        yield EncodedChunk(offset, duration, join(batch), silent)
        offset += duration


def _ogg(blocks: Iterable[Pcm], codec: Codec, size_ms: int, serial: int) -> Iterator[EncodedChunk]:
    pages = OpusPages(serial)
    offset = 0
    for batch, silent in _batches(_opus(codec, OPUS_FRAME_MS), blocks, OPUS_FRAME_MS, size_ms):
        if codec.name == "ogg" and offset:
            pages = OpusPages(serial, pre_skip=0)  # joined in the middle: nothing to skip
        headers = pages.headers() if codec.name == "ogg" or offset == 0 else b""
        payload = headers + pages.page(batch, frame_ms=OPUS_FRAME_MS, last=codec.name == "ogg")
        duration = len(batch) * OPUS_FRAME_MS
        yield EncodedChunk(offset, duration, payload, silent)
        offset += duration
