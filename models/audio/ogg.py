"""Opus packets out of runs of whole Ogg pages (RFC 3533, RFC 7845), with or without the header pages.

A live sender cuts an Ogg stream between pages, so most chunks have no OpusHead, and a packet may begin in one
chunk and end in the next. Its length is counted where it begins (the header is in its first two bytes), so
that the length of a chunk does not depend on the chunk before it. Page checksums are not verified: Kafka
already guards the bytes.
"""

from __future__ import annotations

from models.audio.errors import AudioError
from models.audio.framing import OPUS_RATE, Packet, opus_samples

_HEADER = 27  # bytes before the segment table
_CONTINUED, _FIRST = 1, 2  # header_type flags


class OggOpus:
    """Stateful over one track: keeps the beginning of a packet that the next chunk will end."""

    def __init__(self) -> None:
        self._begun: bytearray | None = None  # None: nothing to be continued

    def packets(self, payload: bytes) -> tuple[list[Packet], int]:
        """Packets that end in this chunk, and the 48 kHz samples of those that begin in it.

        Raises AudioError: "truncated", "undecodable", or "unknown-codec" where the stream is not mono or stereo Opus.
        """
        packets: list[Packet] = []
        begun = self._begun
        started = 0
        at = 0
        while at < len(payload):
            flags, segments, at = _page(payload, at)
            if begun is not None and not flags & _CONTINUED:
                packets.append(_lost(begun))  # its end never came
                begun = None
            fresh = not flags & _CONTINUED
            for data, complete in segments:
                if fresh:
                    begun = bytearray(data)
                    started += _samples(data, first_page=bool(flags & _FIRST))
                elif begun is not None:
                    begun += data
                if complete:
                    if begun is not None and not _is_header(begun):
                        packets.append(Packet(bytes(begun), opus_samples(begun[:2]), OPUS_RATE))
                    begun = None
                fresh = complete
        self._begun = begun
        return packets, started


def _page(payload: bytes, at: int) -> tuple[int, list[tuple[bytes, bool]], int]:
    """Flags, (packet part, whether it ends the packet) pairs, and where the next page begins."""
    if payload[at : at + 4] != b"OggS":
        raise AudioError("undecodable", "begin each chunk at an Ogg page (OggS)")
    table = at + _HEADER
    if len(payload) <= table - 1 or len(payload) < table + payload[table - 1]:
        raise AudioError("truncated", "send whole Ogg pages in each chunk")
    lacing = payload[table : table + payload[table - 1]]
    body = table + len(lacing)
    if len(payload) < body + sum(lacing):
        raise AudioError("truncated", "send whole Ogg pages in each chunk")
    parts: list[tuple[bytes, bool]] = []
    size = 0
    for value in lacing:
        size += value
        if value < 255:  # a segment of less than 255 bytes ends its packet
            parts.append((payload[body : body + size], True))
            body, size = body + size, 0
    if lacing and lacing[-1] == 255:
        parts.append((payload[body : body + size], False))
        body += size
    return payload[at + 5], parts, body


def _is_header(packet: bytes | bytearray) -> bool:
    return packet[:8] in (b"OpusHead", b"OpusTags") or not packet


def _samples(beginning: bytes, *, first_page: bool) -> int:
    """48 kHz samples announced by the beginning of a packet; none for the headers, which are checked."""
    if beginning[:8] == b"OpusHead":
        if len(beginning) < 19 or beginning[18] != 0:
            raise AudioError("unknown-codec", "send Ogg/Opus with channel mapping family 0 (mono or stereo)")
        return 0
    if first_page:
        raise AudioError("unknown-codec", "audio/ogg means Ogg/Opus here; send other codecs under their own type")
    return 0 if _is_header(beginning) else opus_samples(beginning[:2])


def _lost(begun: bytearray) -> Packet:
    """Silence in the place of a packet whose end was lost."""
    return Packet(None, 0 if _is_header(begun) else opus_samples(begun[:2]), OPUS_RATE)
