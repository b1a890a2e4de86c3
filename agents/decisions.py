"""Decisions as records: what judgement says, in the words of the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import cast

import msgspec

from models.judgement import Decision, Heard, Risk, SpeakerState, Takedown
from models.replaying import basis_of, code_version, digest_of, outline
from streams import records


def risk_record(
    finding: records.Finding, risk: Risk, decision: Decision, versions: tuple[str, str], stages: records.Stages
) -> records.Risk:
    """The record of a risk of a decision; ``versions`` of policy and lexicon."""
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
        explain={"hits": [asdict(hit) for hit in risk.hits], "rule": decision.rules.get(risk.id)},
        takedown_ids=[takedown.id for takedown in decision.takedowns],
        policy_version=versions[0],
        lexicon_version=versions[1],
        stages=stages,
    )


def takedown_record(takedown: Takedown, revision: int, stages: records.Stages, attempt: int = 1) -> records.Takedown:
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
        revision=revision,
        automated=takedown.automated,
        dry_run=takedown.dry_run,
        strike=takedown.strike,
        at_ms=takedown.at_ms,
        attempt=attempt,
        reissue_of=takedown.reissue_of,
        reverses=takedown.reverses,
        stages=stages,
    )


def decision_record(
    heard: Heard, state: SpeakerState, decision: Decision, versions: tuple[str, str], sources: Sequence[str]
) -> records.Decision:
    """The record of everything that a decision depended on; ``state`` is the one before."""
    return records.Decision(
        decision_id=f"{heard.utterance_id}.{heard.revision}",
        tenant=heard.tenant,
        room=heard.room,
        utterance_id=heard.utterance_id,
        revision=heard.revision,
        time_ms=heard.end_ms,
        policy_version=versions[0],
        lexicon_version=versions[1],
        lexicon_sources=list(sources),
        code_version=code_version(),
        risk_ids=[risk.id for risk in decision.risks],
        takedown_ids=[takedown.id for takedown in decision.takedowns],
        outline=outline(decision),
        digest=digest_of(decision),
        basis=basis_of(heard, state),
    )


def takedown_of(record: records.Takedown) -> Takedown:
    """The takedown of a record, without its facts."""
    target = {name: value for name, value in msgspec.structs.asdict(record.target).items() if value}
    return Takedown(
        id=record.takedown_id,
        action=record.action,
        target=target,
        ttl_s=record.ttl_s,
        category=record.category,
        rule=record.rule,
        reason=record.reason,
        facts={},
        policy_version=record.policy_version,
        utterance_id=record.utterance_id,
        strikes=0.0,
        automated=record.automated,
        dry_run=record.dry_run,
        strike=record.strike,
        at_ms=record.at_ms,
        reissue_of=record.reissue_of,
        reverses=record.reverses,
    )
