"""What a policy may say. The schema is the reference; docs/policy.md explains it, ``policy_json_schema`` exports it."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, field_serializer, model_validator

Action = Literal["label_required", "review", "warn", "mute", "kick", "suspend", "close_room"]
Match = Literal["exact", "phonetic", "initials", "pattern", "voice", "sound", "model"]
RuleAction = Literal["label_required", "review", "warn", "mute", "kick", "suspend", "close_room", "escalate", "none"]
Evidence = Literal["partial", "stable", "final"]
# From mildest to most severe: what a speaker feels decides, when several rules apply to one utterance.
RANK: dict[str, int] = {
    "review": 0,
    "label_required": 1,
    "warn": 2,
    "mute": 3,
    "kick": 4,
    "suspend": 5,
    "close_room": 6,
}
Seconds = Annotated[int, Field(ge=0, le=31_536_000)]
Severity = Annotated[int, Field(ge=1, le=4)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Repeat(_Strict):
    """A rule acts only from the ``count``-th utterance with a finding of it within ``within_s`` seconds."""

    count: Annotated[int, Field(ge=2, le=100)]
    within_s: Annotated[int, Field(ge=1, le=86_400)]


class Step(_Strict):
    """One rung of the ladder: from this many strikes on, this action."""

    strikes: Annotated[int, Field(ge=1, le=1000)]
    action: Literal["warn", "mute", "kick", "suspend"]
    ttl_s: Seconds = 0


class Strikes(_Strict):
    """How strikes of a speaker add up and fade. A strike counts half after each half-life; sums are rounded."""

    half_life_s: Annotated[int, Field(ge=1)] = 1800
    window_s: Annotated[int, Field(ge=1)] = 86_400
    ladder: Annotated[list[Step], Field(min_length=1)] = [
        Step(strikes=1, action="warn"),
        Step(strikes=2, action="mute", ttl_s=300),
        Step(strikes=3, action="kick", ttl_s=3600),
    ]  # fmt: skip

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        pairs = list(zip(self.ladder, self.ladder[1:], strict=False))
        if any(a.strikes >= b.strikes or RANK[a.action] > RANK[b.action] for a, b in pairs):
            raise ValueError(
                "the ladder must climb: order its steps by strikes, each at least as severe as the one before"
            )
        return self

    def step(self, strikes: int) -> Step:
        """The highest rung reached; the lowest one for fewer strikes than it asks."""
        return next((s for s in reversed(self.ladder) if s.strikes <= strikes), self.ladder[0])


class EvidenceBySeverity(_Strict):
    """The evidence a finding of each severity needs before it acts, where its rule does not say."""

    s1: Evidence = Field("final", alias="1")
    s2: Evidence = Field("stable", alias="2")
    s3: Evidence = Field("partial", alias="3")
    s4: Evidence = Field("partial", alias="4")

    def needed(self, severity: int) -> Evidence:
        """Evidence for a severity of 1 to 4."""
        needs: tuple[Evidence, ...] = (self.s1, self.s2, self.s3, self.s4)
        return needs[severity - 1]


class RuleFields(_Strict):
    """What an override may change of a rule."""

    min_severity: Severity | None = None
    min_score: Share | None = None
    action: RuleAction | None = None
    at_least: Literal["warn", "mute", "kick", "suspend"] | None = None
    ttl_s: Seconds | None = None
    evidence: Evidence | None = None
    repeat: Repeat | None = None
    cooldown_s: Seconds | None = None
    strikes: Annotated[float, Field(ge=0, le=100)] | None = None
    dry_run: bool | None = None


class Rule(RuleFields):
    """What follows from findings of a category (and everything below it) of at least a severity."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,47}$")]
    category: Annotated[str, Field(pattern=r"^([a-z0-9-]+(/[a-z0-9-]+){0,2}|\*)$")]
    action: RuleAction
    match: frozenset[Match] = frozenset(get_args(Match)) - {"model"}
    """How a finding came about. What the text model proposes is covered only by rules that name ``model``."""
    care: bool = False
    note: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.action in {"mute", "kick", "suspend"} and not self.ttl_s:
            raise ValueError(f"{self.action} without a time to live: add ttl_s in seconds")
        if self.at_least and self.action != "escalate":
            raise ValueError("at_least belongs to action escalate only: remove it, or write action: escalate")
        return self

    @field_serializer("match")
    def _in_order(self, match: frozenset[str]) -> list[str]:
        # A set has no order of its own, and the version is a hash of what is written.
        return sorted(match)

    def covers(self, category: str) -> bool:
        """Whether the rule is about this category path."""
        return self.category == "*" or category == self.category or category.startswith(self.category + "/")


