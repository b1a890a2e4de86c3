"""Pushing policies: files become records of policy.sources and policy.changes, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from agents.sources import sha256_of, source
from models.lexicon import parse_lexicon
from models.lexicon.entries import version_of
from models.policy import Policy, parse_policy
from models.policy.load import read_text
from streams import records
from streams.codec import Message, encode
from streams.connection import Kafka, client_options, start
from streams.topics import MIB, POLICIES, SOURCES

# Room for headers and framing below the topic's limit.
_ENVELOPE_BYTES = 16_384


class PushError(ValueError):
    """Something cannot be pushed; the text says what, and what to do."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a push sends: texts first, then the policies that refer to them."""

    policies: tuple[records.Policy, ...]
    messages: tuple[Message, ...]


def prepared(file: Path, lexicons: Sequence[Path]) -> Prepared:
    """Records of a policy file and its lexicons.

    Raises:
        InvalidSourceError: naming file, line, field and remedy of every fault.
        PushError: where something is too long for its topic, or two files have one name.
    """
    text, name = read_text(file)
    policies = parse_policy(text, name)
    words: dict[str, str] = {}
    sources: list[records.Source] = []
    for path in lexicons:
        content, where = read_text(path)
        found = parse_lexicon(content, where)
        if path.name in words:
            raise PushError(f"two lexicons are called {path.name}; rename one")
        words[path.name] = sha256_of(content)
        sources.append(source("lexicon", policies[0].tenant, path.name, version_of(found), content))
    changes = []
    for policy in policies:
        document = text if len(policies) == 1 else _alone(policy)
        sources.append(source("policy", policy.tenant, file.name, policy.version, document))
        changes.append(
            records.Policy(tenant=policy.tenant, version=policy.version, document=document, lexicons=dict(words))
        )
    outgoing: list[records.Source | records.Policy] = [*sources, *changes]
    messages = [encode(record) for record in outgoing]
    for message, record in zip(messages, outgoing, strict=True):
        limit = (SOURCES if isinstance(record, records.Source) else POLICIES).max_bytes - _ENVELOPE_BYTES
        if len(message.value) > limit:
            label = record.name if isinstance(record, records.Source) else file.name
            raise PushError(f"{label} has {len(message.value)} bytes as a record, at most {limit} fit; split it")
    return Prepared(tuple(changes), tuple(messages))


def withdrawal(tenant: str) -> Message:
    """What takes a tenant's policy out of the compacted topic."""
    return Message(POLICIES.name, tenant.encode(), b"", [])


async def publish(kafka: Kafka, messages: Sequence[Message]) -> None:
    """Send messages in order, each confirmed before the next; an empty value is sent as a tombstone."""
    producer: Any = AIOKafkaProducer(**client_options(kafka), max_request_size=4 * MIB, acks="all")
    await start(producer, kafka)
    try:
        for message in messages:
            await producer.send_and_wait(message.topic, message.value or None, message.key, headers=message.headers)
    finally:
        await producer.stop()


def _alone(policy: Policy) -> str:
    """One document of several, as JSON, which is YAML."""
    return policy.model_dump_json(by_alias=True, exclude_none=True) + "\n"
