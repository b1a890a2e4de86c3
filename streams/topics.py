"""The one table of topics: names, types, keys, partitions, retention, cleanup.

``roomwarden topics apply``, the AsyncAPI document, the Helm chart's KafkaTopic resources and the docs derive from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from streams import records
from streams.envelope import TYPE_PREFIX

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Topic:
    """One row: ``scaled`` topics take the configured partition count, others have one partition per tenant group."""

    name: str
    noun: str
    record: type[Struct] | None
    key: str
    retention_ms: int
    description: str
    content: Literal["audio", "json", "as-received"] = "json"
    cleanup: Literal["delete", "compact"] = "delete"
    scaled: bool = True
    max_bytes: int = MIB
    personal: bool = True
    chained: bool = False
    """Must be provable afterwards: each record names the one before it (``streams/chain.py``)."""

    @property
    def type(self) -> str:
        """CloudEvents type, ``io.roomwarden.<noun>.v1``."""
        return f"{TYPE_PREFIX}{self.noun}.v1"

    def partitions(self, count: int) -> int:
        """Partitions where the deployment runs ``count`` per scaled topic."""
        return count if self.scaled else 1

    def config(self) -> dict[str, str]:
        """Broker configuration of the topic."""
        settings = {"cleanup.policy": self.cleanup, "max.message.bytes": str(self.max_bytes)}
        if self.cleanup == "delete":
            settings["retention.ms"] = str(self.retention_ms)
        return settings


# Audio is gone after its window (privacy by construction); decisions stay six months (Cybersecurity Law, art. 21).
CHUNKS = Topic(
    "voice.chunks",
    "chunk",
    records.Chunk,
    "room id",
    6 * HOUR_MS,
    "Audio of one speaker's track, 20 ms to 2 s a record, from the platform's back end.",
    content="audio",
    max_bytes=2 * MIB,
)
ROOMS = Topic(
    "voice.rooms",
    "room",
    records.Room,
    "room id",
    180 * DAY_MS,
    "Rooms opened and closed, speakers joined and left, with what the platform knows of them.",
)
UTTERANCES = Topic(
    "voice.utterances",
    "utterance",
    records.Utterance,
    "room id/speaker id",
    6 * HOUR_MS,
    "Utterances cut by segment: partial revisions while a speaker talks, then the final one.",
    content="audio",
)
DEFERRED = Topic(
    "voice.deferred",
    "deferred",
    records.Deferred,
    "room id/speaker id",
    6 * HOUR_MS,
    "Final utterances that could not be heard in time, for the catch-up group of listen.",
    content="audio",
)
FINDINGS = Topic(
    "voice.findings",
    "finding",
    records.Finding,
    "room id",
    7 * DAY_MS,
    "Transcript, language, quality and voice verdict of each utterance revision.",
)
RISKS = Topic(
    "risk.events",
    "risk",
    records.Risk,
    "room id",
    180 * DAY_MS,
    "Risk events: category, severity, what matched, where.",
)
SIGHTINGS = Topic(
    "judge.sightings",
    "sighting",
    records.Sighting,
    "tenant",
    DAY_MS,
    "Offending utterances on their way to the worker that watches their tenant for incidents.",
)
INCIDENTS = Topic(
    "risk.incidents",
    "incident",
    records.Incident,
    "tenant",
    180 * DAY_MS,
    "The same script in many rooms within minutes: one record, sent again with each room that joins.",
)
TAKEDOWNS = Topic(
    "moderation.takedowns",
    "takedown",
    records.Takedown,
    "room id",
    180 * DAY_MS,
    "Idempotent commands to the platform, with reasons, signed.",
    chained=True,
)
DECISIONS = Topic(
    "moderation.decisions",
    "decision",
    records.Decision,
    "room id",
    180 * DAY_MS,
    "What each decision depended on, so that it can be computed again; holds what was said.",
    chained=True,
)
OUTCOMES = Topic(
    "moderation.outcomes",
    "outcome",
    records.Outcome,
    "room id",
    180 * DAY_MS,
    "Acknowledgements, failures, appeals and review verdicts of takedowns.",
)
COVERAGE = Topic(
    "voice.coverage",
    "coverage",
    records.Coverage,
    "room id",
    180 * DAY_MS,
    "The ledger: every received second, accounted for.",
)
POLICIES = Topic(
    "policy.changes",
    "policy",
    records.Policy,
    "tenant",
    0,
    "Policies per tenant; the newest of each is in force.",
    cleanup="compact",
    scaled=False,
    personal=False,
)
SOURCES = Topic(
    "policy.sources",
    "source",
    records.Source,
    "SHA-256 of the text",
    0,
    "Texts of pushed policies and lexicons, by which decisions can be computed again.",
    cleanup="compact",
    scaled=False,
    max_bytes=2 * MIB,
    personal=False,
)
DEAD_LETTERS = Topic(
    "voice.dead-letters",
    "dead-letter",
    None,
    "as received",
    7 * DAY_MS,
    "Unreadable records as received, with reason, stage and origin in rw_ headers.",
    content="as-received",
    max_bytes=2 * MIB,
)

TOPICS: tuple[Topic, ...] = (
    CHUNKS,
    ROOMS,
    UTTERANCES,
    DEFERRED,
    FINDINGS,
    RISKS,
    SIGHTINGS,
    INCIDENTS,
    TAKEDOWNS,
    DECISIONS,
    OUTCOMES,
    COVERAGE,
    POLICIES,
    SOURCES,
    DEAD_LETTERS,
)
BY_NAME = {topic.name: topic for topic in TOPICS}
