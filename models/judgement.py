"""Judgement: what was heard, the policy and the speaker's past give risks, takedowns and the speaker's new state.

``Judge.decide`` is a pure function: the same arguments give the same decision, on any worker, at any time. It acts
once per cause. A cause is what one rule has against one utterance, whatever number of revisions it is heard in, or
against one stretch of speech that a cut has put into two utterances.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from models.charges import Charge, acted_before, charges_of, consequence, evidence_of, may_act, strongest, weight
from models.classifier import load_text_model
from models.findings import Heard, Risk, computed_id, risks
from models.lexicon.hits import Hit
from models.lexicon.matcher import Lexicon
from models.policy.load import Policies
from models.policy.resolve import Rules
from models.policy.schema import RANK, Acknowledge, Incidents, Rule
from models.reasons import reason
from models.strikes import TAIL_CHARACTERS, Cause, SpeakerState, Tail
from models.voices import score_of

__all__ = ["Decision", "Heard", "Hit", "Judge", "Risk", "SpeakerState", "Takedown", "judge_text"]


@dataclass(frozen=True, slots=True)
class Takedown:
    """A command to the platform. The same cause gives the same id and the same content."""

    id: str
    action: str
    target: Mapping[str, str]
    ttl_s: int
    category: str
    rule: str
    reason: Mapping[str, str]
    facts: Mapping[str, Any]
    policy_version: str
    utterance_id: str
    strikes: float
    automated: bool = True
    dry_run: bool = False
    strike: float = 0.0
    """What it adds to the speaker's strikes."""
    at_ms: float = 0.0
    """Capture time of the end of the words, from which ``ttl_s`` counts."""
    reverses: str = ""
    """Id of the takedown that an action ``lift`` undoes."""
    reissue_of: str = ""
    """Id of the takedown that is held up once more."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What one finding leads to."""

    risks: tuple[Risk, ...]
    takedowns: tuple[Takedown, ...]
    state: SpeakerState
    rules: Mapping[str, str] = field(default_factory=dict)
    """Risk id to the rule that covers it, whether or not it acted; risks that no rule is about are left out."""


class Judge:
    """Applies a lexicon and policies. Immutable: new versions make a new judge."""

    def __init__(self, lexicon: Lexicon, policies: Policies, sources: tuple[str, ...] = ()) -> None:
        self.lexicon = lexicon
        self.policies = policies
        if any("model" in rule.match for policy in policies for rule in policy.rules):
            load_text_model()  # now, and not while the first finding waits
        self.sources = sources
        """SHA-256 of the lexicon files, where they were pushed."""

    @property
    def lexicon_version(self) -> str:
        """Hash of the lexicon."""
        return self.lexicon.version

    @property
    def policy_version(self) -> str:
        """Hash of the policies."""
        return self.policies.version

    def versions(self, tenant: str) -> tuple[str, str]:
        """Hashes of the tenant's policy and of the lexicon."""
        return self.policies.version_for(tenant), self.lexicon.version

    def acknowledge(self, tenant: str) -> Acknowledge | None:
        """How long to wait for the tenant's platform; None where it does not acknowledge."""
        return self.policies.for_tenant(tenant).acknowledge

    def incidents(self, tenant: str) -> Incidents:
        """When utterances of a tenant's rooms are one incident."""
        return self.policies.for_tenant(tenant).incidents

    def decide(self, heard: Heard, state: SpeakerState) -> Decision:
        """Judge one revision of one utterance. Raises LookupError where no policy is for the tenant."""
        rules = self.policies.rules(heard.tenant, heard.room_type, heard.role)
        state = state.at(heard.end_ms, rules.strikes.window_s)
        before = state.tail_before(heard.utterance_id, heard.start_ms, rules.carry_ms)
        score = score_of(heard)
        if score is not None:
            state = state.with_voice(score)
        found = risks(heard, self.lexicon, rules, before, state.voice)
        charges = charges_of(found, rules)
        state = state.with_evidence(evidence_of(found, charges), heard.utterance_id, heard.revision)
        if heard.guarded is None and heard.text:
            state = state.with_tail(
                Tail(heard.utterance_id, heard.revision, heard.start_ms, heard.end_ms, heard.text[-TAIL_CHARACTERS:])
            )
        return self._act(heard, rules, found, charges, state)

    def _act(
        self, heard: Heard, rules: Rules, found: tuple[Risk, ...], charges: Sequence[Charge], state: SpeakerState
    ) -> Decision:
        # What this very revision led to before, it leads to again: a replay must repeat its commands.
        covered = {risk.id: charge.rule.id for charge in charges for risk in charge.risks}
        again = [c for c in state.causes if c.utterance_id == heard.utterance_id and c.revision == heard.revision]
        if again:
            return Decision(found, tuple(_restored(c.takedown) for c in again), state, covered)
        due: list[tuple[Charge, str, int, float]] = []
        for charge in charges:
            if acted_before(charge, heard, state) or not may_act(charge, heard, rules, state):
                continue
            due.append((charge, *consequence(charge, heard, rules, state)))
        takedowns: list[Takedown] = []
        for charge, action, ttl_s, strikes in strongest(due, heard, state):
            takedown = self._takedown(heard, rules, charge, action, ttl_s, strikes)
            takedowns.append(takedown)
            begin, end = charge.worst.span_ms
            state = state.with_cause(
                Cause(
                    heard.utterance_id,
                    heard.revision,
                    charge.rule.id,
                    heard.room,
                    begin,
                    end,
                    msgspec.to_builtins(takedown),
                )
            )
            if not takedown.dry_run:
                state = state.with_strike(heard.utterance_id, heard.end_ms, weight(charge.rule))
        return Decision(found, tuple(takedowns), state, covered)

    def _takedown(
        self, heard: Heard, rules: Rules, charge: Charge, action: str, ttl_s: int, strikes: float
    ) -> Takedown:
        worst = charge.worst
        quote = "" if worst.hits[0].match in ("voice", "sound", "model") else heard.text[slice(*worst.text_span)]
        target = {"tenant": heard.tenant, "room": heard.room}
        if action != "close_room":
            target |= {"speaker": heard.speaker, "session": heard.session}
        dry_run = _is_dry(charge.rule, rules)
        return Takedown(
            id=computed_id("td_", heard.utterance_id, charge.rule.id, action),
            action=action,
            target=target,
            ttl_s=ttl_s,
            category=worst.category,
            rule=charge.rule.id,
            reason=reason(
                worst.category, quote, action, ttl_s, charge.rule.care, tentative=worst.hits[0].match == "model"
            ),
            facts=self._facts(heard, rules, charge, strikes),
            policy_version=rules.version,
            utterance_id=heard.utterance_id,
            strikes=strikes,
            dry_run=dry_run,
            strike=0.0 if dry_run else weight(charge.rule),
            at_ms=heard.end_ms,
        )

    def _facts(self, heard: Heard, rules: Rules, charge: Charge, strikes: float) -> dict[str, Any]:
        return {
            "policy": rules.name,
            "lexicon_version": self.lexicon.version,
            "rule": charge.rule.id,
            "room_type": heard.room_type,
            "role": heard.role,
            "minor": heard.minor,
            "revision": heard.revision,
            "final": heard.final,
            "strikes": strikes,
            "risks": [
                {
                    "id": risk.id, "category": risk.category, "severity": risk.severity, "score": risk.score,
                    "span_ms": list(risk.span_ms), "text_span": list(risk.text_span),
                    "quote": heard.text[slice(*risk.text_span)], "list": risk.hits[0].list,
                    "entry": risk.hits[0].entry, "match": risk.hits[0].match, "explain": list(risk.hits[0].explain),
                }
                for risk in charge.risks
            ],
        }  # fmt: skip


