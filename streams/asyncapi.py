"""The AsyncAPI 3.0 document of the wire, generated from the topic table and the records."""

from __future__ import annotations

from typing import Any, get_args

from streams import records, topics
from streams.chain import CHAIN_HEADER
from streams.codec import ROOM_TYPES

_UTTERANCE: dict[str, dict[str, Any]] = {
    "tenant": {"type": "string"},
    "roomid": {"type": "string"},
    "speakerid": {"type": "string", "description": "Absent for a mixed track."},
    "sessionid": {"type": "string"},
    "utteranceid": {"type": "string"},
    "revision": {"type": "string", "pattern": "^[0-9]+$"},
    "final": {"type": "string", "enum": ["true", "false"]},
    "startms": {"type": "string", "description": "Capture time of the first sample, Unix ms."},
    "endms": {"type": "string", "description": "Capture time of the last sample, Unix ms."},
    "overlapms": {"type": "string", "description": "Leading audio that the utterance before has accounted for."},
    "accountedms": {"type": "string", "description": "Received audio that the ledger counts here."},
    "speechms": {"type": "string"},
    "firstsequence": {"type": "string", "pattern": "^[0-9]+$"},
    "lastsequence": {"type": "string", "pattern": "^[0-9]+$"},
    "cause": {"type": "string", "description": "What ended it, or partial."},
    "declaredsynthetic": {"type": "string", "enum": ["true", "false"]},
    "segmentedms": {"type": "string", "description": "Wall clock at which segment published it, Unix ms."},
    "syntheticstatus": {
        "type": "string",
        "enum": ["suspected", "possible", "confirmed"],
        "description": "Grade of the declaration as synthetic, if there is one.",
    },
}
_EXTENSIONS: dict[str, dict[str, dict[str, Any]]] = {
    "chunk": {
        "tenant": {"type": "string", "description": "Customer whose policy applies."},
        "roomid": {"type": "string", "description": "Room; also the record key."},
        "speakerid": {"type": "string", "description": "Speaker; absent for a mixed track."},
        "sessionid": {"type": "string", "description": "One stay of one speaker; sequences count within it."},
        "sequence": {"type": "string", "pattern": "^[0-9]+$", "description": "Rises by one with each chunk."},
        "durationms": {"type": "string", "description": "Duration claimed by the sender, in ms."},
        "declaredsynthetic": {"type": "string", "enum": ["true", "false"]},
        "lastchunk": {"type": "string", "enum": ["true", "false"]},
        "traceparent": {"type": "string", "description": "W3C Trace Context, where the platform traces."},
    },
    "utterance": _UTTERANCE,
    "deferred": _UTTERANCE
    | {
        "reason": {"type": "string", "enum": list(get_args(records.Leniency)), "description": "Why it may wait."},
        "deferredms": {"type": "string", "description": "Wall clock at which it was deferred, Unix ms."},
    },
}
_UTTERANCE_REQUIRED = [
    *("tenant", "roomid", "sessionid", "utteranceid", "revision"),
    *("startms", "endms", "firstsequence", "lastsequence"),
]
_REQUIRED = {
    "chunk": ["tenant", "roomid", "sessionid", "sequence"],
    "utterance": _UTTERANCE_REQUIRED,
    "deferred": [*_UTTERANCE_REQUIRED, "reason"],
}
_PRODUCED_BY_PLATFORM = {"voice.chunks", "voice.rooms", "moderation.outcomes", "policy.changes", "policy.sources"}


def document(version: str) -> dict[str, Any]:
    """AsyncAPI document as a plain dictionary."""
    components: dict[str, Any] = {"schemas": {}, "messages": {}}
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for row in topics.TOPICS:
        components["messages"][row.noun] = _message(row, components["schemas"])
        channels[row.noun] = {
            "address": row.name,
            "description": row.description,
            "messages": {row.noun: {"$ref": f"#/components/messages/{row.noun}"}},
            "bindings": {"kafka": {"topicConfiguration": _topic_configuration(row)}},
        }
        action = "receive" if row.name in _PRODUCED_BY_PLATFORM else "send"
        operations[f"{action}-{row.noun}"] = {
            "action": action,
            "channel": {"$ref": f"#/channels/{row.noun}"},
            "summary": row.description,
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Roomwarden",
            "version": version,
            "license": {"name": "Apache-2.0"},
            "description": "CloudEvents 1.0 over Kafka in binary mode: ce_ headers, and the payload as value.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": components,
    }


def _topic_configuration(row: topics.Topic) -> dict[str, Any]:
    configuration: dict[str, Any] = {"cleanup.policy": [row.cleanup], "max.message.bytes": row.max_bytes}
    if row.cleanup == "delete":
        configuration["retention.ms"] = row.retention_ms
    return configuration


def _message(row: topics.Topic, schemas: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {
        "name": row.noun,
        "title": row.description,
        "contentType": {"audio": "audio/pcm;rate=16000", "json": "application/json"}.get(row.content, "*/*"),
        "headers": _headers(row),
        "bindings": {"kafka": {"key": {"type": "string", "description": row.key}}},
    }
    if row.content == "json" and row.record is not None:
        schema = records.json_schema(row.record)
        # Definitions move to components, so that records which share one (Stages) share one schema.
        for name, definition in schema["$defs"].items():
            schemas[name] = _relocate(definition)
        message["payload"] = {"$ref": schema["$ref"].replace("#/$defs/", "#/components/schemas/")}
    return message


def _headers(row: topics.Topic) -> dict[str, Any]:
    types: Any = {"enum": sorted(ROOM_TYPES)} if row is topics.ROOMS else {"const": row.type}
    properties: dict[str, Any] = {
        "ce_specversion": {"const": "1.0"},
        "ce_id": {"type": "string"},
        "ce_source": {"type": "string"},
        "ce_type": {"type": "string", **types},
        "ce_time": {"type": "string", "format": "date-time"},
        "content-type": {"type": "string"},
    }
    extensions = _EXTENSIONS.get(row.noun, {"tenant": {"type": "string"}})
    properties.update({f"ce_{name}": schema for name, schema in extensions.items()})
    if row.chained:
        properties[CHAIN_HEADER] = {
            "type": "string",
            "description": "JSON: the record's link in the chain of the record.",
        }
    required = ["ce_specversion", "ce_id", "ce_source", "ce_type"]
    required += [f"ce_{name}" for name in _REQUIRED.get(row.noun, [])]
    return {"type": "object", "properties": properties, "required": required}


def _relocate(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: value.replace("#/$defs/", "#/components/schemas/") if key == "$ref" else _relocate(value)
            for key, value in node.items()
        }
    return [_relocate(item) for item in node] if isinstance(node, list) else node
