"""Every codec, cut every way, comes out as the same speech, and counts the same wherever a decoder begins."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from models.audio import AudioError, open_decoder
from models.audio.framing import adts_packets, mpeg_packets, opus_samples
from tests.models.audio_makers import (
    CODECS,
    adts,
    at_rate,
    chunks_of,
    ogg_file,
    ogg_pages,
    packets,
    phrase,
    silence,
)

SPEECH = np.concatenate([silence(300), phrase()[:24_000], silence(200)])


def decode(chunks) -> tuple[np.ndarray, list[int]]:
    """All samples, and what each chunk counts."""
    decoder = open_decoder(chunks[0].content_type)
    parts, counts = [], []
    for chunk in chunks:
        before = decoder.due
        parts.append(decoder.feed(chunk.payload))
        counts.append(decoder.due - before)
    parts.append(decoder.flush())
    return np.concatenate(parts), counts


def likeness(samples: np.ndarray, original: np.ndarray) -> tuple[float, float]:
    """Highest correlation, and the lag in ms at which it is reached."""
    size = 2 * max(len(samples), len(original))
    spectrum = np.fft.rfft(samples.astype(float), size) * np.conj(np.fft.rfft(original.astype(float), size))
    curve = np.fft.irfft(spectrum, size)
    lag = int(np.argmax(curve))
    norm = np.linalg.norm(samples.astype(float)) * np.linalg.norm(original.astype(float))
    return float(curve[lag] / norm), (lag if lag < size // 2 else lag - size) / 16


@pytest.mark.parametrize("chunk_ms", [20, 60, 200, 2_000])
@pytest.mark.parametrize("codec", CODECS)
def test_speech_survives(codec, chunk_ms):
    chunks = chunks_of(SPEECH, codec, chunk_ms)
    samples, counts = decode(chunks)
    assert len(samples) == sum(counts)
    assert len(samples) == pytest.approx(len(SPEECH), abs=125 * 16)  # encoders pad: two frames at most
    same, lag_ms = likeness(samples, SPEECH)
    assert same > 0.9
    assert 0 <= lag_ms < 50
    for chunk, count in zip(chunks, counts, strict=True):
        assert count == pytest.approx(chunk.duration_ms * 16, abs=330)  # Ogg leaves out pre-skip and padding


@pytest.mark.parametrize("codec", CODECS)
def test_a_chunk_counts_the_same_wherever_the_decoder_begins(codec):
    chunks = chunks_of(SPEECH, codec, 100)
    _, counts = decode(chunks)
    for begin in range(1, len(chunks)):
        samples, later = decode(chunks[begin:])
        assert later == counts[begin:]
        assert len(samples) == sum(later)


def test_rates_and_channels_of_pcm():
    for rate in (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000):
        for channels in (1, 2, 3, 6):
            native = np.repeat(at_rate(SPEECH, rate)[:, None], channels, axis=1)
            decoder = open_decoder(f"audio/pcm;rate={rate};channels={channels}")
            samples = np.concatenate([decoder.feed(native.astype("<i2").tobytes()), decoder.flush()])
            assert len(samples) == (len(native) * 16_000 + rate // 2) // rate
            assert likeness(samples, SPEECH)[0] > 0.97


def test_stereo_is_the_mean_of_both_sides():
    frames = np.array([[100, 300], [-32_768, -32_768], [32_767, 32_767], [-1, -2]], "<i2")
    samples = open_decoder("audio/pcm;channels=2").feed(frames.tobytes())
    assert samples.tolist() == [200, -32_768, 32_767, -2]


def test_network_byte_order():
    assert open_decoder("audio/L16").feed(b"\x01\x02\xff\xff").tolist() == [0x0102, -1]


@pytest.mark.parametrize("frame_ms", ["2.5", "5", "10", "20", "40", "60", "80", "100", "120"])
@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_opus_lengths_are_read_from_the_packet(frame_ms, rate):
    made = packets(at_rate(SPEECH, rate), rate, "libopus", frame_ms)
    assert {opus_samples(packet[:2]) for packet in made} == {round(float(frame_ms) * 48)}


@pytest.mark.parametrize(("rate", "codec"), [(r, "libmp3lame") for r in (8_000, 16_000, 22_050, 44_100, 48_000)])
def test_mpeg_frames_of_all_versions(rate, codec):
    native = at_rate(SPEECH, rate)
    payload = b"".join(packets(np.repeat(native[:, None], 2, axis=1), rate, codec))
    cut = mpeg_packets(b"ID3\x04\x00\x00\x00\x00\x00\x05" + b"12345" + payload + b"TAG" + bytes(125))
    assert b"".join(packet.data for packet in cut) == payload
    assert {packet.rate for packet in cut} == {rate}
    decoder = open_decoder("audio/mpeg")
    samples = np.concatenate([decoder.feed(payload), decoder.flush()])
    same, lag_ms = likeness(samples, SPEECH)
    assert same > 0.9
    assert 0 <= lag_ms < 160  # two frames of a slow rate


def test_mpeg_layer_two():
    payload = b"".join(packets(at_rate(SPEECH, 48_000), 48_000, "mp2"))
    decoder = open_decoder("audio/mpeg")
    samples = np.concatenate([decoder.feed(payload), decoder.flush()])
    assert likeness(samples, SPEECH)[0] > 0.9


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [16_000, 24_000, 44_100])
def test_aac_rates_and_channels(rate, channels):
    native = at_rate(SPEECH, rate)
    native = native if channels == 1 else np.repeat(native[:, None], 2, axis=1)
    payload = b"".join(adts(packet, rate, channels) for packet in packets(native, rate, "aac"))
    assert {packet.rate for packet in adts_packets(payload)} == {rate}
    decoder = open_decoder("audio/aac")
    samples = np.concatenate([decoder.feed(payload), decoder.flush()])
    assert likeness(samples, SPEECH)[0] > 0.9


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
def test_wav_of_every_sample_type(subtype):
    buffer = io.BytesIO()
    soundfile.write(buffer, np.stack([SPEECH, SPEECH], axis=1) / 32768.0, 16_000, format="WAV", subtype=subtype)
    assert likeness(open_decoder("audio/x-wav").feed(buffer.getvalue()), SPEECH)[0] > 0.95


# Ogg.


def test_an_ogg_packet_may_begin_in_one_chunk_and_end_in_the_next():
    pages = [page for page, _ in ogg_pages(ogg_file(at_rate(SPEECH, 48_000), 48_000, 200, frame_ms=60))]
    whole, _ = decode_ogg([b"".join(pages)])
    cut = b"".join(resegmented(pages[2:]))
    chunks = [page + b"" for page in split_pages(cut)]
    samples, counts = decode_ogg(chunks)
    assert sum(counts) == len(whole)
    assert likeness(samples, whole)[0] > 0.99
    # A later start neither hears the end of a packet that began before it, nor counts it.
    for begin in range(1, len(chunks)):
        assert decode_ogg(chunks[begin:])[1] == counts[begin:]
    # A packet whose end is lost counts where it began, and is silent.
    samples, lossy = decode_ogg([*chunks[:3], *chunks[5:]])
    assert lossy == [*counts[:3], *counts[5:]]
    assert len(samples) == sum(lossy)


def decode_ogg(payloads: list[bytes]) -> tuple[np.ndarray, list[int]]:
    decoder = open_decoder("audio/ogg")
    parts, counts = [], []
    for payload in payloads:
        before = decoder.due
        parts.append(decoder.feed(payload))
        counts.append(decoder.due - before)
    return np.concatenate([*parts, decoder.flush()]), counts


def resegmented(pages: list[bytes]) -> list[bytes]:
    """The same packets on pages of three segments each, so that packets run across pages."""
    segments = []
    for page in pages:
        lacing = page[27 : 27 + page[26]]
        at = 27 + len(lacing)
        for size in lacing:
            segments.append((size, page[at : at + size]))
            at += size
    result = []
    continued = False
    for start in range(0, len(segments), 3):
        group = segments[start : start + 3]
        table = bytes(size for size, _ in group)
        head = b"OggS\x00" + bytes([continued]) + bytes(20) + bytes([len(table)]) + table
        result.append(head + b"".join(data for _, data in group))
        continued = table[-1] == 255
    assert any(page[5] for page in result)
    return result


def split_pages(data: bytes) -> list[bytes]:
    return [b"OggS" + part for part in data.split(b"OggS")[1:]]


# What cannot be decoded.


@pytest.mark.parametrize(
    ("content_type", "remedy"),
    [
        ("", "content-type"),
        ("audio/speex", "content-type"),
        ("video/mp4", "audio/pcm"),
        ("audio/pcm;rate=0", "rate"),
        ("audio/pcm;rate=16k", "rate"),
        ("audio/pcm;rate=99999999999999999999", "rate"),
        ("audio/pcm;rate=٣٢٠٠٠", "rate"),
        ("audio/pcm;channels=0", "channels"),
        ("audio/pcm;channels=9", "channels"),
        ("audio/pcm;format=f32le", "s16le"),
        ("audio/opus;framing=lines", "length16"),
    ],
)
def test_an_unknown_content_type_says_what_to_set(content_type, remedy):
    with pytest.raises(AudioError, match=remedy) as caught:
        open_decoder(content_type)
    assert caught.value.reason == "unknown-codec"


def test_content_types_are_written_in_many_ways():
    for content_type in ('Audio/PCM; Rate="48000" ;CHANNELS=2', "audio/ogg; codecs=opus", "audio/wave", "AUDIO/L16"):
        open_decoder(content_type)


def wrong_payloads():
    flac = chunks_of(SPEECH, "flac", 2_000)[0].payload
    wav = chunks_of(SPEECH, "wav", 2_000)[0].payload
    mp3 = chunks_of(SPEECH, "mp3", 200)[1].payload
    aac = chunks_of(SPEECH, "aac", 200)[1].payload
    opus16 = chunks_of(SPEECH, "opus-length16", 200)[1].payload
    ogg = chunks_of(SPEECH, "ogg", 200)[3].payload
    vorbis = b"OggS\x00\x02" + bytes(20) + b"\x01\x07" + b"\x01vorbis"
    surround = b"OggS\x00\x02" + bytes(20) + b"\x01\x15" + b"OpusHead\x01\x06" + bytes(8) + b"\x01\x00\x00"
    return [
        ("audio/pcm", b"\x00", "truncated"),
        ("audio/pcm;channels=2", b"\x00" * 6, "truncated"),
        ("audio/flac", flac[:-9], "undecodable"),
        ("audio/flac", b"fLaC" + b"\xff" * 60, "undecodable"),
        ("audio/wav", wav[:-9], "truncated"),
        ("audio/wav", wav[:30], "undecodable"),
        ("audio/mpeg", mp3[:-3], "truncated"),
        ("audio/mpeg", mp3[:2], "truncated"),
        ("audio/mpeg", mp3[2:], "undecodable"),
        ("audio/aac", aac[:-3], "truncated"),
        ("audio/aac", aac[:5], "truncated"),
        ("audio/aac", aac[1:], "undecodable"),
        ("audio/opus", b"\x03", "truncated"),
        ("audio/opus", b"\x03\x00", "undecodable"),
        ("audio/opus", b"\x1b\x03", "undecodable"),  # three frames of 60 ms
        ("audio/opus", b"\x0b\x82", "undecodable"),  # lengths announced that do not follow
        ("audio/opus;framing=length16", opus16[:-1], "truncated"),
        ("audio/opus;framing=length16", opus16 + b"\x00", "truncated"),
        ("audio/opus;framing=length16", b"\x00\x00", "truncated"),
        ("audio/ogg", ogg[:-1], "truncated"),
        ("audio/ogg", ogg[:20], "truncated"),
        ("audio/ogg", ogg[4:], "undecodable"),
        ("audio/ogg", vorbis, "unknown-codec"),
        ("audio/ogg", surround, "unknown-codec"),
        *((content_type, b"", "empty") for content_type, _, _ in CODECS.values()),
    ]


def test_wrong_payloads_are_refused_by_name_and_the_track_goes_on():
    for content_type, payload, reason in wrong_payloads():
        decoder = open_decoder(content_type)
        with pytest.raises(AudioError) as caught:
            decoder.feed(payload)
        assert (content_type, caught.value.reason) == (content_type, reason)
        assert decoder.due == 0
        assert not len(decoder.flush())


def bombs():
    flac = io.BytesIO()
    soundfile.write(flac, np.zeros((16_000 * 90, 8), np.int16), 16_000, format="FLAC")
    packet = b"\x7b\x06\x00"  # code 3, six empty frames of 20 ms
    return [
        ("audio/flac", flac.getvalue()),
        ("audio/opus;framing=length16", (b"\x00\x03" + packet) * 600),
        ("audio/pcm;rate=4000", bytes(2 * 4_000 * 61)),
    ]


def test_a_small_payload_cannot_unpack_to_more_than_a_minute():
    for content_type, payload in bombs():
        with pytest.raises(AudioError) as caught:
            open_decoder(content_type).feed(payload)
        assert caught.value.reason == "too-long"


@lru_cache
def short_chunks(codec: str):
    return chunks_of(SPEECH[:8_000], codec, 60)


@given(data=st.data(), codec=st.sampled_from(sorted(CODECS)))
@settings(max_examples=150)
def test_no_bytes_do_worse_than_an_audio_error(data, codec):
    chunks = short_chunks(codec)
    payload = bytearray(data.draw(st.sampled_from(chunks), "chunk").payload)
    for _ in range(data.draw(st.integers(0, 4), "faults")):
        at = data.draw(st.integers(0, len(payload)), "at")
        payload[at : at + data.draw(st.integers(0, 3), "cut")] = data.draw(st.binary(max_size=4), "put in")
    decoder = open_decoder(chunks[0].content_type)
    decoder.feed(chunks[0].payload)
    before, taken = decoder.due, True
    try:
        decoder.feed(bytes(payload))
    except AudioError:
        taken = False
    assert decoder.due <= 61 * 16_000
    assert taken or decoder.due == before
    decoder.flush()


def test_libav_keeps_quiet(capfd):
    for content_type, payload, _ in wrong_payloads():
        with pytest.raises(AudioError):
            open_decoder(content_type).feed(payload)
    assert capfd.readouterr() == ("", "")


def test_opus_is_decoded_alike_by_libopus_and_by_libav(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 16 kHz from the start, or at 48 kHz and resampled: the same sound, to the delay of the two ways."""
    from loadtest import codecs as wire
    from loadtest.schema import Codec
    from models.audio import codecs as ours

    tone = (8000 * np.sin(np.arange(16_000) * 2 * np.pi * 440 / 16_000)).astype(np.int16)
    chunks = list(wire.encode([tone], Codec(name="opus-length16", chunk_ms=100)))

    def decoded() -> np.ndarray:
        decoder = open_decoder("audio/opus;framing=length16")
        parts = [decoder.feed(chunk.payload) for chunk in chunks]
        return np.concatenate([*parts, decoder.flush()])

    if ours.library() is None:
        pytest.skip("libopus is not on this machine: PyAV's wheels bring it")
    native = decoded()
    monkeypatch.setattr(ours, "library", lambda: None)
    through_libav = decoded()
    assert len(native) == len(through_libav) == len(tone)
    level = [float(np.sqrt(np.mean(x[4000:12_000].astype(float) ** 2))) for x in (native, through_libav)]
    assert level[0] == pytest.approx(level[1], rel=0.02)
    peaks = [np.abs(np.fft.rfft(x[4000:12_000])).argmax() * 2.0 for x in (native, through_libav)]
    assert peaks == [440.0, 440.0]


def test_a_replay_gives_the_same_samples_at_any_rate() -> None:
    """soxr's own rounding to 16 bits is dithered, differently each time."""
    noise = np.random.default_rng(5).normal(0, 3000, 48_000).astype("<i2")

    def decoded() -> bytes:
        decoder = open_decoder("audio/pcm;rate=48000")
        parts = [decoder.feed(noise[at : at + 4800].tobytes()) for at in range(0, len(noise), 4800)]
        return np.concatenate([*parts, decoder.flush()]).tobytes()

    assert len({decoded() for _ in range(5)}) == 1
