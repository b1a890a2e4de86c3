"""Near misses in `listen`: scored on the recogniser's thread, first among the alternatives where they fit."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agents.listen import Listen
from agents.pointing import Pointing
from agents.rehearing import Rehearing
from models.heads import Assessment
from models.lexicon import load_lexicon
from models.speech import Alternative, SpeechJob, SpeechResult
from streams import records
from streams.metrics import Metrics
from streams.settings import Settings
from tests.agents.test_listen_stage import said
from tests.agents.test_listen_words import TimedRecogniser, said_samples
from tests.support.fakes import ScriptedRecogniser
from tests.support.fakes import heard as result_of
from tests.support.stages import running

LEXICON = load_lexicon(
    "- list: gambling\n  category: gambling/promotion/online\n  severity: 3\n  language: zh\n"
    "  match: [exact, phonetic]\n  entries: [百家乐]\n"
)
JOB = SpeechJob("a", said_samples())


class ScoringRecogniser(TimedRecogniser):
    """Finds every other reading so much likelier than what was heard."""

    def __init__(self, ratio: float) -> None:
        super().__init__()
        self.ratio = ratio
        self.scored: list[list[str]] = []

    def log_ratios(self, job: SpeechJob, result: SpeechResult, texts: Sequence[str]) -> list[float]:
        self.threads.add(threading.get_ident())
        self.scored.append(list(texts))
        return [self.ratio - number for number in range(len(texts))]


def settled(recogniser: Any, result: SpeechResult, *, busy: bool = False, **assessed: Any) -> SpeechResult:
    rehearing = Rehearing(Settings(near_miss_bonus=1.0), LEXICON)
    (found,) = rehearing.settled(recogniser, [JOB], [result], [Assessment(**assessed)], busy=busy)
    return found


@pytest.mark.parametrize("final", [True, False])
async def test_a_near_miss_that_fits_is_an_alternative_with_its_ratio_and_word_times(
    tmp_path: Path, final: bool
) -> None:
    recogniser = ScoringRecogniser(-1.25)
    stage = Listen(
        Settings(state_dir=tmp_path, batch_wait_ms=0, replicas=1, synthetic=False, sounds=False), Metrics(), recogniser
    )
    stage.pointing, stage.rehearing = Pointing(stage.settings, LEXICON), Rehearing(stage.settings, LEXICON)
    async with running(stage) as run:
        await run.put(said("来玩拜假落吧", final=final, revision=0))
        await run.until(lambda: all(run.acked), "the acknowledgement")
    (finding,) = run.of(records.Finding)
    assert (finding.transcript, finding.alternatives, finding.log_ratios) == ("来玩拜假落吧", ["来玩百家乐吧"], [-1.25])
    assert len(finding.words) == 6
    assert len(recogniser.threads) == 1


def test_other_alternatives_follow() -> None:
    other = Alternative("来玩吧", "zh", -0.5)
    found = settled(ScoringRecogniser(0.5), result_of(JOB, "来玩拜假落吧", alternatives=(other,)))
    assert found.alternatives == (Alternative("来玩百家乐吧", "zh", -0.2, 0.5), other)


def test_one_that_fits_too_badly_is_none() -> None:
    result = result_of(JOB, "来玩拜假落吧")  # 2.45 of the three syllables of 百家乐
    assert settled(ScoringRecogniser(-2.45), result).alternatives[0].text == "来玩百家乐吧"
    assert settled(ScoringRecogniser(-2.46), result) == result


@pytest.mark.parametrize(
    ("text", "assessed"), [("大家好", {}), ("来玩百家乐吧", {}), ("来玩拜假落吧", {"unspoken": "singing"})]
)
def test_where_nothing_is_near_nobody_asks(text: str, assessed: dict[str, Any]) -> None:
    recogniser = ScoringRecogniser(1.0)
    result = result_of(JOB, text)
    assert settled(recogniser, result, **assessed) == result
    assert settled(recogniser, result_of(JOB, "", guard="loop", withheld="拜假落")).alternatives == ()
    assert recogniser.scored == []


def test_under_load_it_is_left_out_and_the_finding_says_so() -> None:
    recogniser = ScoringRecogniser(1.0)
    assert settled(recogniser, result_of(JOB, "来玩拜假落吧"), busy=True).degraded == ("no-near-misses",)
    assert settled(recogniser, result_of(JOB, "大家好"), busy=True).degraded == ()
    assert recogniser.scored == []


def test_a_recogniser_that_cannot_score_has_none() -> None:
    result = result_of(JOB, "来玩拜假落吧")
    assert settled(ScriptedRecogniser(), result) == result


def test_switched_off_no_lexicon_is_loaded() -> None:
    rehearing = Rehearing(Settings(near_misses=False))
    rehearing.load()
    result = result_of(JOB, "来玩拜假落吧")
    assert rehearing.settled(ScoringRecogniser(1.0), [JOB], [result], [Assessment()], busy=False) == [result]
