"""Opus packets in Ogg pages, by hand: live senders emit pages, and no library muxes single pages without a file.

Formats: RFC 3533 (Ogg), RFC 7845 (Opus in Ogg). Granule positions count samples at 48 kHz.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

_POLYNOMIAL = 0x04C11DB7  # RFC 3533, section 6: no reflection, initial value and final xor 0
_BEGIN, _END = 0x02, 0x04
_LONGEST_PACKET = 255 * 254


def _table() -> tuple[int, ...]:
    rows = []
    for value in range(256):
        register = value << 24
        for _ in range(8):
            register = ((register << 1) ^ _POLYNOMIAL if register & 0x80000000 else register << 1) & 0xFFFFFFFF
        rows.append(register)
    return tuple(rows)


_CRC = _table()


def crc(data: bytes | bytearray) -> int:
    """Ogg's checksum of a page whose checksum field is zero."""
    register = 0
    for byte in data:
        register = ((register << 8) & 0xFFFFFFFF) ^ _CRC[(register >> 24) ^ byte]
    return register


class OpusPages:
    """Pages of one logical stream.

    ``pre_skip`` is the encoder's delay in samples at 48 kHz, which a decoder drops; 0 where the stream is joined in
    the middle.
    """

    def __init__(self, serial: int, *, channels: int = 1, input_rate: int = 16_000, pre_skip: int = 312) -> None:
        self._serial = serial
        self._channels = channels
        self._input_rate = input_rate
        self._pre_skip = pre_skip
        self._page = 0
        self._granule = 0

    def headers(self) -> bytes:
        """The identification and comment pages that open the stream."""
        head = b"OpusHead" + struct.pack("<BBHIhB", 1, self._channels, self._pre_skip, self._input_rate, 0, 0)
        vendor = b"roomwarden"
        tags = b"OpusTags" + struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", 0)
        return self._emit([head], flags=_BEGIN, granule=0) + self._emit([tags], flags=0, granule=0)

    def page(self, packets: Sequence[bytes], *, frame_ms: float, last: bool = False) -> bytes:
        """Audio packets of ``frame_ms`` each as one page (or several, where one has no room for the lacing).

        Raises:
            ValueError: when a packet is longer than a page can hold.
        """
        out = b""
        batch: list[bytes] = []
        segments = 0
        for packet in packets:
            if len(packet) > _LONGEST_PACKET:
                raise ValueError("an Opus packet is at most 64770 bytes here; lower the bit rate")
            needed = len(packet) // 255 + 1
            if segments + needed > 255:
                out += self._audio(batch, frame_ms, 0)
                batch, segments = [], 0
            batch.append(packet)
            segments += needed
        return out + self._audio(batch, frame_ms, _END if last else 0)

    def _audio(self, packets: Sequence[bytes], frame_ms: float, flags: int) -> bytes:
        self._granule += round(48 * frame_ms) * len(packets)
        return self._emit(packets, flags=flags, granule=self._granule)

    def _emit(self, packets: Sequence[bytes], *, flags: int, granule: int) -> bytes:
        lacing = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
        head = struct.pack("<4sBBqIII", b"OggS", 0, flags, granule, self._serial, self._page, 0)
        page = bytearray(head + bytes([len(lacing)]) + lacing + b"".join(packets))
        page[22:26] = struct.pack("<I", crc(page))
        self._page += 1
        return bytes(page)