def _is_dry(rule: Rule, rules: Rules) -> bool:
    return rules.dry_run if rule.dry_run is None else rule.dry_run


def _restored(stored: dict[str, Any]) -> Takedown:
    return msgspec.convert(stored, Takedown)


def judge_text(text: str, lexicon: Lexicon, policy: Policies, explain: bool = False) -> dict[str, Any]:
    """What judgement would say of a text spoken by somebody without a past, as a line of ``roomwarden judge``.

    Keys: text, hits (list, entry, category, span, match), categories, action (the most severe, None if none); and apart
    from these proposals of the text model (category, probability, span), where there are any. With ``explain`` each hit
    has severity, score and explain, each proposal its explain and the action of the policy, and the line has rule,
    reason and the versions.
    """
    heard = Heard(
        tenant="", room="", room_type="default", role="", minor=False, speaker="", session="", utterance_id="text",
        revision=0, final=True, text=text, language="", start_ms=0.0, end_ms=float(max(1, len(text))) * 200.0,
    )  # fmt: skip
    decision = Judge(lexicon, policy).decide(heard, SpeakerState())
    every = sorted((h for r in decision.risks for h in r.hits), key=lambda h: (h.span, h.list, h.entry))
    hits, proposals = [h for h in every if h.match != "model"], [h for h in every if h.match == "model"]
    proposed = {t.id: t for t in decision.takedowns if all(r["match"] == "model" for r in t.facts["risks"])}
    worst = max((t for t in decision.takedowns if t.id not in proposed), key=lambda t: RANK[t.action], default=None)
    out: dict[str, Any] = {
        "text": text,
        "hits": [
            {"list": h.list, "entry": h.entry, "category": h.category, "span": list(h.span), "match": h.match}
            | ({"severity": h.severity, "score": h.score, "explain": list(h.explain)} if explain else {})
            for h in hits
        ],
        "categories": sorted({h.category for h in hits}),
        "action": worst.action if worst else None,
    }
    if proposals:
        out["proposals"] = [{"category": h.category, "probability": h.score, "span": list(h.span)} for h in proposals]
    if explain:
        for line, hit in zip(out.get("proposals", ()), proposals, strict=True):
            followed = (t.action for t in proposed.values() for r in t.facts["risks"] if r["entry"] == hit.entry)
            line |= {"explain": list(hit.explain), "action": next(followed, None)}
        out["rule"] = worst.rule if worst else None
        out["reason"] = dict(worst.reason) if worst else None
        out["policy_version"], out["lexicon_version"] = policy.version, lexicon.version
    return out
