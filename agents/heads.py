"""The optional heads of `listen`: chosen by the settings, run beside the recogniser, dropped first under load."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec
import numpy as np

from models.heads import NOTHING, Assessment, Head, combined
from models.sounds import SoundEvent
from models.sounds.head import SoundsHead
from models.speech import SpeechJob
from models.speech.timing import WordTime
from models.synthetic.head import SyntheticHead
from models.synthetic.verdict import SyntheticVerdict
from streams import records
from streams.settings import Settings


def chosen(settings: Settings) -> list[Callable[[], Head]]:
    """What makes each head that the settings ask for; making one loads its weights."""
    makers: list[tuple[bool, Callable[[], Head]]] = [
        (settings.sounds, SoundsHead),
        (settings.synthetic, lambda: SyntheticHead(settings.synthetic_detectors)),
    ]
    return [make for wanted, make in makers if wanted]


class Pressure:
    """The share of late batches among the latest, older ones fading: one in ten of the weight is the newest's.

    Heads are given up above a half of it, not at the first late batch: a speaker is judged by several utterances, and a
    moment's crowd must not leave all of them unassessed.
    """

    def __init__(self) -> None:
        self.share = 0.0

    def note(self, late: bool) -> None:
        """Take in one more batch."""
        self.share = 0.9 * self.share + 0.1 * late

    @property
    def high(self) -> bool:
        """Whether heads must go."""
        return self.share > 0.5


class Heads:
    """Owns the heads and the one thread that calls them; batches run there while the recogniser is at work."""

    def __init__(self, settings: Settings, heads: Sequence[Head] | None = None) -> None:
        self._settings = settings
        self._heads = heads
        self._executor = ThreadPoolExecutor(1, "heads")

    def load(self) -> None:
        """Load the weights of the heads that the settings choose, unless heads were given."""
        if self._heads is None:
            self._heads = [make() for make in chosen(self._settings)]

    def begin(self, jobs: Sequence[SpeechJob], *, busy: bool) -> Future[list[Assessment]]:
        """Assess jobs off the caller's thread: partials by the heads that look at them; while `busy` nothing is."""
        heads = self._heads or ()
        wanted = [[head for head in heads if head.partials or not job.partial] for job in jobs]
        if busy or not any(wanted):
            left_out = Assessment(degraded=tuple(f"no-{head.name}" for head in heads))
            done: Future[list[Assessment]] = Future()
            done.set_result([NOTHING if job.partial else left_out for job in jobs])
            return done
        return self._executor.submit(lambda: [_assessed(*work) for work in zip(wanted, jobs, strict=True)])


def _assessed(heads: Sequence[Head], job: SpeechJob) -> Assessment:
    samples = job.samples.astype(np.int16, copy=False)  # what the wire carries
    return combined(head.assess(samples, partial=job.partial, speech_seconds=job.speech_seconds) for head in heads)


def complete(finding: records.Finding, assessment: Assessment) -> records.Finding:
    """The finding with what the heads said; the words of what nobody talked in are withheld."""
    if assessment == NOTHING:
        return finding
    if assessment.unspoken and not finding.guard:
        finding = msgspec.structs.replace(
            finding, transcript="", alternatives=[], log_ratios=[], guard=assessment.unspoken
        )
    return msgspec.structs.replace(
        finding,
        synthetic=_record(assessment.synthetic, finding.synthetic.status),
        words=[] if finding.guard else [_word(finding, word) for word in assessment.words],
        sounds=[*finding.sounds, *(_sound(finding, event) for event in assessment.sounds)],
        models=finding.models | dict(assessment.models),
        degraded=[*finding.degraded, *assessment.degraded],
    )


def _word(finding: records.Finding, word: WordTime) -> records.WordTime:
    begin = finding.start_ms
    return records.WordTime(begin=word.begin, end=word.end, start_ms=begin + word.start_ms, end_ms=begin + word.end_ms)


def _sound(finding: records.Finding, event: SoundEvent) -> records.Sound:
    begin = finding.start_ms
    return records.Sound(
        label=event.label, start_ms=begin + event.start_ms, end_ms=begin + event.end_ms, score=event.score
    )


def _record(verdict: SyntheticVerdict | None, declared: records.SyntheticStatus) -> records.Synthetic:
    """The verdict beside what the voice says of itself; what is called synthetic and says nothing is suspected."""
    if verdict is None:
        return records.Synthetic(status=declared)
    return records.Synthetic(
        verdict=verdict.verdict,
        llr=round(verdict.llr, 3),
        probability=round(verdict.probability, 4),
        windows=[round(window.llr, 3) for window in verdict.windows],
        scores={name: round(llr, 3) for name, llr in verdict.scores},
        status=declared or ("suspected" if verdict.verdict == "synthetic" else ""),
    )
