"""Is a speaker's voice synthetic? One utterance accuses nobody: scores of a session are added up until a decision can
be stated with its error rates (models/synthetic/evidence.py). A voice that is declared needs no such proof."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from models.lexicon.hits import Hit
from models.policy.schema import SyntheticVoice
from models.strikes import VoiceScore
from models.synthetic.evidence import SequentialTest, SpeakerEvidence

if TYPE_CHECKING:
    from models.findings import Heard

_DECIDED = frozenset({"synthetic", "human"})


def score_of(heard: Heard) -> VoiceScore | None:
    """The score of an utterance that counts as evidence; None where the detector did not run or abstained."""
    verdict = heard.synthetic or {}
    llr = verdict.get("llr")
    if verdict.get("verdict") not in _DECIDED or llr is None or not math.isfinite(llr):
        return None
    return VoiceScore(heard.utterance_id, heard.revision, heard.session, heard.end_ms, float(llr))


def voice_hit(heard: Heard, scores: Iterable[VoiceScore], limits: SyntheticVoice) -> Hit | None:
    """The voice in the form of a hit, where this utterance was scored.

    Declared voices by the verdict of the utterance; undeclared ones by all ``scores`` of the session up to here.
    """
    mine = score_of(heard)
    if mine is None:
        return None
    if heard.declared_synthetic:
        if (heard.synthetic or {}).get("verdict") != "synthetic":
            return None
        return _hit(heard, "declared", 1, mine.llr, (f"log-likelihood ratio {mine.llr:.2f}",))
    test = SequentialTest(limits.false_alarm_rate, limits.miss_rate, limits.correlation)
    evidence = SpeakerEvidence()
    for score in scores:
        if score.session == heard.session and score.at_ms <= heard.end_ms:
            evidence = evidence.add(score.llr, test)
    if evidence.decide(test) != "synthetic":
        return None
    together = evidence.llr(test)
    steps = (
        f"log-likelihood ratio {together:.2f} of {evidence.utterances} utterances, correlation {test.correlation:g}",
        f"synthetic from {test.upper:.2f} on: at most {test.false_alarm_rate:.1%} of human speakers are called so",
    )
    return _hit(heard, "undeclared", 2, together, steps)


def _hit(heard: Heard, entry: str, severity: int, llr: float, steps: tuple[str, ...]) -> Hit:
    return Hit(
        list="synthetic-voice",
        entry=entry,
        category=f"synthetic/voice/{entry}",
        severity=severity,
        language=heard.language,
        span=(0, len(heard.text)),
        match="voice",
        score=1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, llr)))),
        explain=steps,
    )
