"""What is in force for one room type and role: the policy with its overrides applied."""

from __future__ import annotations

from dataclasses import dataclass

from models.policy.schema import EvidenceBySeverity, Override, Policy, Rule, Strikes, SyntheticVoice


@dataclass(frozen=True, slots=True)
class Rules:
    """A policy resolved for a room type and a role: first the room's override, then the role's."""

    version: str
    name: str
    min_score: float
    severity_shift: int
    minor_severity: int
    cooldown_s: int
    dry_run: bool
    strikes: Strikes
    evidence: EvidenceBySeverity
    carry_ms: int
    trusted_min_severity: int
    synthetic_voice: SyntheticVoice
    rules: tuple[Rule, ...]

    def severity(self, own: int, minor: bool) -> int:
        """Severity of a finding after the room's, role's and minor's shift, kept within 1 to 4."""
        return max(1, min(4, own + self.severity_shift + (self.minor_severity if minor else 0)))

    @property
    def hears_model(self) -> bool:
        """Whether any rule is about what the text model proposes; without one it is not asked."""
        return any("model" in rule.match and rule.action != "none" for rule in self.rules)

    def rule_for(self, category: str, severity: int, score: float, match: str = "exact") -> Rule | None:
        """The first rule that covers a finding."""
        for rule in self.rules:
            if (
                match in rule.match
                and rule.covers(category)
                and severity >= (rule.min_severity or 1)
                and score >= (rule.min_score or 0.0)
            ):
                return rule
        return None


def resolve(policy: Policy, room_type: str, role: str) -> Rules:
    """Apply the overrides of a room type and a role. Raises ValidationError for a rule made impossible."""
    overrides = [o for o in (policy.rooms.get(room_type), policy.roles.get(role)) if o is not None]
    rules = list(policy.rules)
    for override in overrides:
        rules = [_changed(rule, override) for rule in rules]

    def last(field: str) -> object:
        values = [getattr(o, field) for o in overrides if getattr(o, field) is not None]
        return values[-1] if values else getattr(policy, field)

    shift = policy.severity_shift + sum(o.severity_shift or 0 for o in overrides)
    settings = {f: last(f) for f in ("min_score", "cooldown_s", "dry_run", "strikes", "evidence")}
    return Rules(
        version=policy.version,
        name=policy.policy,
        severity_shift=shift,
        minor_severity=policy.minor_severity,
        carry_ms=policy.carry_ms,
        trusted_min_severity=policy.trusted.min_severity,
        synthetic_voice=policy.synthetic_voice,
        rules=tuple(rules),
        **settings,  # type: ignore[arg-type]  # validated as fields of the same name
    )


def _changed(rule: Rule, override: Override) -> Rule:
    fields = override.rules.get(rule.id)
    if fields is None:
        return rule
    changes = fields.model_dump(exclude_none=True)
    merged = {**rule.model_dump(exclude_none=True), **changes}
    if merged["action"] != "escalate":
        merged.pop("at_least", None)
    return Rule.model_validate(merged)