class Override(_Strict):
    """What differs for a room type or a role; rules by id, only the fields that change."""

    min_score: Share | None = None
    severity_shift: Annotated[int, Field(ge=-3, le=3)] | None = None
    cooldown_s: Seconds | None = None
    dry_run: bool | None = None
    strikes: Strikes | None = None
    evidence: EvidenceBySeverity | None = None
    rules: dict[str, RuleFields] = {}


class Trusted(_Strict):
    """Speakers whom the platform vouches for: milder findings are recorded but do not act."""

    min_severity: Severity = 3


class Acknowledge(_Strict):
    """The platform answers on moderation.outcomes: takedowns without an answer are repeated, then handed to a person.

    The wait doubles with each repeat: with 10 s and 3 repeats a person is called after 10 + 20 + 40 + 80 s.
    """

    within_s: Annotated[int, Field(ge=1, le=3600)]
    repeats: Annotated[int, Field(ge=0, le=10)] = 3


class SyntheticVoice(_Strict):
    """When a speaker's undeclared voice counts as synthetic: error rates of the decision, correlation of utterances."""

    false_alarm_rate: Annotated[float, Field(ge=0.0001, le=0.2)] = 0.01
    miss_rate: Annotated[float, Field(ge=0.0001, le=0.4)] = 0.05
    correlation: Share = 0.5


class Incidents(_Strict):
    """When utterances alike are one incident: in so many rooms within so many seconds, so similar by sound."""

    rooms: Annotated[int, Field(ge=2, le=1000)] = 4
    within_s: Annotated[int, Field(ge=10, le=3600)] = 600
    similarity: Annotated[float, Field(ge=0.2, le=1.0)] = 0.5


class Policy(_Strict):
    """The policy of one tenant ("*": of every tenant without its own)."""

    policy: Annotated[str, Field(min_length=1, max_length=80)]
    tenant: Annotated[str, Field(min_length=1)] = "*"
    min_score: Share = 0.6
    severity_shift: Annotated[int, Field(ge=-3, le=3)] = 0
    minor_severity: Annotated[int, Field(ge=0, le=3)] = 1
    cooldown_s: Seconds = 0
    dry_run: bool = False
    strikes: Strikes = Strikes()
    evidence: EvidenceBySeverity = EvidenceBySeverity.model_validate({})
    carry_ms: Annotated[int, Field(ge=0, le=10_000)] = 1500
    trusted: Trusted = Trusted()
    quiet_rooms: list[str] = []
    acknowledge: Acknowledge | None = None
    synthetic_voice: SyntheticVoice = SyntheticVoice()
    incidents: Incidents = Incidents()
    rules: Annotated[list[Rule], Field(min_length=1)]
    rooms: dict[str, Override] = {}
    roles: dict[str, Override] = {}

    @property
    def version(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the policy's canonical JSON."""
        return _version(self.model_dump_json(by_alias=True, exclude_none=True))

    def is_quiet(self, room_type: str) -> bool:
        """Whether rooms of this type may be heard later when capacity is short."""
        return room_type in self.quiet_rooms


@lru_cache(maxsize=256)
def _version(dumped: str) -> str:
    canonical = json.dumps(json.loads(dumped), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def policy_json_schema() -> dict[str, Any]:
    """JSON Schema of one policy document."""
    return Policy.model_json_schema(by_alias=True)
