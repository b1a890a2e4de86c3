"""The typed records of every topic: the only thing that stages share.

Audio records (chunk, utterance) carry bytes and describe them in extension attributes; all others are JSON.
Times are Unix milliseconds of *capture* unless a name says otherwise. Fields that hold what people said or who they
are carry ``pii`` in their schema, so that exports and log processors can strip them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

PII = Meta(extra_json_schema={"x-pii": True})
Pii = Annotated[str, PII]

Action = Literal["label_required", "review", "warn", "mute", "kick", "suspend", "close_room", "lift"]


SyntheticStatus = Literal["", "suspected", "possible", "confirmed"]
"""What grade of declaration a synthetic voice carries, as the labelling measures of 2025 tell them apart."""


class Chunk(Struct, frozen=True, kw_only=True):
    """One piece, 20 ms to 2 s, of one speaker's track (topic voice.chunks)."""

    tenant: str
    room: str
    speaker: Pii
    """Empty for a mixed track."""
    session: str
    sequence: int
    """Rises by one with each chunk of (session, speaker)."""
    time_ms: float
    """Capture time of the first sample."""
    duration_ms: float
    content_type: str
    audio: bytes
    declared_synthetic: bool = False
    last: bool = False


class Utterance(Struct, frozen=True, kw_only=True):
    """A stretch of speech cut by ``segment`` (topic voice.utterances): partial while ``final`` is false."""

    utterance_id: str
    revision: int
    final: bool
    tenant: str
    room: str
    speaker: Pii
    session: str
    start_ms: float
    end_ms: float
    overlap_ms: float
    """Leading audio that the utterance before has already accounted for in the ledger."""
    accounted_ms: float
    """Received audio that the ledger counts for this utterance; 0 in partial revisions."""
    speech_ms: float
    first_sequence: int
    last_sequence: int
    cause: str
    declared_synthetic: bool
    """Declared by the speaker, by a label in the container, or by an audible mark in the track so far."""
    segmented_ms: float
    """Wall clock at which ``segment`` published it."""
    audio: bytes
    """s16le, 16 kHz, mono."""
    synthetic_status: SyntheticStatus = ""


Leniency = Literal["trusted", "quiet-room", "late"]
"""Why an utterance was deferred: the platform vouches for the speaker, the policy for the room, or it was too late."""


class Deferred(Utterance, frozen=True, kw_only=True):
    """A final utterance that ``listen`` could not hear in time, for its catch-up group (topic voice.deferred)."""

    reason: Leniency
    deferred_ms: float
    """Wall clock at which it was deferred."""


