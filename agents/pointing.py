"""What is asked of the recogniser where the lexicon hits: the times of the words, and whether it hears them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from models.heads import Assessment
from models.lexicon import Lexicon, load_lexicon
from models.speech import Recogniser, SpeechJob, SpeechResult
from models.speech.timing import placed
from streams.settings import Settings


class Pointing:
    """Asks the recogniser for more where the lexicon of this worker hits; runs on the recogniser's thread.

    A hit that is new in a partial is listened to again, as if it were final, so that it need not wait for the next
    revision to be confirmed. The lexicon only says whether this and word times are worth their cost: `judge` decides by
    its own, pushed lists included. Where those hit alone, a risk points to its words as if all were spoken evenly.
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
        """Return the assessments, with word times and a second listening where there is a hit; while ``busy`` they say
        what is missing."""
        return [
            self._one(recogniser, job, result, assessment, busy)
            for job, result, assessment in zip(jobs, results, assessed, strict=True)
        ]

    def _one(
        self, recogniser: Recogniser, job: SpeechJob, result: SpeechResult, assessment: Assessment, busy: bool
    ) -> Assessment:
        if self._lexicon is None or result.guard or assessment.unspoken or not self._lexicon.find(result.text):
            return assessment
        if busy:
            return replace(assessment, hit=True, degraded=(*assessment.degraded, "no-word-times"))
        again = ""
        if job.partial and not self._lexicon.find(job.previous):
            (second,) = recogniser.transcribe([replace(job, partial=False, previous="")], thorough=False)
            again = second.text
        words = placed(result.text, recogniser.word_times(job, result))
        return replace(assessment, hit=True, again=again, words=words)
