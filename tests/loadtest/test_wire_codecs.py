"""Every wire codec, encoded here and decoded by the decoder that `segment` uses."""

import io

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest import codecs, ogg
from loadtest.clips import RATE, Pcm
from loadtest.schema import Codec
from models.audio.decoding import open_decoder

NAMES = ["pcm", "opus", "opus-length16", "ogg", "ogg-stream", "flac", "mp3", "aac"]


def voice_like(seconds: float, seed: int = 0) -> Pcm:
    """A gliding buzz with pauses: harmonics that lossy codecs keep, changes that show any shift in time."""
    time = np.arange(int(seconds * RATE)) / RATE
    pitch = np.cumsum(140 + 60 * np.sin(2 * np.pi * 0.7 * time + seed)) / RATE
    sound = sum(np.sin(2 * np.pi * harmonic * pitch) / harmonic for harmonic in range(1, 12))
    envelope = np.clip(np.sin(2 * np.pi * 1.3 * time) * 3, 0, 1)
    return (6000 * sound * envelope).astype(np.int16)


def in_blocks(pcm: Pcm, size: int = 1600) -> list[Pcm]:
    return [pcm[start : start + size] for start in range(0, len(pcm), size)]


def decoded(chunks: list[codecs.EncodedChunk], codec: Codec) -> Pcm:
    decoder = open_decoder(codecs.content_type(codec))
    return np.concatenate([*(decoder.feed(chunk.payload) for chunk in chunks), decoder.flush()])


def spectrum(pcm: np.ndarray) -> np.ndarray:
    """Square roots of magnitudes below 4 kHz every 10 ms: what is heard, whatever the codec does to phases."""
    frames = np.lib.stride_tricks.sliding_window_view(pcm.astype(float), 512)[::160] * np.hanning(512)
    return np.sqrt(np.abs(np.fft.rfft(frames))[:, :128]).ravel()


def best_match(original: Pcm, heard: Pcm) -> tuple[float, float]:
    """Highest likeness of a second of sound over shifts of up to 120 ms, and that shift in ms."""
    wanted = spectrum(original[RATE // 2 : RATE // 2 + RATE])
    scores = []
    for shift in range(0, int(0.12 * RATE), 40):
        piece = heard[RATE // 2 + shift : RATE // 2 + shift + RATE]
        scores.append((float(np.corrcoef(wanted, spectrum(piece))[0, 1]), 1000 * shift / RATE))
    return max(scores)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("chunk_ms", [20, 100, 500])
def test_segment_hears_what_was_said(name: str, chunk_ms: int) -> None:
    codec = Codec(name=name, chunk_ms=chunk_ms, bitrate=48_000)
    original = voice_like(2.5)
    chunks = list(codecs.encode(in_blocks(original), codec))
    score, shift_ms = best_match(original, decoded(chunks, codec))
    assert score > 0.95
    assert shift_ms <= 75


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44_100, 2), (48_000, 1), (48_000, 2)])
@pytest.mark.parametrize("name", ["pcm", "flac"])
def test_rates_and_channels(name: str, rate: int, channels: int) -> None:
    codec = Codec(name=name, rate=rate, channels=channels, chunk_ms=40)
    original = voice_like(2.5)
    chunks = list(codecs.encode(in_blocks(original), codec))
    assert sum(chunk.duration_ms for chunk in chunks) == pytest.approx(2500, abs=1)
    score, _ = best_match(original, decoded(chunks, codec))
    assert score > 0.95


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    chunk_ms=st.integers(10, 2000),
    samples=st.integers(1, 3 * RATE),
    block=st.integers(37, 4000),
)
def test_chunks_are_contiguous_and_cover_the_track(name: str, chunk_ms: int, samples: int, block: int) -> None:
    codec = Codec(name=name, chunk_ms=chunk_ms)
    chunks = list(codecs.encode(in_blocks(voice_like(3)[:samples], block), codec))
    size = codecs.chunk_ms(codec)
    end = 0.0
    for chunk in chunks:
        assert chunk.offset_ms == pytest.approx(end)
        assert chunk.payload
        end += chunk.duration_ms
    length = 1000 * samples / RATE
    frame = {"mp3": 36, "aac": 64, "pcm": 1, "flac": 1, "opus": size}.get(name, 20)
    assert length - 1e-6 <= end < length + 3 * frame
    assert all(chunk.duration_ms >= size - 1e-6 for chunk in chunks[:-1])
    assert all(chunk.duration_ms <= size + 3 * frame for chunk in chunks)


@pytest.mark.parametrize(
    ("name", "wish", "got"),
    [("opus", 30, 40), ("opus", 2000, 120), ("mp3", 100, 108), ("aac", 100, 128), ("ogg", 10, 20), ("pcm", 33, 33)],
)
def test_chunk_lengths_are_whole_frames(name: str, wish: int, got: int) -> None:
    assert codecs.chunk_ms(Codec(name=name, chunk_ms=wish)) == got


def test_content_types() -> None:
    assert codecs.content_type(Codec(name="pcm", rate=48_000, channels=2)) == "audio/pcm;rate=48000;channels=2"
    assert codecs.content_type(Codec(name="opus-length16")) == "audio/opus;framing=length16"


def test_length16_is_big_endian() -> None:
    assert codecs.length16([b"ab", b"x" * 258]) == b"\x00\x02ab\x01\x02" + b"x" * 258


def test_silence_is_known() -> None:
    silence, sound = np.zeros(RATE, np.int16), voice_like(1.0)
    flags = [chunk.silent for chunk in codecs.encode([silence, sound, silence], Codec(name="pcm", chunk_ms=1000))]
    assert flags == [True, False, True]
    assert codecs.is_silent(np.zeros(0, np.int16))


@pytest.mark.parametrize("name", ["ogg", "ogg-stream"])
def test_other_software_reads_our_pages(name: str) -> None:
    codec = Codec(name=name, chunk_ms=200)
    chunks = list(codecs.encode(in_blocks(voice_like(2.0)), codec))
    files = [b"".join(chunk.payload for chunk in chunks)] if name == "ogg-stream" else [c.payload for c in chunks]
    seconds = 0.0
    for file in files:
        with av.open(io.BytesIO(file), format="ogg") as container:
            assert container.streams.audio[0].codec_context.name in ("opus", "libopus")
            seconds += sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    assert seconds == pytest.approx(2.0, abs=0.02)


def test_page_checksum() -> None:
    """Bitwise reference: Ogg's CRC is MSB first, no initial value, no final complement."""
    data = bytes(range(200)) * 3
    register = 0
    for byte in data:
        register ^= byte << 24
        for _ in range(8):
            register = ((register << 1) ^ 0x04C11DB7 if register & 0x80000000 else register << 1) & 0xFFFFFFFF
    assert ogg.crc(data) == register


def test_long_packets_are_laced_and_split() -> None:
    pages = ogg.OpusPages(1)
    out = pages.page([b"a" * 255, b"b" * 60_000, b"c" * 30_000], frame_ms=20)
    assert out.count(b"OggS") == 2
    assert b"c" * 30_000 in out
    with pytest.raises(ValueError, match="lower the bit rate"):
        pages.page([b"d" * 70_000], frame_ms=20)


def test_adts_header_describes_its_frame() -> None:
    frame = codecs.adts([b"\x01" * 93])
    assert frame[0] == 0xFF
    assert frame[1] & 0xF6 == 0xF0
    assert ((frame[3] & 3) << 11) | (frame[4] << 3) | (frame[5] >> 5) == len(frame) == 100
