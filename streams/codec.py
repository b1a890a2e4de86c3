"""Records to Kafka messages and back: the envelope, the key and the value of each topic in one place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

import msgspec

from streams import records, topics
from streams.envelope import (
    LAST_MS,
    TYPE_PREFIX,
    Attributes,
    BadRecord,
    Envelope,
    Headers,
    flag,
    from_headers,
    number,
    to_headers,
)

R = TypeVar("R", bound=records.Record)
U = TypeVar("U", bound=records.Utterance)

ROOM_TYPES = {
    f"{TYPE_PREFIX}{event}.v1": event for event in ("room.opened", "room.closed", "speaker.joined", "speaker.left")
}
_TOPIC_OF: dict[type[Any], topics.Topic] = {t.record: t for t in topics.TOPICS if t.record is not None}
_ENCODER = msgspec.json.Encoder()
_DECODERS = {t.record: msgspec.json.Decoder(t.record) for t in topics.TOPICS if t.record and t.content == "json"}
_QUOTED = re.compile(r"(?<=Invalid enum value) .*(?= - at `)", re.DOTALL)  # the one message that repeats the value
UTTERANCE_CONTENT_TYPE = "audio/pcm;rate=16000"


@dataclass(frozen=True, slots=True)
class Message:
    """What goes on a topic: ``headers`` are CloudEvents binary mode."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers


def encode(record: records.Record) -> Message:
    """Kafka message of a record."""
    topic = _TOPIC_OF[type(record)]
    if isinstance(record, records.Chunk):
        return _message(topic, record.room, record.audio, _chunk_envelope(record))
    if isinstance(record, records.Utterance):
        return _message(topic, f"{record.room}/{record.speaker}", record.audio, _utterance_envelope(record))
    identity, key, time_ms = _identity(record)
    event_type = f"{TYPE_PREFIX}{record.event}.v1" if isinstance(record, records.Room) else topic.type
    tenant = record.target.tenant if isinstance(record, records.Takedown) else record.tenant
    envelope = Envelope(
        id=identity,
        source=f"/roomwarden/{tenant}",
        type=event_type,
        time_ms=time_ms,
        extensions={"tenant": tenant},
    )
    return _message(topic, key, _ENCODER.encode(record), envelope)


def decode(record_type: type[R], headers: Any, value: bytes | None) -> R:
    """Typed record of a Kafka message.

    Raises:
        BadRecord: with a reason that names the field and the remedy.
    """
    envelope = from_headers(headers)
    topic = _TOPIC_OF[record_type]
    if envelope.type != topic.type and not (record_type is records.Room and envelope.type in ROOM_TYPES):
        raise BadRecord("unknown-type", f"ce_type must be {topic.type} on topic {topic.name}")
    if not value:
        raise BadRecord("empty-value", f"the record value is empty; send the {topic.content} payload")
    if len(value) > topic.max_bytes:
        raise BadRecord("oversized", f"the value has {len(value)} bytes; at most {topic.max_bytes} are taken")
    if record_type is records.Chunk:
        return _chunk(envelope, value)  # type: ignore[return-value]  # R is Chunk here; mypy does not narrow type[R]
    if issubclass(record_type, records.Utterance):
        return _utterance(record_type, envelope, value)
    try:
        decoded: R = _DECODERS[record_type].decode(value)  # type: ignore[assignment]  # the table is keyed by R
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRecord("invalid-value", f"the JSON value does not fit {topic.type}: {_misfit(error)}") from None
    if isinstance(decoded, records.Room) and ROOM_TYPES.get(envelope.type, decoded.event) != decoded.event:
        raise BadRecord("invalid-value", "field event of the JSON value contradicts header ce_type; make them agree")
    if any(not 0.0 <= time_ms <= LAST_MS for time_ms in _times(decoded)):
        raise BadRecord("invalid-value", "a field that ends in _ms is beyond the year 9999; give Unix milliseconds")
    return decoded


def _times(record: Any) -> Iterator[float]:
    """Every time and duration of a JSON record: nothing else in it is computed with before it is judged."""
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if name.endswith("_ms") and value is not None:
            yield from value if isinstance(value, tuple) else (value,)
        elif isinstance(value, records.Stages):
            yield from _times(value)


def _misfit(error: Exception) -> str:
    """What is wrong with a JSON value, by path and expected type and without the value itself."""
    if isinstance(error, UnicodeDecodeError):
        return "it must be UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return _QUOTED.sub("", str(error))


def _message(topic: topics.Topic, key: str, value: bytes, envelope: Envelope) -> Message:
    return Message(topic.name, key.encode(), value, to_headers(envelope))


def _identity(record: records.JsonRecord) -> tuple[str, str, float | None]:
    """Event id, key and time of a JSON record."""
    match record:
        case records.Room():
            return (
                f"{record.room}/{record.speaker}/{record.event}/{number(record.time_ms)}",
                record.room,
                record.time_ms,
            )
        case records.Finding():
            return f"{record.utterance_id}.{record.revision}", record.room, record.end_ms
        case records.Risk():
            return record.risk_id, record.room, record.span_ms[1]
        case records.Sighting():
            return record.utterance_id, record.tenant, record.time_ms
        case records.Incident():
            return f"{record.incident_id}.{record.revision}", record.tenant, record.last_ms
        case records.Takedown():
            return record.takedown_id, record.target.room, record.stages.judged_ms
        case records.Decision():
            return record.decision_id, record.room, record.time_ms
        case records.Outcome():
            return f"{record.takedown_id}.{record.outcome}", record.room, record.time_ms
        case records.Coverage():
            return record.coverage_id, record.room, record.end_ms
        case records.Policy():
            return f"{record.tenant}@{record.version}", record.tenant, None
        case records.Source():
            return record.sha256, record.sha256, None


