"""What can be wrong with a piece of audio, by name."""

from __future__ import annotations

from typing import Literal

AudioFault = Literal[
    "unknown-codec",  # the content type names no codec, rate or framing that is spoken here
    "empty",  # no bytes at all
    "oversized",  # more bytes than a chunk may have
    "too-long",  # decodes to more seconds than a chunk may hold (guards against decompression bombs)
    "truncated",  # the payload ends inside a packet, page, frame or file
    "undecodable",  # the codec refuses the bytes
]


class AudioError(ValueError):
    """One chunk cannot be decoded; the track can go on with the next chunk.

    `reason` is from a closed vocabulary for counters and dead letters, `remedy` one sentence for the sender.
    Neither carries payload bytes or identities.
    """

    def __init__(self, reason: AudioFault, remedy: str) -> None:
        super().__init__(f"{reason}: {remedy}")
        self.reason: AudioFault = reason
        self.remedy = remedy