class Room(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the platform knows of a room or of somebody in it (topic voice.rooms)."""

    event: Literal["room.opened", "room.closed", "speaker.joined", "speaker.left"]
    tenant: str
    room: str
    time_ms: float
    room_type: str = "default"
    speaker: Pii = ""
    role: str = ""
    minor: bool = False
    trusted: bool = False
    client_address: Pii = ""
    client_port: int = 0
    device: Pii = ""
    identity_verified: bool = False


class Quality(Struct, frozen=True, kw_only=True):
    """The recogniser's own signals for one utterance."""

    avg_logprob: float = 0.0
    no_speech_probability: float = 0.0
    compression_ratio: float = 0.0
    language_probability: float = 0.0


class Synthetic(Struct, frozen=True, kw_only=True):
    """Is the voice synthetic? ``not_assessed`` where no detector ran."""

    verdict: Literal["synthetic", "human", "insufficient", "not_assessed"] = "not_assessed"
    llr: float | None = None
    probability: float | None = None
    windows: list[float] = []
    """Log-likelihood ratio of each 4 s window, one a second."""
    scores: dict[str, float] = {}
    """Log-likelihood ratio by detector, where there are several."""
    status: SyntheticStatus = ""


class Sound(Struct, frozen=True, kw_only=True):
    """A stretch of one kind of sound, in ms of capture; labels are speech, singing, music, scream and blast."""

    label: Literal["speech", "singing", "music", "scream", "blast"]
    start_ms: float
    end_ms: float
    score: float
    """Mean probability, or share of the stretch that fulfils the detector's conditions."""


class WordTime(Struct, frozen=True, kw_only=True):
    """When a word, or one Chinese character, was said: characters of the transcript, ms of capture."""

    begin: int
    end: int
    start_ms: float
    end_ms: float


class Stages(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Wall-clock Unix ms at which each stage published what led here: latency by subtraction."""

    captured_ms: float = 0.0
    segmented_ms: float = 0.0
    listened_ms: float = 0.0
    judged_ms: float = 0.0


class Finding(Struct, frozen=True, kw_only=True):
    """What ``listen`` heard in one revision of an utterance (topic voice.findings)."""

    utterance_id: str
    revision: int
    final: bool
    tenant: str
    room: str
    speaker: Pii
    session: str
    start_ms: float
    end_ms: float
    transcript: Pii
    """Empty where ``guard`` is set: guarded words never leave ``listen``."""
    language: str
    guard: str | None
    quality: Quality
    stable: list[tuple[int, int]] = []
    """Stretches of the transcript, as characters [begin, end), whose words the revision before had too."""
    alternatives: list[Pii] = []
    log_ratios: list[float | None] = []
    """Of each alternative that is a near miss of the lexicon: its log likelihood less the transcript's, in nats."""
    synthetic: Synthetic = Synthetic()
    declared_synthetic: bool = False
    sounds: list[Sound] = []
    words: list[WordTime] = []
    """Only where the transcript has a hit of the lexicon that ``listen`` knows."""
    models: dict[str, str] = {}
    """Model name to SHA-256 of its weights."""
    degraded: list[str] = []
    stages: Stages = Stages()


class Risk(Struct, frozen=True, kw_only=True):
    """A risk event (topic risk.events)."""

    risk_id: str
    tenant: str
    room: str
    speaker: Pii
    session: str
    utterance_id: str
    revision: int
    category: str
    """Three levels, such as ads/contact/off-platform."""
    severity: int
    score: float
    lexicon_list: str = msgspec.field(name="list")
    entry: str
    match: str
    quote: Pii
    span_text: tuple[int, int]
    span_ms: tuple[float, float]
    transcript: Pii
    explain: dict[str, Any] = {}
    takedown_ids: list[str] = []
    policy_version: str = ""
    lexicon_version: str = ""
    stages: Stages = Stages()


class Sighting(Struct, frozen=True, kw_only=True):
    """An offending final utterance, for the incident watch (topic judge.sightings, between judge workers)."""

    tenant: str
    room: str
    speaker: Pii
    utterance_id: str
    category: str
    severity: int
    time_ms: float
    signature: Annotated[list[int], Meta(min_length=48, max_length=48)]
    """MinHash of what it sounds like."""
    quote: Pii


class IncidentRoom(Struct, frozen=True, kw_only=True):
    """One room of an incident."""

    room: str
    first_ms: float
    last_ms: float
    utterance_id: str
    """The first one there."""
    speakers: list[Pii]


class Incident(Struct, frozen=True, kw_only=True):
    """The same script in many rooms within minutes (topic risk.incidents); the highest revision of an id holds."""

    incident_id: str
    revision: int
    tenant: str
    category: str
    severity: int
    quote: Pii
    """What was said first."""
    first_ms: float
    last_ms: float
    within_s: int
    rooms: list[IncidentRoom]


class Target(Struct, frozen=True, kw_only=True):
    """Whom or what an action is aimed at."""

    tenant: str
    room: str
    speaker: Pii = ""
    session: str = ""


class Takedown(Struct, frozen=True, kw_only=True):
    """An idempotent command to the platform (topic moderation.takedowns)."""

    takedown_id: str
    action: Action
    target: Target
    ttl_s: int
    category: str
    rule: str
    reason: dict[str, str]
    """To the speaker, by language: zh and en."""
    facts: dict[str, Any]
    policy_version: str
    utterance_id: str
    revision: int
    automated: bool = True
    dry_run: bool = False
    strike: float = 0.0
    """What it adds to the speaker's strikes."""
    at_ms: float = 0.0
    """Capture time of the end of the words (of the event, for reissues and lifts); ``ttl_s`` counts from here."""
    attempt: int = 1
    """Above 1: sent again, because no acknowledgement came; the id is the same."""
    reissue_of: str = ""
    """The takedown that is held up once more, because its target has come back."""
    reverses: str = ""
    """The takedown that an action ``lift`` undoes."""
    stages: Stages = Stages()


class Decision(Struct, frozen=True, kw_only=True):
    """What one finding led to, and everything that it depended on (topic moderation.decisions)."""

    decision_id: str
    """Utterance and revision."""
    tenant: str
    room: str
    utterance_id: str
    revision: int
    time_ms: float
    """Capture time of the end of the words."""
    policy_version: str
    lexicon_version: str
    lexicon_sources: list[str]
    """SHA-256 of the lexicon's texts on policy.sources, in order."""
    code_version: str
    risk_ids: list[str]
    takedown_ids: list[str]
    outline: list[str]
    """The decision in a few words, without quotes."""
    digest: str
    """SHA-256 over all risks and takedowns, to compare with the decision computed again."""
    basis: Annotated[dict[str, Any], PII]
    """What was heard, and what was known of the speaker before."""


class Outcome(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a takedown (topic moderation.outcomes)."""

    takedown_id: str
    tenant: str
    room: str
    outcome: Literal["acknowledged", "failed", "appealed", "upheld", "overturned"]
    time_ms: float
    note: Pii = ""


class Coverage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One accounted interval of a track (topic voice.coverage); ``roomwarden ledger`` adds them up by minute.

    ``segment`` accounts received, silence, lost and gaps; ``listen`` accounts what became of the speech. The id is
    computed from the interval, so that a replay repeats it and a reader counts it once.
    """

    coverage_id: str
    stage: Literal["segment", "listen"]
    kind: Literal["silence", "speech", "lost", "gap", "duplicate", "analysed", "degraded", "deferred"]
    tenant: str
    room: str
    speaker: Pii
    session: str
    start_ms: float
    end_ms: float
    milliseconds: float
    """Accounted time; differs from end - start for records that take no time, such as duplicates."""
    reason: str = ""
    utterance_id: str = ""


class Policy(Struct, frozen=True, kw_only=True):
    """A tenant's policy (topic policy.changes, compacted, key = tenant)."""

    tenant: str
    version: str
    document: str
    """The policy, as YAML."""
    lexicons: dict[str, str] = {}
    """File name to SHA-256; their texts are on policy.sources. None: those of the worker's files."""


class Source(Struct, frozen=True, kw_only=True):
    """The text of a policy or a lexicon, for good (topic policy.sources, compacted, key = SHA-256 of the text)."""

    sha256: str
    kind: Literal["policy", "lexicon"]
    tenant: str
    """For whom it was pushed first; anybody's policy may refer to it."""
    name: str
    version: str
    """What decisions name: the hash of the content without its layout."""
    content: str


JsonRecord = Room | Finding | Risk | Sighting | Incident | Takedown | Decision | Outcome | Coverage | Policy | Source
AudioRecord = Chunk | Utterance | Deferred
Record = JsonRecord | AudioRecord


def json_schema(record: type[Struct]) -> dict[str, Any]:
    """JSON Schema (2020-12) of a record, definitions inlined under ``$defs``."""
    return msgspec.json.schema(record, ref_template="#/$defs/{name}")
