"""When words were said, for those utterances of `listen` that a risk event will point into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from models.heads import Assessment
from models.lexicon import Lexicon, load_lexicon
from models.speech import Recogniser, SpeechJob, SpeechResult
from models.speech.timing import placed
from streams.settings import Settings


class Pointing:
    """Asks the recogniser for word times where the lexicon of this worker hits; runs on the recogniser's thread.

    The lexicon only says whether times are worth their cost: `judge` decides by its own, pushed lists included. Where
    those hit alone, a risk points to its words as if all were spoken evenly.
    """

    def __init__(self, settings: Settings, lexicon: Lexicon | None = None) -> None:
        self._settings = settings
        self._lexicon = lexicon

    def load(self) -> None:
        """Compile the lexicon, unless one was given; seconds."""
        if self._lexicon is None and self._settings.word_times:
            self._lexicon = load_lexicon(self._settings.lexicons or None)

    def timed(
        self,
        recogniser: Recogniser,
        jobs: Sequence[SpeechJob],
        results: Sequence[SpeechResult],
        assessed: Sequence[Assessment],
        *,
        busy: bool,
    ) -> list[Assessment]:
        """Return the assessments, with word times where there is a hit; while ``busy`` they say what is missing."""
        return [
            self._one(recogniser, job, result, assessment, busy)
            for job, result, assessment in zip(jobs, results, assessed, strict=True)
        ]

    def _one(
        self, recogniser: Recogniser, job: SpeechJob, result: SpeechResult, assessment: Assessment, busy: bool
    ) -> Assessment:
        if self._lexicon is None or result.guard or assessment.unspoken or not _hits(self._lexicon, result):
            return assessment
        if busy:
            return replace(assessment, hit=True, degraded=(*assessment.degraded, "no-word-times"))
        return replace(assessment, hit=True, words=placed(result.text, recogniser.word_times(job, result)))


def _hits(lexicon: Lexicon, result: SpeechResult) -> bool:
    return bool(lexicon.find(result.text)) or any(lexicon.find(other.text) for other in result.alternatives)
