"""Charges: what a rule has against an utterance, whether it may act on it now, and what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.findings import Heard, Risk
from models.policy.resolve import Rules
from models.policy.schema import RANK, Rule
from models.strikes import SpeakerState

# Findings of one rule in different utterances are one cause when their times, estimated from the text, lie this near.
SAME_CAUSE_MS = 600.0
# Marks after which a word at the end of a partial transcript is still the last word.
_TRAILING = " \t\n.,!?…。，！？、~～-"


@dataclass(frozen=True, slots=True)
class Charge:
    """The risks of one utterance that one rule covers."""

    rule: Rule
    risks: tuple[Risk, ...]

    @property
    def worst(self) -> Risk:
        """The risk that the takedown is reasoned with."""
        return max(self.risks, key=lambda r: (r.severity, r.score, r.id))


def charges_of(found: Sequence[Risk], rules: Rules) -> list[Charge]:
    """Risks by the rule that covers them, in the order of the policy."""
    by_rule: dict[str, list[Risk]] = {}
    chosen: dict[str, Rule] = {}
    for risk in found:
        rule = rules.rule_for(risk.category, risk.severity, risk.score, risk.hits[0].match)
        if rule is not None and rule.action != "none":
            chosen[rule.id] = rule
            by_rule.setdefault(rule.id, []).append(risk)
    return [Charge(rule, tuple(by_rule[rule.id])) for rule in rules.rules if rule.id in chosen]


def _entry_key(risk: Risk) -> str:
    return f"{risk.hits[0].list}\x1f{risk.hits[0].entry}"


def _rule_key(rule: Rule) -> str:
    return f"rule\x1f{rule.id}"


def evidence_of(found: Sequence[Risk], charges: Sequence[Charge]) -> dict[str, float]:
    """Evidence of this revision: each entry for stability, each rule for repetition, at the time it was said."""
    times = {_entry_key(r): r.span_ms[1] for r in found}
    return times | {_rule_key(c.rule): c.worst.span_ms[1] for c in charges}


def acted_before(charge: Charge, heard: Heard, state: SpeakerState) -> bool:
    """Whether this cause was acted on: in an earlier revision, or in the utterance it overlaps with."""
    begin, end = charge.worst.span_ms
    return any(
        cause.rule == charge.rule.id
        and (
            cause.utterance_id == heard.utterance_id
            or (
                begin - SAME_CAUSE_MS <= cause.end_ms
                and cause.begin_ms <= end + SAME_CAUSE_MS
                and cause.room == heard.room
            )
        )
        for cause in state.causes
    )


def may_act(charge: Charge, heard: Heard, rules: Rules, state: SpeakerState) -> bool:
    """Whether the evidence, the speaker's standing and the cool-down allow the rule to act now."""
    rule, worst = charge.rule, charge.worst
    if heard.trusted and worst.severity < rules.trusted_min_severity and not rule.care:
        return False
    if not any(_evident(risk, rule, heard, rules, state) for risk in charge.risks):
        return False
    now = worst.span_ms[1]
    if rule.repeat is not None:
        seen = state.utterances_with(_rule_key(rule), now - rule.repeat.within_s * 1000.0, now)
        if len(seen) < rule.repeat.count:
            return False
    cooldown = rules.cooldown_s if rule.cooldown_s is None else rule.cooldown_s
    return not any(
        c.rule == rule.id and c.room == heard.room and 0.0 <= now - c.end_ms < cooldown * 1000.0 for c in state.causes
    )


def _evident(risk: Risk, rule: Rule, heard: Heard, rules: Rules, state: SpeakerState) -> bool:
    """Whether a finding may act in this revision: the last word of a partial is often another in the next."""
    if heard.final:
        return True
    needed = rule.evidence or rules.evidence.needed(risk.severity)
    if needed == "final":
        return False
    if len(state.revisions(heard.utterance_id, _entry_key(risk), heard.revision)) >= 2:
        return True
    return needed == "partial" and risk.text_span[1] < len(heard.text.rstrip(_TRAILING))


def weight(rule: Rule) -> float:
    """Strikes that a rule costs: by default one, but none where nobody is to be punished."""
    if rule.strikes is not None:
        return rule.strikes
    return 0.0 if rule.action in {"review", "label_required"} else 1.0


def consequence(charge: Charge, heard: Heard, rules: Rules, state: SpeakerState) -> tuple[str, int, float]:
    """Action, time to live in seconds, and the strikes that it rests on."""
    rule = charge.rule
    past = state.strike_sum(heard.end_ms, rules.strikes.half_life_s, rules.strikes.window_s, heard.utterance_id)
    strikes = round(past + weight(rule), 3)
    if rule.action != "escalate":
        return rule.action, rule.ttl_s or 0, strikes
    step = rules.strikes.step(int(strikes + 0.5))
    if rule.at_least and RANK[step.action] < RANK[rule.at_least]:
        # The ladder's own time to live for the action, where it has one.
        rung = next((s for s in rules.strikes.ladder if s.action == rule.at_least), None)
        return rule.at_least, rule.ttl_s or (rung.ttl_s if rung else step.ttl_s), strikes
    return step.action, rule.ttl_s or step.ttl_s, strikes


def strongest(
    due: Sequence[tuple[Charge, str, int, float]], heard: Heard, state: SpeakerState
) -> list[tuple[Charge, str, int, float]]:
    """Of the actions that a speaker feels only the most severe, once per utterance; reviews and labels all."""
    felt = [d for d in due if RANK[d[1]] >= RANK["warn"]]
    done = [RANK[str(c.takedown["action"])] for c in state.causes if c.utterance_id == heard.utterance_id]
    rest = [d for d in due if RANK[d[1]] < RANK["warn"]]
    if not felt:
        return rest
    best = max(felt, key=lambda d: (RANK[d[1]], d[2]))
    return [*rest, best] if RANK[best[1]] > max(done, default=-1) else rest
