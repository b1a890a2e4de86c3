"""Breaks records as senders, networks and other people's libraries do: seeded, so that a finding can be had again."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable
from typing import Any

from streams.codec import Message
from streams.envelope import Headers

WORDS: list[bytes] = [
    b"", b"0", b"-1", b"1e309", b"NaN", b"Infinity", b"99999999999999999999999", b"1.5", b"true", b"null", b"\x00",
    b"\xff\xfe", b"2.0", b"1.0", b"2026-13-45T99:99:99Z", b"1970-01-01T00:00:00Z", b"9999-12-31T23:59:59.999999999Z",
    b"audio/", b"audio/opus", b"audio/opus;framing=length16", b"audio/ogg", b"audio/flac", b"audio/mpeg", b"audio/aac",
    b"audio/pcm", b"audio/pcm;rate=0", b"audio/pcm;rate=1e9;channels=99", b"audio/pcm;rate=8000;channels=2", b";;=;",
    b"application/json", "房间".encode(), b"a" * 70_000, b"io.roomwarden.chunk.v1", b"io.roomwarden.chunk.v9",
    b"0001-01-01T00:00:00+23:59", b"9999-12-31T23:59:59-23:59", "２０２６".encode(),
]  # fmt: skip
NUMBERS: list[Any] = [0, -1, 1e308, -1e308, 2**63, -(2**63) - 1, 0.1, True, None, "", "x", [], {}, [[]], {"a": None}]


def mutate(rng: random.Random, message: Message) -> Message:
    """A record that differs from a good one in one to four ways, in headers, value or both."""
    headers, value = list(message.headers), message.value
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if rng.random() < 0.5 and headers:
            headers = _headers(rng, headers)
        else:
            value = _value(rng, value)
    return Message(message.topic, message.key, value, headers)


def _headers(rng: random.Random, headers: Headers) -> Headers:
    at = rng.randrange(len(headers))
    name, value = headers[at]
    match rng.randrange(7):
        case 0:
            return headers[:at] + headers[at + 1 :]
        case 1:
            return [*headers, (name, rng.choice(WORDS))]  # twice, and they differ
        case 2:
            return [*headers[:at], (name, rng.choice(headers)[1]), *headers[at + 1 :]]
        case 3:
            return [*headers[:at], (name, _bytes(rng, value)), *headers[at + 1 :]]
        case 4:
            return [*headers[:at], (name.upper(), value), *headers[at + 1 :]]
        case 5:
            return [*headers, (f"ce_{rng.randrange(1000)}", rng.randbytes(rng.randrange(40)))]
        case _:
            return [*headers[:at], (name, rng.choice(WORDS)), *headers[at + 1 :]]


def _value(rng: random.Random, value: bytes) -> bytes:
    if value[:1] == b"{" and rng.random() < 0.7:
        try:
            return json.dumps(_json(rng, json.loads(value)), ensure_ascii=rng.random() < 0.5).encode(errors="replace")
        except (ValueError, RecursionError):
            pass
    return _bytes(rng, value)


def _json(rng: random.Random, tree: Any) -> Any:
    """One place of a JSON tree replaced, removed, repeated or moved."""
    if isinstance(tree, dict) and tree and rng.random() < 0.9:
        name = rng.choice(list(tree))
        changed = dict(tree)
        match rng.randrange(5):
            case 0:
                del changed[name]
            case 1:
                changed[name] = rng.choice(NUMBERS)
            case 2:
                changed[name] = rng.choice(list(tree.values()))
            case 3:
                changed[rng.choice(("x", "", "id", "tenant", "𝄞"))] = tree[name]
            case _:
                changed[name] = _json(rng, tree[name])
        return changed
    if isinstance(tree, list) and tree and rng.random() < 0.9:
        at = rng.randrange(len(tree))
        return rng.choice((tree[:at], tree * 3, [*tree[:at], _json(rng, tree[at]), *tree[at + 1 :]]))
    return rng.choice(NUMBERS)


def _bytes(rng: random.Random, value: bytes) -> bytes:
    at = rng.randrange(len(value) + 1)
    kinds: list[Callable[[], bytes]] = [
        lambda: value[:at],
        lambda: value[at:],
        lambda: value[:at] + rng.randbytes(rng.randrange(1, 32)) + value[at:],
        lambda: value[:at] + bytes([rng.randrange(256)]) + value[at + 1 :],
        lambda: value[:at] + value[:at],
        lambda: rng.randbytes(rng.randrange(1, 4000)),
        lambda: b"",
        lambda: value[:at] + struct.pack(">I", rng.choice((0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000))) + value[at + 4 :],
        lambda: bytes(reversed(value)),
        lambda: bytearray_flipped(rng, value),
    ]
    return rng.choice(kinds)()


def bytearray_flipped(rng: random.Random, value: bytes) -> bytes:
    """Some bits turned over."""
    changed = bytearray(value)
    for _ in range(min(len(changed), rng.randrange(1, 20))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)
