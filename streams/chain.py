"""Hash chains over what must be provable afterwards: each record names the hash of the one before it.

A chain is what one partition of ``judge`` has published on one topic. The header ``rw_chain`` holds the record's link:
chain, position (1 is the first), hash of the link before, and its own hash over all of that, topic, key, CloudEvents
headers and value. Where a key is configured the hash is an HMAC, which only holders of the key can make.

The head of a chain lives in a table of the worker. One that is killed between publishing and writing the table is
followed by one that goes on from the link before: a fork. At-least-once delivery publishes the records of the abandoned
branch again, so a fork can be told from a removal (``verification``).
"""

from __future__ import annotations

import hashlib
import hmac

import msgspec
from msgspec import Struct

from streams.codec import Message
from streams.envelope import Headers

CHAIN_HEADER = "rw_chain"
_DOMAIN = b"roomwarden.chain.v1"


class Link(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a record stands in its chain; hashes are hexadecimal."""

    chain: str
    """Consumer group and partition of the worker that published it, such as ``roomwarden-judge/3``."""
    position: int
    previous: str
    """Hash of the link before; empty in the first."""
    key: str
    """``key_id`` of the HMAC key; empty for plain SHA-256."""
    hash: str


class Head(Struct, frozen=True, array_like=True):
    """The last link of a chain: where the next one goes on."""

    position: int = 0
    hash: str = ""


Heads = dict[str, Head]
"""Last links by topic."""


class Sealer:
    """Links messages of one partition, one after another. ``heads`` says how far its chains are, by topic."""

    def __init__(self, chain: str, heads: Heads, secret: bytes = b"") -> None:
        self._chain = chain
        self._secret = secret
        self._key = key_id(secret)
        self.heads = dict(heads)

    def seal(self, message: Message) -> Headers:
        """The header that makes a message the next of its topic's chain."""
        head = self.heads.get(message.topic, Head())
        link = Link(self._chain, head.position + 1, head.hash, self._key, "")
        link = msgspec.structs.replace(link, hash=hash_of(link, message, self._secret))
        self.heads[message.topic] = Head(link.position, link.hash)
        return [(CHAIN_HEADER, msgspec.json.encode(link))]


def hash_of(link: Link, message: Message, secret: bytes = b"") -> str:
    """Hash of a link, hexadecimal: HMAC-SHA256 under ``secret``, or SHA-256 where there is none.

    Over these parts, each preceded by its length in bytes as 8 bytes, big-endian: ``roomwarden.chain.v1``, chain,
    position as decimal digits, previous hash, key id, topic, record key, then name and value of each ``ce_`` header and
    of ``content-type``, sorted; last the value. Other headers may be added on the way.
    """
    parts = [
        _DOMAIN,
        link.chain.encode(),
        str(link.position).encode(),
        link.previous.encode(),
        link.key.encode(),
        message.topic.encode(),
        message.key or b"",
    ]
    for name, value in sorted((name, value or b"") for name, value in message.headers):
        if name.startswith("ce_") or name == "content-type":
            parts += [name.encode(), value]
    digest = hmac.new(secret, digestmod="sha256") if secret else hashlib.sha256()
    for part in [*parts, message.value]:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def link_of(message: Message) -> Link | None:
    """The link of a message; None where it has none.

    Raises:
        ValueError: when the header cannot be read.
    """
    found = [value for name, value in message.headers if name == CHAIN_HEADER]
    if not found:
        return None
    if len(found) > 1:
        raise ValueError("the record has several links")
    try:
        return msgspec.json.decode(found[0], type=Link)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ValueError("its link cannot be read") from None


def key_id(secret: bytes) -> str:
    """A name for a key that does not give it away; empty for no key."""
    return hashlib.sha256(b"roomwarden.chain.key\0" + secret).hexdigest()[:16] if secret else ""
