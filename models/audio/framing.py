"""Cutting a chunk into codec packets, and reading from each packet's own header how long it lasts.

The length of a chunk must be a pure function of its bytes, whatever was decoded before it: a worker that is
killed and begins again in mid-stream has to count exactly as the first one did. So lengths come from headers,
never from the number of samples that a stateful decoder happened to return.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.audio.errors import AudioError

OPUS_RATE = 48_000  # Opus counts time at 48 kHz whatever rate it was fed (RFC 6716, 2.1.3)


@dataclass(frozen=True, slots=True)
class Packet:
    """One codec packet; `samples` is its length at `rate` Hz. No data: lost, stands for that much silence."""

    data: bytes | None
    samples: int
    rate: int


def opus_samples(head: bytes | bytearray) -> int:
    """Samples at 48 kHz in an Opus packet, from its first two bytes (RFC 6716, 3.1 and 3.2).

    Raises AudioError("undecodable") where the packet breaks those rules.
    """
    configuration, code = head[0] >> 3, head[0] & 3
    if configuration < 12:  # SILK: 10, 20, 40, 60 ms
        frame = (480, 960, 1920, 2880)[configuration & 3]
    elif configuration < 16:  # hybrid: 10, 20 ms
        frame = (480, 960)[configuration & 1]
    else:  # CELT: 2.5, 5, 10, 20 ms
        frame = (120, 240, 480, 960)[configuration & 3]
    if code == 3 and len(head) < 2:
        raise AudioError("truncated", "an Opus packet of code 3 needs a frame count byte")
    count = (1, 2, 2, head[1] & 0x3F if code == 3 else 0)[code]
    if not 0 < frame * count <= 5760:  # at most 120 ms
        raise AudioError("undecodable", "an Opus packet holds 1 frame to 120 ms of audio")
    return frame * count


def opus_packets(payload: bytes, framing: str) -> list[Packet]:
    """One raw packet, or with `length16` several, each after a two-byte big-endian length."""
    if framing == "single":
        return [Packet(payload, opus_samples(payload[:2]), OPUS_RATE)]
    packets = []
    at = 0
    while at < len(payload):
        end = at + 2 + int.from_bytes(payload[at : at + 2], "big")
        data = payload[at + 2 : end]
        if end > len(payload) or not data:
            raise AudioError("truncated", "put each Opus packet whole after its two-byte big-endian length")
        packets.append(Packet(data, opus_samples(data[:2]), OPUS_RATE))
        at = end
    return packets


# ISO/IEC 11172-3, 2.4.2.3 and 13818-3: kbit/s by bitrate index.
_LAYER3_MPEG1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_LAYER3_MPEG2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_LAYER2_MPEG1 = (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_MPEG1_RATES = (44_100, 48_000, 32_000)


def mpeg_packets(payload: bytes) -> list[Packet]:
    """A run of whole MPEG audio frames (layer II or III); a leading ID3v2 and a trailing ID3v1 tag are skipped."""
    at, end = _id3(payload), len(payload)
    if payload[-128:-125] == b"TAG":
        end -= 128
    packets = []
    while at < end:
        length, samples, rate = _mpeg_header(payload[at : at + 4])
        if at + length > end:
            raise AudioError("truncated", "send whole MPEG audio frames in each chunk")
        packets.append(Packet(payload[at : at + length], samples, rate))
        at += length
    return packets


def _id3(payload: bytes) -> int:
    """Length of a leading ID3v2 tag (four 7-bit bytes of size after a ten-byte header)."""
    if payload[:3] != b"ID3" or len(payload) < 10:
        return 0
    size = 0
    for byte in payload[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size


def _mpeg_header(head: bytes) -> tuple[int, int, int]:
    """Frame length in bytes, samples, and rate in Hz, from a four-byte MPEG audio header."""
    if len(head) < 4:
        raise AudioError("truncated", "send whole MPEG audio frames in each chunk")
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3  # version 3, 2, 0: MPEG 1, 2, 2.5; layer 1, 2: III, II
    index, rate_index = head[2] >> 4, head[2] >> 2 & 3
    sync = head[0] == 0xFF and head[1] >> 5 == 7
    if not sync or version == 1 or layer not in (1, 2) or index in (0, 15) or rate_index == 3:
        raise AudioError("undecodable", "begin each chunk at an MPEG audio frame, layer II or III")
    rate = _MPEG1_RATES[rate_index] >> (0, 1, 2)[{3: 0, 2: 1, 0: 2}[version]]
    padding = head[2] >> 1 & 1
    if layer == 2:
        table, samples = (_LAYER2_MPEG1 if version == 3 else _LAYER3_MPEG2), 1152
    elif version == 3:
        table, samples = _LAYER3_MPEG1, 1152
    else:
        table, samples = _LAYER3_MPEG2, 576
    return samples // 8 * table[index] * 1000 // rate + padding, samples, rate


_AAC_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)


def adts_packets(payload: bytes) -> list[Packet]:
    """A run of whole AAC frames in ADTS (ISO/IEC 13818-7, 6.2), each of 1 to 4 blocks of 1024 samples."""
    packets = []
    at = 0
    while at < len(payload):
        head = payload[at : at + 7]
        if len(head) < 7:
            raise AudioError("truncated", "send whole ADTS frames in each chunk")
        length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        rate_index = head[2] >> 2 & 15
        if head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or rate_index >= len(_AAC_RATES) or length <= 7:
            raise AudioError("undecodable", "begin each chunk at an ADTS frame header")
        if at + length > len(payload):
            raise AudioError("truncated", "send whole ADTS frames in each chunk")
        packets.append(Packet(payload[at : at + length], 1024 * ((head[6] & 3) + 1), _AAC_RATES[rate_index]))
        at += length
    return packets
