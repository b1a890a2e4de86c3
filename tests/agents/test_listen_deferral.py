"""listen under overload: what is left for later, in the ledger as such, and how the catch-up group comes to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agents.accounting import SHED, accounted
from agents.deferring import handed_over
from agents.lenience import LenienceWatch
from agents.listen import Listen
from models.lexicon.source import InvalidSourceError
from models.sounds.head import SoundsHead
from models.synthetic.head import SyntheticHead
from streams import records
from streams.codec import Message, encode
from streams.envelope import BadRecord
from streams.ledger import Ledger
from streams.metrics import Metrics
from streams.settings import Settings
from tests.agents.test_listen_stage import said
from tests.support import samples
from tests.support.fakes import ScriptedRecogniser
from tests.support.stages import Running, running


class Overloaded:
    """listen with a recogniser that is held up, and a clock that only the test moves."""

    def __init__(self, tmp_path: Path, **settings: Any) -> None:
        values: dict[str, Any] = {
            "batch_wait_ms": 0, "live_wait_ms": 5000, "replicas": 1, "max_batch": 1,
            "synthetic": False, "sounds": False, "word_times": False,
        }  # fmt: skip
        self.recogniser = ScriptedRecogniser()
        self.stage = Listen(Settings(state_dir=tmp_path, **(values | settings)), Metrics(), self.recogniser)
        self.now_s = 1000.0
        self.stage._batcher._clock = lambda: self.now_s

    @asynccontextmanager
    async def running(self) -> AsyncIterator[tuple[Running, Running]]:
        """The live part and the catch-up part, with one utterance in the recogniser."""
        async with running(self.stage) as live, running(self.stage.catchup, pump=False) as later:
            self.recogniser.gate.clear()
            await live.put(said("先", 99))
            await live.until(self.recogniser.started.is_set, "the first batch")
            yield live, later
            self.recogniser.gate.set()

    async def taken_in(self, live: Running, count: int) -> None:
        """Wait until so many records wait or are at work."""
        await live.until(lambda: self.stage.window.outstanding == count, "all to be taken in")


def metric(of: Listen, name: str, **labels: str) -> float | None:
    return of.metrics.registry.get_sample_value(name, labels)


async def test_what_waited_too_long_is_handed_over_and_accounted_for(tmp_path: Path) -> None:
    overloaded = Overloaded(tmp_path)
    async with overloaded.running() as (live, _):
        await live.put(said("晚", 1, overlap_ms=200.0, accounted_ms=800.0))
        await overloaded.taken_in(live, 2)
        overloaded.now_s += 5.1
        await live.put(said("新", 2))
        await overloaded.taken_in(live, 3)
        overloaded.recogniser.gate.set()
        await live.until(lambda: all(live.acked), "the acknowledgements")
    (deferred,) = live.of(records.Deferred)
    assert (deferred.utterance_id, deferred.reason) == ("ut_1", "late")
    assert deferred.audio == said("晚", 1).audio
    assert [f.utterance_id for f in live.of(records.Finding)] == ["ut_99", "ut_2"]
    covered = {c.utterance_id: (c.kind, c.reason, c.milliseconds) for c in live.of(records.Coverage)}
    assert covered["ut_1"] == ("deferred", "late", 800.0)
    assert metric(overloaded.stage, "roomwarden_deferred_total", reason="late") == 1.0
    assert metric(overloaded.stage, "roomwarden_audio_seconds_total", stage="listen", kind="deferred") == 0.8


async def test_a_slot_is_finished_only_when_the_broker_has_what_is_deferred(tmp_path: Path) -> None:
    overloaded = Overloaded(tmp_path)
    async with overloaded.running() as (live, _):
        await live.put(said("晚", 1))
        await overloaded.taken_in(live, 2)
        overloaded.now_s += 5.1
        live.producer.confirming = False
        overloaded.recogniser.gate.set()
        await live.until(lambda: live.of(records.Deferred), "the utterance to be handed over")
        assert live.acked == [False, False]
        live.producer.confirm()
        await live.until(lambda: all(live.acked), "the acknowledgements")


@pytest.mark.parametrize("reason", ["trusted", "quiet-room"])
async def test_the_patient_make_room_when_their_tenant_is_late(tmp_path: Path, reason: str) -> None:
    overloaded = Overloaded(tmp_path)
    lenience = overloaded.stage.lenience
    lenience.file("*", ["study"])
    lenience.opened("demo", "library", "study" if reason == "quiet-room" else "default")
    lenience.joined("demo", "library", "seller", trusted=reason == "trusted")
    async with overloaded.running() as (live, _):
        await live.put(said("一", 1))
        await live.put(said("二", 2, tenant="other", room="library"))
        await overloaded.taken_in(live, 3)
        overloaded.now_s += 0.7
        await live.put(said("三", 3, room="library"))
        await overloaded.taken_in(live, 4)
        overloaded.recogniser.gate.set()
        await live.until(lambda: all(live.acked), "the acknowledgements")
    assert [(d.utterance_id, d.reason) for d in live.of(records.Deferred)] == [("ut_3", reason)]


async def test_in_time_nobody_makes_room(tmp_path: Path) -> None:
    overloaded = Overloaded(tmp_path)
    overloaded.stage.lenience.joined("demo", "tea-room", "seller", trusted=True)
    async with overloaded.running() as (live, _):
        await live.put(said("一", 1))
        await overloaded.taken_in(live, 2)
        overloaded.recogniser.gate.set()
        await live.until(lambda: all(live.acked), "the acknowledgements")
    assert live.of(records.Deferred) == []


async def test_what_was_deferred_is_heard_when_nothing_live_waits(tmp_path: Path) -> None:
    overloaded = Overloaded(tmp_path)
    async with overloaded.running() as (live, later):
        for number in (1, 2):
            await later.put(handed_over(said("加我微信", number), "late", samples.T0_MS))
        await later.until(lambda: overloaded.stage.catchup.window.outstanding == 2, "both to be taken in")
        await live.put(said("新", 3))
        await overloaded.taken_in(live, 2)
        overloaded.recogniser.gate.set()
        await live.until(lambda: all(live.acked) and all(later.acked), "the acknowledgements")
    assert [f.utterance_id for f in live.of(records.Finding)] == ["ut_99", "ut_3", "ut_1", "ut_2"]
    degraded = {f.utterance_id: f.degraded for f in live.of(records.Finding)}
    assert degraded == {"ut_99": [], "ut_3": [], "ut_1": ["deferred"], "ut_2": ["deferred"]}
    assert {c.kind for c in live.of(records.Coverage)} == {"analysed"}
    assert metric(overloaded.stage, "roomwarden_degraded_total", step="deferred") == 2.0


async def test_the_second_pass_is_not_left_out_for_the_sake_of_what_was_deferred(tmp_path: Path) -> None:
    overloaded = Overloaded(tmp_path)
    async with overloaded.running() as (live, later):
        for number in range(8):
            await later.put(handed_over(said("字", number), "late", samples.T0_MS))
        await later.until(lambda: overloaded.stage.catchup.window.outstanding == 8, "all to be taken in")
        overloaded.recogniser.gate.set()
        await live.until(lambda: all(later.acked), "the acknowledgements")
    assert all(overloaded.recogniser.thorough)


async def test_with_several_lanes_one_stays_free_for_who_speaks_next(tmp_path: Path) -> None:
    overloaded = Overloaded(tmp_path, replicas=2)
    async with overloaded.running() as (live, later):
        overloaded.recogniser.gate.set()
        await live.until(lambda: all(live.acked), "the first")
        overloaded.recogniser.gate.clear()
        for number in (1, 2):
            await later.put(handed_over(said("后", number), "late", samples.T0_MS))
        await live.until(lambda: len(overloaded.recogniser.batches) == 2, "one to be heard")
        await later.until(lambda: overloaded.stage.catchup.window.outstanding == 2, "both to be taken in")
        await live.put(said("新", 3))
        await live.until(lambda: len(overloaded.recogniser.batches) == 3, "the live one to be heard")
        overloaded.recogniser.gate.set()
        await live.until(lambda: all(live.acked) and all(later.acked), "the acknowledgements")
    assert overloaded.recogniser.batches == [["ut_99.2"], ["ut_1.2"], ["ut_3.2"], ["ut_2.2"]]


async def test_what_went_to_another_worker_is_left_to_it(tmp_path: Path) -> None:
    overloaded = Overloaded(tmp_path)
    async with overloaded.running() as (live, later):
        await later.put(handed_over(said("后", 1), "late", samples.T0_MS))
        await later.until(lambda: overloaded.stage.catchup.window.outstanding == 1, "it to be taken in")
        await later.revoke(0)
        await live.put(said("晚", 2))
        await overloaded.taken_in(live, 2)
        overloaded.now_s += 5.1
        await live.revoke(0)
        overloaded.recogniser.gate.set()
        await live.until(lambda: not overloaded.stage._hearing, "the batch to end")
    assert live.of(records.Finding) == live.of(records.Deferred) == []


async def test_an_unreadable_record_goes_to_the_dead_letters(tmp_path: Path) -> None:
    overloaded = Overloaded(tmp_path)
    message = encode(handed_over(said("后", 1), "late", samples.T0_MS))
    headers = [(name, b"whim" if name == "ce_reason" else value) for name, value in message.headers]
    async with overloaded.running() as (_, later):
        await later.put(Message(message.topic, message.key, message.value, headers))
        await later.until(lambda: all(later.acked), "the acknowledgement")
    assert [(d["rw_reason"], d["rw_stage"]) for d in later.producer.dead] == [("invalid-attribute", "catchup")]


async def test_resting_is_no_stall(tmp_path: Path) -> None:
    overloaded = Overloaded(tmp_path)
    catchup = overloaded.stage.catchup
    async with overloaded.running() as (live, later):
        await later.put(handed_over(said("后", 1), "late", samples.T0_MS))
        await later.until(lambda: catchup.window.outstanding == 1, "it to be taken in")
        catchup.window.progressed_at -= 1000.0
        await live.put(said("新", 2))
        await overloaded.taken_in(live, 2)
        assert catchup.standings() == []
        catchup.rested(catchup.window._clock())
        assert catchup.health().stalled_s < 100.0
        overloaded.recogniser.gate.set()
        await live.until(lambda: all(later.acked), "the acknowledgement")


async def test_the_ledger_is_exact_before_and_after(tmp_path: Path) -> None:
    overloaded = Overloaded(tmp_path)
    ledger = Ledger()
    async with overloaded.running() as (live, later):
        for number in range(1, 5):
            await live.put(said("字", number))
        await overloaded.taken_in(live, 5)
        overloaded.now_s += 5.1
        overloaded.recogniser.gate.set()
        await live.until(lambda: all(live.acked), "the acknowledgements")
        for number in (99, 1, 2, 3, 4):
            spoken = samples.coverage(coverage_id=f"cv_{number}", kind="speech", utterance_id=f"ut_{number}")
            ledger.add(spoken)
        ledger.add_all(live.of(records.Coverage))
        total = ledger.total()
        assert (total.received, total.analysed, total.deferred, total.under_way) == (5000, 1000, 4000, 0)
        for deferred in live.of(records.Deferred):
            await later.put(deferred)
        await live.until(lambda: all(later.acked), "what was deferred")
        ledger.add_all(live.of(records.Coverage))
        total = ledger.total()
        assert (total.received, total.analysed, total.deferred, total.under_way) == (5000, 5000, 0, 0)


class Read:
    """A message as aiokafka hands it out."""

    def __init__(self, message: Message, value: bytes | None) -> None:
        self.topic, self.key, self.value, self.headers = message.topic, message.key, value, message.headers


def test_rooms_and_policies_are_followed(tmp_path: Path) -> None:
    stage = Overloaded(tmp_path).stage
    watch = LenienceWatch(stage.settings, stage.lenience)

    def note(record: records.Record, *, gone: bool = False) -> None:
        message = encode(record)
        watch.note(Read(message, None if gone else message.value))

    rule = "rules:\n  - {id: any, category: '*', action: review}\n"
    policy = samples.policy(document=f"policy: ours\ntenant: demo\nquiet_rooms: [study]\n{rule}")
    note(policy)
    note(samples.room(event="room.opened", room_type="study", speaker=""))
    assert stage.lenience.of("demo", "tea-room", "guest") == "quiet-room"
    note(samples.room(event="speaker.joined", trusted=True))
    assert stage.lenience.of("demo", "tea-room", "seller") == "trusted"
    note(samples.room(event="speaker.left"))
    assert stage.lenience.of("demo", "tea-room", "seller") == "quiet-room"
    note(policy, gone=True)
    assert stage.lenience.of("demo", "tea-room", "seller") == ""
    note(samples.room(event="room.closed", speaker=""))
    with pytest.raises(InvalidSourceError):
        note(samples.policy(document="rules: []\n"))
    with pytest.raises(BadRecord):
        watch.note(Read(encode(policy), b"{}"))


async def test_what_was_heard_with_less_is_degraded_in_the_ledger_by_the_same_names(tmp_path: Path) -> None:
    overloaded = Overloaded(tmp_path)
    async with overloaded.running() as (live, _):
        await live.put(said("加", 1, final=False, revision=0))
        await live.put(said("加我微信", 1))
        await overloaded.taken_in(live, 3)
        overloaded.recogniser.gate.set()
        await live.until(lambda: all(live.acked), "the acknowledgements")
    findings = {finding.utterance_id: finding.degraded for finding in live.of(records.Finding)}
    covered = {c.utterance_id: (c.kind, c.reason) for c in live.of(records.Coverage)}
    assert findings["ut_1"] == ["partials-skipped"]
    assert covered == {"ut_99": ("analysed", ""), "ut_1": ("degraded", "partials-skipped")}
    assert metric(overloaded.stage, "roomwarden_audio_seconds_total", stage="listen", kind="degraded") == 1.0


def test_what_no_model_could_say_is_not_degraded() -> None:
    utterance = said("你好")
    assert accounted(utterance, ["no-likelihood", "deferred"]).kind == "analysed"
    assert accounted(utterance, ["no-second-pass", "no-sounds"]).reason == "no-second-pass no-sounds"
    assert {f"no-{name}" for name in (SoundsHead.name, SyntheticHead.name)} <= SHED
    assert accounted(utterance, []).coverage_id == accounted(utterance, ["no-sounds"]).coverage_id
