"""Near misses, heard again: where a transcript almost sounds like an entry, the recogniser says which fits better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from models.heads import Assessment
from models.lexicon import Lexicon, load_lexicon
from models.lexicon.readings import Readings
from models.speech import Alternative, Recogniser, Rescorer, SpeechJob, SpeechResult
from streams.settings import Settings

LEFT_OUT = "no-near-misses"
"""What ``degraded`` says of an utterance that had one while there was no time for it."""


class Rehearing:
    """Adds readings with an entry in them to the alternatives of results; runs on the recogniser's thread.

    As in contextual biasing, an entry has a bonus for each of its syllables that was heard: by so much it may be less
    likely than what the recogniser wrote, which has seldom read such words. Chance makes few long stretches sound
    alike. The lexicon is that of the worker.
    """

    def __init__(self, settings: Settings, lexicon: Lexicon | None = None) -> None:
        self._settings = settings
        self._readings = Readings(lexicon) if lexicon is not None and settings.near_misses else None

    def load(self) -> None:
        """Compile the lexicon, unless one was given; seconds."""
        if self._readings is None and self._settings.near_misses:
            self._readings = Readings(load_lexicon(self._settings.lexicons or None))

    def settled(
        self,
        recogniser: Recogniser,
        jobs: Sequence[SpeechJob],
        results: Sequence[SpeechResult],
        assessed: Sequence[Assessment],
        *,
        busy: bool,
    ) -> list[SpeechResult]:
        """Return the results, with readings that fit what was said first among their alternatives.

        While ``busy`` none is scored; ``degraded`` names what is missing. A recogniser that cannot score has none.
        """
        if self._readings is None or not isinstance(recogniser, Rescorer):
            return list(results)
        return [
            result if result.guard or assessment.unspoken else self._one(recogniser, self._readings, job, result, busy)
            for job, result, assessment in zip(jobs, results, assessed, strict=True)
        ]

    def _one(
        self, recogniser: Rescorer, readings: Readings, job: SpeechJob, result: SpeechResult, busy: bool
    ) -> SpeechResult:
        near = readings.of(result.text)
        if not near:
            return result
        if busy:
            return replace(result, degraded=(*result.degraded, LEFT_OUT))
        ratios = recogniser.log_ratios(job, result, [reading.text for reading in near])
        fitting = sorted(
            (-ratio, reading.text)
            for ratio, reading in zip(ratios, near, strict=True)
            if ratio + self._settings.near_miss_bonus * reading.alike >= 0.0
        )
        found = [Alternative(text, result.language, result.avg_logprob, log_ratio=-worse) for worse, text in fitting]
        return replace(result, alternatives=(*found, *result.alternatives)) if found else result
