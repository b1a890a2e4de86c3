"""Word times: only where the lexicon hits, on the recogniser's thread, and in the finding as ms of capture."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from agents.heads import Heads
from agents.listen import Listen
from agents.pointing import Pointing
from agents.sources import load_judge
from models.heads import Assessment
from models.lexicon import load_lexicon
from models.speech import SpeechJob, SpeechResult, Word
from streams import records
from streams.metrics import Metrics
from streams.settings import Settings
from tests.agents.test_listen_heads import SungHead
from tests.agents.test_listen_stage import said
from tests.support.fakes import ScriptedRecogniser
from tests.support.fakes import heard as result_of
from tests.support.stages import running

LEXICON = load_lexicon(
    "- list: off-platform\n  category: ads/contact/off-platform\n  severity: 2\n  language: zh\n"
    "  match: [exact]\n  entries: [加微信]\n"
)


class TimedRecogniser(ScriptedRecogniser):
    """Knows that each character takes 100 ms."""

    def __init__(self) -> None:
        super().__init__()
        self.timed: list[tuple[str, int]] = []

    def word_times(self, job: SpeechJob, result: SpeechResult) -> list[Any]:
        self.timed.append((job.id, threading.get_ident()))
        return [Word(char, 100 * n, 100 * n + 100, 1.0) for n, char in enumerate(result.text) if char != "，"]


def stage_of(tmp_path: Path, recogniser: TimedRecogniser, **settings: Any) -> Listen:
    values: dict[str, Any] = {"batch_wait_ms": 0, "replicas": 1, "synthetic": False, "sounds": False} | settings
    stage = Listen(Settings(state_dir=tmp_path, **values), Metrics(), recogniser)
    stage.pointing = Pointing(stage.settings, LEXICON)
    return stage


@pytest.mark.parametrize("final", [True, False])
async def test_a_hit_has_word_times(tmp_path: Path, final: bool) -> None:
    recogniser = TimedRecogniser()
    async with running(stage_of(tmp_path, recogniser)) as run:
        await run.put(said("你好，加微信", final=final, revision=0))
        await run.until(lambda: all(run.acked), "the acknowledgement")
    (finding,) = run.of(records.Finding)
    places = [(word.begin, word.end) for word in finding.words]
    assert places == [(0, 1), (1, 2), (3, 4), (4, 5), (5, 6)]
    assert [finding.words[2].start_ms - finding.start_ms, finding.words[2].end_ms - finding.start_ms] == [300, 400]
    assert {thread for _, thread in recogniser.timed} == recogniser.threads


async def test_without_a_hit_nobody_asks(tmp_path: Path) -> None:
    recogniser = TimedRecogniser()
    async with running(stage_of(tmp_path, recogniser)) as run:
        await run.put(said("大家好"))
        await run.put(said("noise", 1))
        await run.until(lambda: all(run.acked), "the acknowledgements")
    assert [finding.words for finding in run.of(records.Finding)] == [[], []]
    assert recogniser.timed == []


async def test_sung_words_have_no_times(tmp_path: Path) -> None:
    recogniser = TimedRecogniser()
    stage = stage_of(tmp_path, recogniser)
    stage.heads = Heads(stage.settings, [SungHead()])
    async with running(stage) as run:
        await run.put(said("加微信"))
        await run.until(lambda: all(run.acked), "the acknowledgement")
    (finding,) = run.of(records.Finding)
    assert (finding.transcript, finding.words, recogniser.timed) == ("", [], [])


def test_under_load_times_are_left_out_and_the_finding_says_so() -> None:
    recogniser = TimedRecogniser()
    job = SpeechJob("a", said_samples())
    (timed,) = Pointing(Settings(), LEXICON).timed(
        recogniser, [job], [result_of(job, "加微信")], [Assessment()], busy=True
    )
    assert (timed.words, timed.degraded, recogniser.timed) == ((), ("no-word-times",), [])


def test_switched_off_no_lexicon_is_loaded() -> None:
    pointing = Pointing(Settings(word_times=False))
    pointing.load()
    job = SpeechJob("a", said_samples())
    assert pointing.timed(TimedRecogniser(), [job], [result_of(job, "加微信")], [Assessment()], busy=False) == [
        Assessment()
    ]


def said_samples() -> Any:
    """Samples of some length."""
    import numpy as np

    return np.zeros(1600, np.int16)


async def test_after_a_hit_a_room_is_heard_before_others_of_its_tenant(tmp_path: Path) -> None:
    recogniser = TimedRecogniser()
    async with running(stage_of(tmp_path, recogniser, max_batch=1)) as run:
        await run.put(said("加微信", 0, room="risky"))
        await run.until(lambda: all(run.acked), "the hit")
        recogniser.gate.clear()
        recogniser.started.clear()
        await run.put(said("先", 1, room="calm"))
        await run.until(recogniser.started.is_set, "a batch at work")
        await run.put(said("大家好", 2, room="calm"))
        await run.put(said("大家好", 3, room="risky"))
        await run.until(lambda: run.stage.window.outstanding == 3, "all to be taken in")
        recogniser.gate.set()
        await run.until(lambda: all(run.acked), "the acknowledgements")
    assert recogniser.batches == [["ut_0.2"], ["ut_1.2"], ["ut_3.2"], ["ut_2.2"]]


async def test_a_tenant_that_asks_for_little_goes_before_another_that_waits_with_much(tmp_path: Path) -> None:
    recogniser = TimedRecogniser()
    async with running(stage_of(tmp_path, recogniser, max_batch=1)) as run:
        recogniser.gate.clear()
        await run.put(said("先", 0, tenant="much"))
        await run.until(recogniser.started.is_set, "a batch at work")
        for number in range(1, 4):
            await run.put(said("多", number, tenant="much"))
        await run.put(said("少", 4, tenant="little"))
        await run.until(lambda: run.stage.window.outstanding == 5, "all to be taken in")
        recogniser.gate.set()
        await run.until(lambda: all(run.acked), "the acknowledgements")
    assert recogniser.batches == [["ut_0.2"], ["ut_4.2"], ["ut_1.2"], ["ut_2.2"], ["ut_3.2"]]


def test_stages_of_one_process_share_the_compiled_lexicon(tmp_path: Path) -> None:
    pointing = Pointing(Settings(state_dir=tmp_path))
    pointing.load()
    assert load_judge(None, []).lexicon is pointing._lexicon
