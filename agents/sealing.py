"""What proves afterwards what was published: signatures for the platform, links of a chain for whoever verifies."""

from __future__ import annotations

import hashlib
import hmac

import msgspec

from streams.chain import Heads, Sealer
from streams.codec import Message
from streams.delivery import Received
from streams.envelope import Headers
from streams.settings import Settings
from streams.state import StateTable
from streams.topics import BY_NAME, TAKEDOWNS

SIGNATURE_HEADER = "rw_signature"


def sign(value: bytes, key: str) -> str:
    """``sha256=`` and the hexadecimal HMAC-SHA256 of a record's value."""
    return "sha256=" + hmac.new(key.encode(), value, hashlib.sha256).hexdigest()


class Seal:
    """Headers for the messages that are published together, in their order."""

    def __init__(self, sealer: Sealer, signing_key: str) -> None:
        self._sealer = sealer
        self._signing_key = signing_key

    def __call__(self, message: Message) -> Headers:
        """Signature and link, where the message's topic has them."""
        headers: Headers = []
        if self._signing_key and message.topic == TAKEDOWNS.name:
            headers.append((SIGNATURE_HEADER, sign(message.value, self._signing_key).encode()))
        return headers + self._sealer.seal(message) if BY_NAME[message.topic].chained else headers

    @property
    def heads(self) -> Heads:
        """Where the chains are after these messages."""
        return self._sealer.heads


class Sealing:
    """Keeps the heads of a judge's chains in a table, so that they go on after a kill.

    Publish under one seal at a time, and ``keep`` it once that is confirmed.
    """

    def __init__(self, table: StateTable, stage: str, settings: Settings) -> None:
        self._table = table
        self._group = f"{settings.group_prefix}-{stage}"
        self._signing_key = settings.signing_key.get_secret_value() if settings.signing_key else ""
        self._audit_key = settings.audit_key.get_secret_value() if settings.audit_key else ""

    def seal(self, partition: int) -> Seal:
        """Goes on from the last links that were kept."""
        stored = self._table.get(str(partition))
        heads = msgspec.json.decode(stored, type=Heads) if stored else {}
        return Seal(Sealer(f"{self._group}/{partition}", heads, self._audit_key.encode()), self._signing_key)

    def keep(self, event: Received, seal: Seal) -> None:
        """What was sealed on behalf of ``event`` is published."""
        self._table.put(event, str(event.message.partition), msgspec.json.encode(seal.heads))
