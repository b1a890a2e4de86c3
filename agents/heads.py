"""The optional heads of `listen`: chosen by the settings, run beside the recogniser, dropped first under load."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec
import numpy as np

from models.heads import NOTHING, Assessment, Head, combined
from models.speech import SpeechJob
from models.synthetic.head import SyntheticHead
from models.synthetic.verdict import SyntheticVerdict
from streams import records
from streams.settings import Settings


def chosen(settings: Settings) -> list[Callable[[], Head]]:
    """What makes each head that the settings ask for; making one loads its weights."""
    makers: list[tuple[bool, Callable[[], Head]]] = [
        (settings.synthetic, lambda: SyntheticHead(settings.synthetic_detectors))
    ]
    return [make for wanted, make in makers if wanted]


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
        """Assess jobs off the caller's thread. Partials are not assessed, while `busy` nothing is."""
        heads = self._heads or ()
        if busy or all(job.partial for job in jobs):
            left_out = Assessment(degraded=tuple(f"no-{head.name}" for head in heads))
            done: Future[list[Assessment]] = Future()
            done.set_result([NOTHING if job.partial else left_out for job in jobs])
            return done
        return self._executor.submit(lambda: [_assessed(heads, job) for job in jobs])


def _assessed(heads: Sequence[Head], job: SpeechJob) -> Assessment:
    if job.partial:
        return NOTHING
    samples = job.samples.astype(np.int16, copy=False)  # what the wire carries
    return combined(head.assess(samples, partial=False, speech_seconds=job.speech_seconds) for head in heads)


def complete(finding: records.Finding, assessment: Assessment) -> records.Finding:
    """The finding with what the heads said."""
    if assessment == NOTHING:
        return finding
    return msgspec.structs.replace(
        finding,
        synthetic=_record(assessment.synthetic),
        sounds=[*finding.sounds, *assessment.sounds],
        models=finding.models | dict(assessment.models),
        degraded=[*finding.degraded, *assessment.degraded],
    )


def _record(verdict: SyntheticVerdict | None) -> records.Synthetic:
    if verdict is None:
        return records.Synthetic()
    return records.Synthetic(
        verdict=verdict.verdict,
        llr=round(verdict.llr, 3),
        probability=round(verdict.probability, 4),
        windows=[round(window.llr, 3) for window in verdict.windows],
        scores={name: round(llr, 3) for name, llr in verdict.scores},
    )
