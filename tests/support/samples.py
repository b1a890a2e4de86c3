"""One valid record of each type, and hypothesis strategies for what differs between them."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from streams import records

T0_MS = 1_767_225_600_000.0  # 2026-01-01T00:00:00Z

STAGES = records.Stages(captured_ms=T0_MS, segmented_ms=T0_MS + 40, listened_ms=T0_MS + 300, judged_ms=T0_MS + 310)


def chunk(**changes: Any) -> records.Chunk:
    """100 ms of silence as s16le."""
    fields: dict[str, Any] = {
        "tenant": "demo",
        "room": "tea-room",
        "speaker": "seller",
        "session": "s-1",
        "sequence": 7,
        "time_ms": T0_MS,
        "duration_ms": 100.0,
        "content_type": "audio/pcm;rate=16000",
        "audio": bytes(3200),
    }
    return records.Chunk(**(fields | changes))


def utterance(**changes: Any) -> records.Utterance:
    """A final utterance of one second."""
    fields: dict[str, Any] = {
        "utterance_id": "ut_0",
        "revision": 2,
        "final": True,
        "tenant": "demo",
        "room": "tea-room",
        "speaker": "seller",
        "session": "s-1",
        "start_ms": T0_MS,
        "end_ms": T0_MS + 1000,
        "overlap_ms": 0.0,
        "accounted_ms": 1000.0,
        "speech_ms": 900.0,
        "first_sequence": 3,
        "last_sequence": 13,
        "cause": "pause",
        "declared_synthetic": False,
        "segmented_ms": T0_MS + 1040,
        "audio": bytes(32_000),
    }
    return records.Utterance(**(fields | changes))


def deferred(**changes: Any) -> records.Deferred:
    """``utterance()``, to be heard later."""
    return records.Deferred(
        **(msgspec.structs.asdict(utterance()) | {"reason": "late", "deferred_ms": T0_MS + 4000} | changes)
    )


def finding(**changes: Any) -> records.Finding:
    """What was heard in ``utterance()``."""
    fields: dict[str, Any] = {
        "utterance_id": "ut_0",
        "revision": 2,
        "final": True,
        "tenant": "demo",
        "room": "tea-room",
        "speaker": "seller",
        "session": "s-1",
        "start_ms": T0_MS,
        "end_ms": T0_MS + 1000,
        "transcript": "加我微信",
        "language": "zh",
        "guard": None,
        "quality": records.Quality(avg_logprob=-0.2, language_probability=0.9),
        "alternatives": ["家我微信"],
        "models": {"whisper": "ab" * 32},
        "stages": STAGES,
    }
    return records.Finding(**(fields | changes))


def room(**changes: Any) -> records.Room:
    """A speaker joins."""
    fields: dict[str, Any] = {
        "event": "speaker.joined",
        "tenant": "demo",
        "room": "tea-room",
        "time_ms": T0_MS,
        "speaker": "seller",
        "role": "host",
        "minor": True,
        "client_address": "192.0.2.7",
        "client_port": 4242,
    }
    return records.Room(**(fields | changes))


def risk(**changes: Any) -> records.Risk:
    """An off-platform contact offer."""
    fields: dict[str, Any] = {
        "risk_id": "rk_0",
        "tenant": "demo",
        "room": "tea-room",
        "speaker": "seller",
        "session": "s-1",
        "utterance_id": "ut_0",
        "revision": 2,
        "category": "ads/contact/off-platform",
        "severity": 2,
        "score": 0.9,
        "lexicon_list": "off-platform",
        "entry": "加微信",
        "match": "exact",
        "quote": "加我微信",
        "span_text": (0, 4),
        "span_ms": (T0_MS, T0_MS + 900),
        "transcript": "加我微信",
        "takedown_ids": ["td_0"],
        "stages": STAGES,
    }
    return records.Risk(**(fields | changes))


def sighting(**changes: Any) -> records.Sighting:
    """The offer of contact, on its way to the incident watch."""
    fields: dict[str, Any] = {
        "tenant": "demo",
        "room": "tea-room",
        "speaker": "seller",
        "utterance_id": "ut_0",
        "category": "ads/contact/off-platform",
        "severity": 2,
        "time_ms": T0_MS + 1000,
        "signature": list(range(48)),
        "quote": "加我微信",
    }
    return records.Sighting(**(fields | changes))


def incident(**changes: Any) -> records.Incident:
    """The offer of contact in one room."""
    fields: dict[str, Any] = {
        "incident_id": "in_0",
        "revision": 1,
        "tenant": "demo",
        "category": "ads/contact/off-platform",
        "severity": 2,
        "quote": "加我微信",
        "first_ms": T0_MS,
        "last_ms": T0_MS + 1000,
        "within_s": 600,
        "rooms": [
            records.IncidentRoom(
                room="tea-room", first_ms=T0_MS, last_ms=T0_MS, utterance_id="ut_0", speakers=["seller"]
            )
        ],
    }
    return records.Incident(**(fields | changes))


def takedown(**changes: Any) -> records.Takedown:
    """A warning."""
    fields: dict[str, Any] = {
        "takedown_id": "td_0",
        "action": "warn",
        "target": records.Target(tenant="demo", room="tea-room", speaker="seller", session="s-1"),
        "ttl_s": 0,
        "category": "ads/contact/off-platform",
        "rule": "r-1",
        "reason": {"zh": "请勿引导站外联系", "en": "Please stay on the platform"},
        "facts": {"entry": "加微信"},
        "policy_version": "p-1",
        "utterance_id": "ut_0",
        "revision": 2,
        "stages": STAGES,
    }
    return records.Takedown(**(fields | changes))


def decision(**changes: Any) -> records.Decision:
    """What the warning depended on."""
    fields: dict[str, Any] = {
        "decision_id": "ut_0.2",
        "tenant": "demo",
        "room": "tea-room",
        "utterance_id": "ut_0",
        "revision": 2,
        "time_ms": T0_MS + 1000,
        "policy_version": "p-1",
        "lexicon_version": "l-1",
        "lexicon_sources": ["cd" * 32],
        "code_version": "c-1",
        "risk_ids": ["rk_0"],
        "takedown_ids": ["td_0"],
        "outline": ["warn 0 s by rule r-1 at 1 strikes"],
        "digest": "ef" * 32,
        "basis": {"heard": {"text": "加我微信"}, "state": {}},
    }
    return records.Decision(**(fields | changes))


def outcome(**changes: Any) -> records.Outcome:
    """The platform carried it out."""
    fields: dict[str, Any] = {
        "takedown_id": "td_0",
        "tenant": "demo",
        "room": "tea-room",
        "outcome": "acknowledged",
        "time_ms": T0_MS + 2000,
    }
    return records.Outcome(**(fields | changes))


def coverage(**changes: Any) -> records.Coverage:
    """One second of silence."""
    fields: dict[str, Any] = {
        "coverage_id": "cv_0",
        "stage": "segment",
        "kind": "silence",
        "tenant": "demo",
        "room": "tea-room",
        "speaker": "seller",
        "session": "s-1",
        "start_ms": T0_MS,
        "end_ms": T0_MS + 1000,
        "milliseconds": 1000.0,
    }
    return records.Coverage(**(fields | changes))


def policy(**changes: Any) -> records.Policy:
    """A tenant's policy."""
    fields: dict[str, Any] = {"tenant": "demo", "version": "p-1", "document": "rules: []\n"}
    return records.Policy(**(fields | changes))


def source(**changes: Any) -> records.Source:
    """A lexicon's text."""
    fields: dict[str, Any] = {
        "sha256": "cd" * 32,
        "kind": "lexicon",
        "tenant": "demo",
        "name": "own.yaml",
        "version": "ab" * 8,
        "content": "- list: own\n",
    }
    return records.Source(**(fields | changes))


ALL: list[records.Record] = [
    chunk(),
    utterance(),
    deferred(),
    room(),
    finding(),
    risk(),
    sighting(),
    incident(),
    takedown(),
    decision(),
    outcome(),
    coverage(),
    policy(),
    source(),
]

# Header text: anything UTF-8 can carry, but no control characters, which the binding leaves to percent-encoding.
names = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=40)
# Microseconds are what RFC 3339 text carries here; 1970 to 2100.
times_ms = st.integers(0, 4_102_444_800_000_000).map(lambda us: us / 1000.0)
