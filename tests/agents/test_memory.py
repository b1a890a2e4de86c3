"""Which partials may wait for a quiet moment."""

from __future__ import annotations

from typing import Any

import pytest

from agents.memory import SPACING_MS, Memory
from models.speech import SpeechJob, SpeechResult
from streams import records
from tests.support import samples
from tests.support.fakes import as_samples


def partial(revision: int, end_ms: float, **changes: Any) -> records.Utterance:
    fields: dict[str, Any] = {"utterance_id": "ut_0", "revision": revision, "final": False, "end_ms": end_ms}
    return samples.utterance(**(fields | changes))


def heard(memory: Memory, utterance: records.Utterance, *, hit: bool = False) -> None:
    job = SpeechJob(id="0", samples=as_samples("早上好"), partial=True)
    result = SpeechResult(
        id="0", text="早上好", language="zh", language_probability=1.0, posterior={"zh": 1.0}, avg_logprob=-0.2,
        no_speech_probability=0.0, compression_ratio=1.0,
    )  # fmt: skip
    memory.learn(utterance, job, result, hit=hit)


def test_the_first_partial_of_an_utterance_is_due() -> None:
    assert not Memory().can_wait(partial(0, 1_000.0))


@pytest.mark.parametrize(("later_ms", "waits"), [(SPACING_MS - 1.0, True), (SPACING_MS, False)])
def test_a_partial_hardly_longer_than_the_last_one_heard_can_wait(later_ms: float, waits: bool) -> None:
    memory = Memory()
    heard(memory, partial(0, 1_000.0))
    assert memory.can_wait(partial(1, 1_000.0 + later_ms)) is waits


def test_a_partial_that_confirms_a_hit_cannot_wait() -> None:
    memory = Memory()
    heard(memory, partial(0, 1_000.0), hit=True)
    assert not memory.can_wait(partial(1, 1_200.0))


def test_a_final_never_waits_for_a_quiet_moment() -> None:
    memory = Memory()
    heard(memory, partial(0, 1_000.0))
    assert not memory.can_wait(partial(1, 1_200.0, final=True))
