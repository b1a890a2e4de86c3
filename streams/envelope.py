"""CloudEvents 1.0 envelope, Kafka protocol binding, binary mode.

Attributes travel as ``ce_<name>`` headers, the payload is the record value, ``content-type`` is a header of its own
(CloudEvents Kafka binding 1.0.2, section 3.2). The ``cloudevents`` library 2.2 can do this too; on the hottest path,
one record per 20 ms of each track, its generic event costs half as much again as all of our reading and typing
(``python -m loadtest.bench_envelope``), it hands audio that happens to be valid UTF-8 back as text, and its errors do
not name attribute and remedy. So the binding is ours, and a test holds it to the library in both directions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

SPEC_VERSION = "1.0"
TYPE_PREFIX = "io.roomwarden."
_REQUIRED = ("specversion", "id", "source", "type")
_EXTENSION_NAME = re.compile(r"^[a-z0-9]{1,20}$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

Headers = list[tuple[str, bytes]]

BadReason = Literal[
    "missing-attribute",
    "invalid-attribute",
    "unknown-type",
    "unknown-content-type",
    "empty-value",
    "oversized",
    "invalid-value",
    "invalid-policy",
    "clock-skew",
    "sequence-back",
    "unknown-codec",
    "empty",
    "too-long",
    "truncated",
    "undecodable",
    "admission",
]


class BadRecord(ValueError):
    """A record that can never be processed: it goes to the dead letters under ``reason``.

    ``detail`` names the field and the remedy; it never holds payload, transcript or identity.
    """

    def __init__(self, reason: BadReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: BadReason = reason
        self.detail = detail


LAST_MS = 253_402_300_799_000.0
"""9999-12-31T23:59:59Z, the last second that a timestamp can name."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """CloudEvents context attributes of one record; ``extensions`` are lower-case alphanumerics."""

    id: str
    source: str
    type: str
    time_ms: float | None = None
    content_type: str = "application/json"
    extensions: Mapping[str, str] = field(default_factory=dict)


def format_time(unix_ms: float) -> str:
    """Unix milliseconds as RFC 3339 in UTC with microseconds."""
    return datetime.fromtimestamp(unix_ms / 1000.0, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> float:
    """RFC 3339 timestamp as Unix milliseconds.

    Raises:
        BadRecord: when the text is no timestamp or has no offset from UTC.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("no offset")
        unix_ms = moment.astimezone(UTC).timestamp() * 1000.0  # which refuses what is year 0 in UTC
        if unix_ms > LAST_MS:
            raise ValueError("year 10000")
        return unix_ms
    except (ValueError, OverflowError):
        raise BadRecord(
            "invalid-attribute", "ce_time must be RFC 3339 with an offset, like 2026-01-31T08:00:00.020Z"
        ) from None


def to_headers(envelope: Envelope) -> Headers:
    """Kafka headers of an envelope."""
    headers: Headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", envelope.id.encode()),
        ("ce_source", envelope.source.encode()),
        ("ce_type", envelope.type.encode()),
        ("content-type", envelope.content_type.encode()),
    ]
    if envelope.time_ms is not None:
        headers.append(("ce_time", format_time(envelope.time_ms).encode()))
    for name, value in envelope.extensions.items():
        if not _EXTENSION_NAME.match(name):
            raise ValueError(f"extension attribute {name!r} must be 1 to 20 lower-case alphanumerics")
        headers.append((f"ce_{name}", value.encode()))
    return headers


def from_headers(
    headers: Iterable[tuple[str, bytes | str | None]] | Mapping[str, bytes | str] | None,
) -> Envelope:
    """Envelope of a record's headers; the last of repeated headers wins.

    Raises:
        BadRecord: when a required attribute is missing, is no UTF-8, or has an unsupported version.
    """
    items = headers.items() if isinstance(headers, Mapping) else (headers or ())
    attributes: dict[str, str] = {}
    content_type = ""
    for name, value in items:
        lowered = name.lower()
        if lowered.startswith("ce_"):
            attributes[lowered[3:]] = _text(name, value)
        elif lowered == "content-type":
            content_type = _text(name, value)
    for name in _REQUIRED:
        if not attributes.get(name):
            raise BadRecord("missing-attribute", f"header ce_{name} is required by CloudEvents binary mode; add it")
    if attributes["specversion"] != SPEC_VERSION:
        raise BadRecord("invalid-attribute", "ce_specversion must be 1.0")
    time_text = attributes.pop("time", None)
    del attributes["specversion"]
    return Envelope(
        id=attributes.pop("id"),
        source=attributes.pop("source"),
        type=attributes.pop("type"),
        time_ms=None if time_text is None else parse_time(time_text),
        content_type=content_type,
        extensions=attributes,
    )


def _text(name: str, value: bytes | str | None) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadRecord("invalid-attribute", f"header {name[:40]} must be UTF-8") from None


class Attributes:
    """Typed reading of extension attributes, with errors that name the attribute and the remedy."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, name: str, default: str | None = None, *, limit: int = 256) -> str:
        """A string of at most ``limit`` characters, none of them a control; required where no default is given."""
        value = self._values.get(name, "")
        if not value:
            if default is None:
                raise BadRecord("missing-attribute", f"header ce_{name} is missing or empty; add it")
            return default
        if len(value) > limit:
            raise BadRecord("invalid-attribute", f"header ce_{name} is longer than {limit} characters; shorten it")
        if _CONTROL.search(value):  # they separate the parts of our keys, and break logs
            raise BadRecord("invalid-attribute", f"header ce_{name} holds a control character; remove it")
        return value

    def integer(self, name: str, default: int | None = None, *, low: int = 0, high: int = 2**53) -> int:
        """A decimal integer from low to high."""
        text = self.text(name, "" if default is not None else None, limit=20)
        if not text and default is not None:
            return default
        try:
            value = int(_plain(text))
        except ValueError:
            raise BadRecord("invalid-attribute", f"header ce_{name} must be a decimal integer") from None
        if not low <= value <= high:
            raise BadRecord("invalid-attribute", f"header ce_{name} must be from {low} to {high}")
        return value

    def number(self, name: str, default: float | None = None, *, low: float = 0.0, high: float = 1e15) -> float:
        """A decimal number from low to high."""
        text = self.text(name, "" if default is not None else None, limit=32)
        if not text and default is not None:
            return default
        try:
            value = float(_plain(text))
        except ValueError:
            raise BadRecord("invalid-attribute", f"header ce_{name} must be a decimal number") from None
        if not low <= value <= high:  # also refuses NaN
            raise BadRecord("invalid-attribute", f"header ce_{name} must be from {low:g} to {high:g}")
        return value

    def boolean(self, name: str, default: bool = False) -> bool:
        """``true`` or ``false``; absent is the default."""
        text = self.text(name, "true" if default else "false", limit=8).lower()
        if text not in ("true", "false"):
            raise BadRecord("invalid-attribute", f"header ce_{name} must be true or false")
        return text == "true"


def _plain(text: str) -> str:
    """The text itself, unless it holds what only Python takes for a number: underscores, other scripts' digits."""
    if "_" in text or not text.isascii():
        raise ValueError("not plain")
    return text


def flag(value: bool) -> str:
    """CloudEvents text form of a boolean."""
    return "true" if value else "false"


def number(value: float) -> str:
    """Shortest text form of a number that reads back exactly."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))
