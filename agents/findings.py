"""The finding of an utterance: what the recogniser said of it, as a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from models.speech import SpeechResult
from models.speech.stability import spans
from streams import records


def finding_of(
    utterance: records.Utterance,
    result: SpeechResult,
    *,
    before: str,
    models: Mapping[str, str],
    degraded: Sequence[str],
    now_ms: float,
) -> records.Finding:
    """``before`` is what the revision before said; words that are guarded stay here."""
    return records.Finding(
        utterance_id=utterance.utterance_id,
        revision=utterance.revision,
        final=utterance.final,
        tenant=utterance.tenant,
        room=utterance.room,
        speaker=utterance.speaker,
        session=utterance.session,
        start_ms=utterance.start_ms,
        end_ms=utterance.end_ms,
        transcript="" if result.guard else result.text,
        language=result.language,
        guard=result.guard,
        quality=records.Quality(
            avg_logprob=result.avg_logprob,
            no_speech_probability=result.no_speech_probability,
            compression_ratio=result.compression_ratio,
            language_probability=result.language_probability,
        ),
        stable=list(spans(before, result.text)) if before and result.text else [],
        alternatives=[] if result.guard else [other.text for other in result.alternatives],
        log_ratios=_log_ratios(result),
        synthetic=records.Synthetic(status=utterance.synthetic_status),
        declared_synthetic=utterance.declared_synthetic,
        models=dict(models),
        degraded=list(degraded),
        stages=records.Stages(captured_ms=utterance.end_ms, segmented_ms=utterance.segmented_ms, listened_ms=now_ms),
    )


def _log_ratios(result: SpeechResult) -> list[float | None]:
    ratios = [None if other.log_ratio is None else round(other.log_ratio, 2) for other in result.alternatives]
    return ratios if not result.guard and any(ratio is not None for ratio in ratios) else []