def _chunk_envelope(record: records.Chunk) -> Envelope:
    extensions = {
        "tenant": record.tenant,
        "roomid": record.room,
        "sessionid": record.session,
        "sequence": str(record.sequence),
        "durationms": number(record.duration_ms),
    }
    if record.speaker:
        extensions["speakerid"] = record.speaker
    if record.declared_synthetic:
        extensions["declaredsynthetic"] = "true"
    if record.last:
        extensions["lastchunk"] = "true"
    return Envelope(
        id=f"{record.session}/{record.speaker}/{record.sequence}",
        source=f"/{record.tenant}/{record.room}",
        type=topics.CHUNKS.type,
        time_ms=record.time_ms,
        content_type=record.content_type,
        extensions=extensions,
    )


def _chunk(envelope: Envelope, value: bytes) -> records.Chunk:
    attributes = Attributes(envelope.extensions)
    if envelope.time_ms is None:
        raise BadRecord("missing-attribute", "header ce_time is missing; give the capture time of the first sample")
    if not envelope.content_type:
        raise BadRecord("missing-attribute", "header content-type is missing; say the codec, like audio/pcm;rate=16000")
    if not envelope.content_type.lower().startswith("audio/"):
        raise BadRecord("unknown-content-type", "content-type must be an audio type, like audio/pcm;rate=16000")
    return records.Chunk(
        tenant=attributes.text("tenant"),
        room=attributes.text("roomid"),
        speaker=attributes.text("speakerid", ""),
        session=attributes.text("sessionid"),
        sequence=attributes.integer("sequence"),
        time_ms=envelope.time_ms,
        duration_ms=attributes.number("durationms", 0.0, high=60_000.0),
        content_type=envelope.content_type,
        audio=value,
        declared_synthetic=attributes.boolean("declaredsynthetic"),
        last=attributes.boolean("lastchunk"),
    )


def _utterance_envelope(record: records.Utterance) -> Envelope:
    extensions = {
        "tenant": record.tenant,
        "roomid": record.room,
        "sessionid": record.session,
        "utteranceid": record.utterance_id,
        "revision": str(record.revision),
        "final": flag(record.final),
        "startms": number(record.start_ms),
        "endms": number(record.end_ms),
        "overlapms": number(record.overlap_ms),
        "accountedms": number(record.accounted_ms),
        "speechms": number(record.speech_ms),
        "firstsequence": str(record.first_sequence),
        "lastsequence": str(record.last_sequence),
        "cause": record.cause,
        "declaredsynthetic": flag(record.declared_synthetic),
        "segmentedms": number(record.segmented_ms),
    }
    if isinstance(record, records.Deferred):
        extensions |= {"reason": record.reason, "deferredms": number(record.deferred_ms)}
    if record.speaker:
        extensions["speakerid"] = record.speaker
    if record.synthetic_status:
        extensions["syntheticstatus"] = record.synthetic_status
    return Envelope(
        id=f"{record.utterance_id}.{record.revision}",
        source="/roomwarden/listen" if isinstance(record, records.Deferred) else "/roomwarden/segment",
        type=_TOPIC_OF[type(record)].type,
        time_ms=record.start_ms,
        content_type=UTTERANCE_CONTENT_TYPE,
        extensions=extensions,
    )


def _utterance(record_type: type[U], envelope: Envelope, value: bytes) -> U:
    if envelope.content_type != UTTERANCE_CONTENT_TYPE:
        raise BadRecord("unknown-content-type", f"content-type of an utterance must be {UTTERANCE_CONTENT_TYPE}")
    if len(value) % 2:
        raise BadRecord("undecodable", "an s16le value must have an even number of bytes")
    attributes = Attributes(envelope.extensions)
    added: dict[str, Any] = {}
    if record_type is records.Deferred:
        added["reason"] = _one_of(records.Leniency, attributes, "reason")
        added["deferred_ms"] = attributes.number("deferredms", 0.0)
    return record_type(
        **added,
        utterance_id=attributes.text("utteranceid"),
        revision=attributes.integer("revision"),
        final=attributes.boolean("final"),
        tenant=attributes.text("tenant"),
        room=attributes.text("roomid"),
        speaker=attributes.text("speakerid", ""),
        session=attributes.text("sessionid"),
        start_ms=attributes.number("startms"),
        end_ms=attributes.number("endms"),
        overlap_ms=attributes.number("overlapms", 0.0),
        accounted_ms=attributes.number("accountedms", 0.0),
        speech_ms=attributes.number("speechms", 0.0),
        first_sequence=attributes.integer("firstsequence"),
        last_sequence=attributes.integer("lastsequence"),
        cause=attributes.text("cause", ""),
        declared_synthetic=attributes.boolean("declaredsynthetic"),
        segmented_ms=attributes.number("segmentedms", 0.0),
        audio=value,
        synthetic_status=_one_of(records.SyntheticStatus, attributes, "syntheticstatus"),
    )


def _one_of(words: Any, attributes: Attributes, name: str) -> Any:
    """A word of a closed list; absent only where the empty one is on it. Raises BadRecord for another word."""
    *others, last = (word for word in get_args(words) if word)
    text = attributes.text(name, "" if "" in get_args(words) else None)
    if text not in get_args(words):
        raise BadRecord("invalid-attribute", f"header ce_{name} must be {', '.join(others)} or {last}")
    return text
