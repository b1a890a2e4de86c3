"""Optional heads beside the recogniser: on finals only, off the loop, first to go under load."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.heads import Heads, Pressure, chosen, complete
from agents.listen import Listen
from models.heads import Assessment
from models.sounds import SoundEvent
from models.speech import SpeechJob
from models.synthetic import SyntheticVerdict
from models.synthetic.head import SyntheticHead
from streams import records
from streams.metrics import Metrics
from streams.settings import Settings
from tests.agents.test_listen_stage import said
from tests.support import samples
from tests.support.fakes import ScriptedRecogniser
from tests.support.stages import running

VERDICT = SyntheticVerdict("synthetic", 3.14159, 0.95861, 2.5)


class ScriptedHead:
    """Finds a synthetic voice, and a sound, in whatever it is given."""

    name = "scripted-voice"
    partials = False
    versions: Mapping[str, str] = {"scripted-voice": "cd" * 32}

    def __init__(self) -> None:
        self.heard: list[tuple[int, bool, float | None]] = []
        self.threads: set[int] = set()

    def assess(self, samples: np.ndarray[Any, Any], *, partial: bool, speech_seconds: float | None) -> Assessment:
        self.heard.append((len(samples), partial, speech_seconds))
        self.threads.add(threading.get_ident())
        assert samples.dtype == np.int16
        return Assessment(VERDICT, (SoundEvent("scream", 40, 440, 0.9),), models=tuple(self.versions.items()))


@pytest.fixture
def head() -> ScriptedHead:
    return ScriptedHead()


def stage_of(tmp_path: Path, head: ScriptedHead, recogniser: ScriptedRecogniser, **settings: Any) -> Listen:
    values: dict[str, Any] = {
        "state_dir": tmp_path,
        "batch_wait_ms": 0,
        "replicas": 1,
        "synthetic": False,
        "sounds": False,
        "word_times": False,
    } | settings
    stage = Listen(Settings(**values), Metrics(), recogniser)
    stage.heads = Heads(stage.settings, [head])
    return stage


async def test_a_final_finding_carries_what_the_heads_said(tmp_path: Path, head: ScriptedHead) -> None:
    async with running(stage_of(tmp_path, head, ScriptedRecogniser())) as run:
        await run.put(said("你好", speech_ms=700.0))
        await run.until(lambda: all(run.acked), "the acknowledgement")
    (finding,) = run.of(records.Finding)
    assert finding.synthetic == records.Synthetic(
        verdict="synthetic", llr=3.142, probability=0.9586, status="suspected"
    )
    (sound,) = finding.sounds
    assert (sound.label, sound.start_ms - finding.start_ms, sound.end_ms - finding.start_ms) == ("scream", 40, 440)
    assert finding.models == {"scripted": "ab" * 32, "scripted-voice": "cd" * 32}
    assert [(partial, seconds) for _, partial, seconds in head.heard] == [(False, 0.7)]
    assert threading.get_ident() not in head.threads


async def test_a_partial_is_not_assessed(tmp_path: Path, head: ScriptedHead) -> None:
    async with running(stage_of(tmp_path, head, ScriptedRecogniser())) as run:
        await run.put(said("你", final=False, revision=0))
        await run.until(lambda: all(run.acked), "the acknowledgement")
    (finding,) = run.of(records.Finding)
    assert (finding.synthetic.verdict, finding.degraded, head.heard) == ("not_assessed", [], [])


class SungHead(ScriptedHead):
    """Holds everything for singing, partials too."""

    partials = True

    def assess(self, samples: np.ndarray[Any, Any], *, partial: bool, speech_seconds: float | None) -> Assessment:
        return Assessment(unspoken="singing")


@pytest.mark.parametrize("final", [True, False])
async def test_words_that_are_sung_are_withheld(tmp_path: Path, final: bool) -> None:
    async with running(stage_of(tmp_path, SungHead(), ScriptedRecogniser())) as run:
        await run.put(said("去死吧", final=final, revision=0))
        await run.until(lambda: all(run.acked), "the acknowledgement")
    (finding,) = run.of(records.Finding)
    assert (finding.transcript, finding.alternatives, finding.guard) == ("", [], "singing")


async def test_under_load_heads_are_left_out_and_findings_say_so(tmp_path: Path, head: ScriptedHead) -> None:
    recogniser = ScriptedRecogniser()
    stage = stage_of(tmp_path, head, recogniser, max_batch=1)
    async with running(stage) as run:
        recogniser.gate.clear()
        await run.put(said("先", 0))
        await run.until(recogniser.started.is_set, "the first batch")
        for n in range(1, 8):
            await run.put(said("字", n))
        await run.until(lambda: stage.window.outstanding == 8, "all to be taken in")
        recogniser.gate.set()
        await run.until(lambda: all(run.acked), "the acknowledgements")
    assessed = {f.utterance_id: (f.synthetic.verdict, f.degraded) for f in run.of(records.Finding)}
    assert assessed["ut_0"] == assessed["ut_7"] == ("synthetic", [])
    assert assessed["ut_1"] == ("not_assessed", ["no-scripted-voice"])


async def test_a_head_that_breaks_stops_the_stage(tmp_path: Path, head: ScriptedHead) -> None:
    head.versions = None  # type: ignore[assignment]  # so that it breaks
    async with running(stage_of(tmp_path, head, ScriptedRecogniser())) as run:
        await run.put(said("你好"))
        await run.crashed()
        assert run.acked == [False]


@pytest.mark.parametrize(("wanted", "names"), [(True, ["synthetic"]), (False, [])])
def test_settings_choose_the_heads(wanted: bool, names: list[str]) -> None:
    assert [make().name for make in chosen(Settings(synthetic=wanted, sounds=False))] == names


def test_the_shipped_detector_is_a_head() -> None:
    noise = np.random.default_rng(0).normal(0.0, 3000.0, 48_000).astype(np.int16)
    heads = Heads(Settings(), [SyntheticHead()])
    job = SpeechJob("1", noise, speech_seconds=2.5)
    (found,) = heads.begin([job], busy=False).result()
    assert found.synthetic is not None
    assert found.synthetic.speech_seconds == 2.5
    assert len(found.synthetic.windows) == 1
    assert [name for name, _ in found.models] == ["synthetic-voice"]
    assert all(len(digest) == 64 for _, digest in found.models)
    short = SpeechJob("2", noise, speech_seconds=1.5)
    (found,) = heads.begin([short], busy=False).result()
    assert found.synthetic is not None
    assert found.synthetic.verdict == "insufficient"


async def test_what_a_voice_says_of_itself_outranks_what_it_sounds_like(tmp_path: Path, head: ScriptedHead) -> None:
    async with running(stage_of(tmp_path, head, ScriptedRecogniser())) as run:
        await run.put(said("你好", declared_synthetic=True, synthetic_status="possible"))
        await run.put(said("你", 1, final=False, revision=0, declared_synthetic=True, synthetic_status="possible"))
        await run.until(lambda: all(run.acked), "the acknowledgements")
    assert [f.synthetic.status for f in run.of(records.Finding)] == ["possible"] * 2


def test_nothing_said_changes_nothing() -> None:
    finding = samples.finding()
    assert complete(finding, Assessment()) is finding


def test_heads_go_when_lateness_lasts_and_come_back_when_it_ends() -> None:
    pressure = Pressure()
    for late in [True, True, False, True, False]:  # a moment's crowd
        pressure.note(late)
    assert not pressure.high
    for _ in range(10):
        pressure.note(True)
    assert pressure.high
    for _ in range(10):
        pressure.note(False)
    assert not pressure.high
