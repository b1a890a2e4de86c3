"""Every kind of bad record that a broken sender puts on the topic of chunks, and under what it must end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from loadtest import codecs
from loadtest.scenario import Codec
from streams import records
from streams.codec import Message, encode
from tests.support import speech
from tests.support.wire import replaced

MIB = 1024 * 1024
DAY_MS = 86_400_000.0


@dataclass(frozen=True)
class Bad:
    """What a broken sender sends, under what it must end, and where: in the dead letters, the ledger or both."""

    spoil: Callable[[records.Chunk], list[records.Record | Message]]
    reason: str
    dead: bool = True
    lost: bool = False


def headers(**changes: bytes | None) -> Callable[[records.Chunk], list[Any]]:
    """The chunk with other headers."""

    def spoil(chunk: records.Chunk) -> list[Any]:
        message = encode(chunk)
        return [Message(message.topic, message.key, message.value, replaced(message.headers, **changes))]

    return spoil


def fields(**changes: Any) -> Callable[[records.Chunk], list[Any]]:
    """The chunk with other fields."""
    return lambda chunk: [msgspec.structs.replace(chunk, **changes)]


def opus(framing: str) -> tuple[str, bytes]:
    """Content type and payload of one chunk of real Opus."""
    codec = Codec(name=framing, chunk_ms=100)
    first = next(iter(codecs.encode([speech.clip("tea-room-guest-1")], codec)))
    return codecs.content_type(codec), first.payload


def cut_opus(chunk: records.Chunk) -> list[Any]:
    """Real Opus packets, of which the last has lost its end."""
    content_type, payload = opus("opus-length16")
    return [msgspec.structs.replace(chunk, content_type=content_type, audio=payload[:-5])]


def sequence_back(chunk: records.Chunk) -> list[Any]:
    """A sender that starts counting again under the same session, while capture time goes on."""
    silence = speech.track(speech.pause(1.0), chunk.time_ms, last=False, room=chunk.room, session=chunk.session)
    restarted = msgspec.structs.replace(chunk, sequence=3, time_ms=silence[-1].time_ms + 1000.0)
    return [*silence, restarted]


CASES = {
    "no audio type": Bad(headers(content_type=b"text/plain"), "unknown-content-type"),
    "an audio type that nobody speaks": Bad(fields(content_type="audio/midi"), "unknown-codec", lost=True),
    "no content type": Bad(headers(content_type=None), "missing-attribute"),
    "truncated Opus": Bad(cut_opus, "truncated", lost=True),
    "an Opus packet of one byte": Bad(fields(content_type="audio/opus", audio=b"\xff"), "truncated", lost=True),
    "noise for Opus": Bad(fields(content_type="audio/opus;framing=length16", audio=b"\x00"), "truncated", lost=True),
    "noise for FLAC": Bad(fields(content_type="audio/flac", audio=bytes(range(256))), "undecodable", lost=True),
    "half a sample": Bad(fields(audio=b"\x00\x01\x02"), "truncated", lost=True),
    "an empty value": Bad(fields(audio=b""), "empty-value"),
    "1.5 MB": Bad(fields(audio=bytes(3 * MIB // 2)), "oversized"),
    "10 MB": Bad(fields(audio=bytes(10 * MIB)), "oversized"),
    "no tenant": Bad(headers(tenant=None), "missing-attribute"),
    "no room": Bad(headers(roomid=None), "missing-attribute"),
    "no session": Bad(headers(sessionid=b""), "missing-attribute"),
    "no sequence": Bad(headers(sequence=None), "missing-attribute"),
    "no time": Bad(headers(time=None), "missing-attribute"),
    "no id": Bad(headers(id=None), "missing-attribute"),
    "a sequence that is no number": Bad(headers(sequence=b"first"), "invalid-attribute"),
    "a version to come": Bad(headers(specversion=b"2.0"), "invalid-attribute"),
    "a header that is no UTF-8": Bad(headers(roomid=b"\xff"), "invalid-attribute"),
    "a sequence that goes back": Bad(sequence_back, "sequence-back", lost=True),
    "a capture time a day ahead": Bad(lambda c: fields(time_ms=c.time_ms + DAY_MS)(c), "clock-skew"),
    "a capture time a day behind": Bad(lambda c: fields(time_ms=c.time_ms - DAY_MS)(c), "clock-skew"),
    "an unknown type": Bad(headers(type=b"io.roomwarden.video.v1"), "unknown-type"),
    "somebody else's type": Bad(headers(type=b"com.example.audio"), "unknown-type"),
    "a chunk sent twice": Bad(lambda c: [c, c], "duplicate", dead=False),
}
