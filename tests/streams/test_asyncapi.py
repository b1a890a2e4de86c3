"""The AsyncAPI document: valid by the official schema, complete by the topic table, true to what is on the wire."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from streams import topics
from streams.asyncapi import document
from streams.codec import encode
from tests.support import samples

SCHEMA = Path(__file__).parents[1] / "data" / "asyncapi" / "3.0.0.json"
DOCUMENT = document("1.2.3")


@pytest.fixture(scope="module")
def official() -> Draft7Validator:
    return Draft7Validator(json.loads(SCHEMA.read_text("utf-8")))


def resolve(reference: str) -> Any:
    """What a local reference points at."""
    node: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


def references(node: Any) -> list[str]:
    """Every reference in the document."""
    if isinstance(node, dict):
        return [v for k, v in node.items() if k == "$ref"] + [r for v in node.values() for r in references(v)]
    return [r for item in node for r in references(item)] if isinstance(node, list) else []


def test_the_document_is_valid_asyncapi_3(official: Draft7Validator) -> None:
    errors = [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:200]}" for e in official.iter_errors(DOCUMENT)]
    assert errors == []


def test_the_official_schema_does_refuse_what_is_wrong(official: Draft7Validator) -> None:
    broken = json.loads(json.dumps(DOCUMENT))
    broken["operations"]["receive-chunk"]["action"] = "listen"
    with pytest.raises(jsonschema.ValidationError):
        official.validate(broken)


def test_every_reference_resolves() -> None:
    found = references(DOCUMENT)
    assert found
    for reference in found:
        assert resolve(reference)


def test_the_document_is_plain_json_and_carries_the_version() -> None:
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT
    assert DOCUMENT["info"]["version"] == "1.2.3"


def test_every_topic_is_a_channel_with_its_configuration() -> None:
    assert {channel["address"] for channel in DOCUMENT["channels"].values()} == {t.name for t in topics.TOPICS}
    for row in topics.TOPICS:
        configuration = DOCUMENT["channels"][row.noun]["bindings"]["kafka"]["topicConfiguration"]
        assert configuration["cleanup.policy"] == [row.cleanup]
        assert configuration["max.message.bytes"] == row.max_bytes


def test_directions_are_the_platforms() -> None:
    """What the platform produces we receive; what we produce we send."""
    received = {
        op["channel"]["$ref"].split("/")[-1] for op in DOCUMENT["operations"].values() if op["action"] == "receive"
    }
    assert received == {"chunk", "room", "outcome", "policy", "source"}


@pytest.mark.parametrize("record", samples.ALL, ids=lambda r: type(r).__name__)
def test_what_we_send_fits_what_we_document(record: Any) -> None:
    message = encode(record)
    described = DOCUMENT["components"]["messages"][topics.BY_NAME[message.topic].noun]
    headers = {name: value.decode() for name, value in message.headers}
    Draft202012Validator(described["headers"]).validate(headers)
    undocumented = set(headers) - set(described["headers"]["properties"])
    assert undocumented == set()
    if "payload" in described:
        schema = {"$ref": described["payload"]["$ref"], "components": DOCUMENT["components"]}
        Draft202012Validator(schema).validate(json.loads(message.value))


@pytest.mark.parametrize("name", ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_tenant", "ce_roomid"])
def test_a_chunk_that_lacks_a_required_header_does_not_fit(name: str) -> None:
    described = DOCUMENT["components"]["messages"]["chunk"]["headers"]
    headers = {n: v.decode() for n, v in encode(samples.chunk()).headers if n != name}
    with pytest.raises(jsonschema.ValidationError):
        Draft202012Validator(described).validate(headers)


def test_personal_fields_are_marked() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["Finding"]["properties"]["transcript"]["x-pii"] is True
    assert schemas["Room"]["properties"]["client_address"]["x-pii"] is True
    assert "x-pii" not in schemas["Finding"]["properties"]["language"]
