"""Decisions as records: what judgement says, in the words of the wire, and its signature."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import asdict
from typing import cast

from models.judgement import Risk, Takedown
from streams import records

SIGNATURE_HEADER = "rw_signature"


def sign(value: bytes, key: str) -> str:
    """``sha256=`` and the hexadecimal HMAC-SHA256 of a record's value."""
    return "sha256=" + hmac.new(key.encode(), value, hashlib.sha256).hexdigest()


def risk_record(
    finding: records.Finding, risk: Risk, takedown_ids: list[str], versions: tuple[str, str], stages: records.Stages
) -> records.Risk:
    """The record of a risk; ``versions`` of policy and lexicon."""
    hit = risk.hits[0]
    return records.Risk(
        risk_id=risk.id,
        tenant=finding.tenant,
        room=finding.room,
        speaker=finding.speaker,
        session=finding.session,
        utterance_id=finding.utterance_id,
        revision=finding.revision,
        category=risk.category,
        severity=risk.severity,
        score=risk.score,
        lexicon_list=hit.list,
        entry=hit.entry,
        match=hit.match,
        quote=finding.transcript[slice(*risk.text_span)],
        span_text=risk.text_span,
        span_ms=risk.span_ms,
        transcript=finding.transcript,
        explain={"hits": [asdict(hit) for hit in risk.hits]},
        takedown_ids=takedown_ids,
        policy_version=versions[0],
        lexicon_version=versions[1],
        stages=stages,
    )


def takedown_record(finding: records.Finding, takedown: Takedown, stages: records.Stages) -> records.Takedown:
    """The record of a takedown."""
    return records.Takedown(
        takedown_id=takedown.id,
        action=cast("records.Action", takedown.action),
        target=records.Target(**takedown.target),
        ttl_s=takedown.ttl_s,
        category=takedown.category,
        rule=takedown.rule,
        reason=dict(takedown.reason),
        facts=dict(takedown.facts),
        policy_version=takedown.policy_version,
        utterance_id=takedown.utterance_id,
        revision=finding.revision,
        automated=takedown.automated,
        dry_run=takedown.dry_run,
        stages=stages,
    )
