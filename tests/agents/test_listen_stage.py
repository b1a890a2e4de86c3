"""listen under Faust's test context, with a scripted recogniser."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agents.listen import Listen
from models.weights import MissingWeights
from streams import records
from streams.codec import Message, encode
from streams.metrics import Metrics
from streams.settings import Settings
from tests.support import samples
from tests.support.fakes import ScriptedRecogniser, as_samples
from tests.support.samples import T0_MS
from tests.support.stages import running
from tests.support.wire import replaced


@pytest.fixture
def recogniser() -> ScriptedRecogniser:
    return ScriptedRecogniser()


def stage_of(tmp_path: Path, recogniser: ScriptedRecogniser, **settings: Any) -> Listen:
    return Listen(
        Settings(
            state_dir=tmp_path,
            **(
                {
                    "batch_wait_ms": 0,
                    "live_wait_ms": 1e9,
                    "replicas": 1,
                    "synthetic": False,
                    "sounds": False,
                    "word_times": False,
                }
                | settings
            ),
        ),
        Metrics(),
        recogniser,
    )


@pytest.fixture
def stage(tmp_path: Path, recogniser: ScriptedRecogniser) -> Listen:
    return stage_of(tmp_path, recogniser)


def said(text: str, number: int = 0, **changes: Any) -> records.Utterance:
    """A final utterance with these words; ``number`` sets it apart."""
    fields: dict[str, Any] = {"utterance_id": f"ut_{number}", "audio": as_samples(text).tobytes()}
    return samples.utterance(**(fields | changes))


async def test_an_utterance_becomes_a_finding_and_its_coverage(stage: Listen) -> None:
    async with running(stage) as run:
        await run.put(said("加我微信", overlap_ms=200.0, accounted_ms=800.0, declared_synthetic=True))
        await run.until(lambda: all(run.acked), "the acknowledgement")
    (finding,) = run.of(records.Finding)
    (covered,) = run.of(records.Coverage)
    assert (finding.transcript, finding.language, finding.guard) == ("加我微信", "zh", None)
    assert (finding.utterance_id, finding.revision, finding.final) == ("ut_0", 2, True)
    assert (finding.tenant, finding.room, finding.speaker, finding.session) == ("demo", "tea-room", "seller", "s-1")
    assert (finding.start_ms, finding.end_ms) == (T0_MS, T0_MS + 1000)
    assert finding.declared_synthetic is True
    assert finding.models == {"scripted": "ab" * 32}
    assert finding.quality.language_probability == 0.98
    assert finding.synthetic.verdict == "not_assessed"
    assert finding.stages.captured_ms == T0_MS + 1000
    assert finding.stages.segmented_ms == T0_MS + 1040
    assert finding.stages.listened_ms > finding.stages.segmented_ms
    assert (covered.stage, covered.kind, covered.milliseconds) == ("listen", "analysed", 800.0)
    assert (covered.start_ms, covered.end_ms) == (T0_MS + 200, T0_MS + 1000)


async def test_a_partial_is_heard_but_not_accounted_for(stage: Listen, recogniser: ScriptedRecogniser) -> None:
    async with running(stage) as run:
        await run.put(said("加我", final=False, revision=0))
        await run.until(lambda: all(run.acked), "the acknowledgement")
    assert [(f.final, f.transcript) for f in run.of(records.Finding)] == [(False, "加我")]
    assert run.of(records.Coverage) == []
    assert [job.partial for job in recogniser.jobs] == [True]


async def test_guarded_words_never_leave(stage: Listen) -> None:
    async with running(stage) as run:
        await run.put(said("noise"))
        await run.until(lambda: all(run.acked), "the acknowledgement")
    (finding,) = run.of(records.Finding)
    assert (finding.guard, finding.transcript, finding.alternatives) == ("no-speech", "", [])
    assert "谢谢观看".encode() not in b"".join(sent.value for sent in run.producer.sent)
    assert len(run.of(records.Coverage)) == 1  # it was analysed, and that was the outcome


async def test_nothing_is_acknowledged_before_the_broker_has_confirmed_the_finding(stage: Listen) -> None:
    async with running(stage) as run:
        run.producer.confirming = False
        await run.put(said("你好"))
        await run.until(lambda: run.producer.sent, "the finding to be sent")
        for _ in range(20):
            await asyncio.sleep(0)
        assert run.acked == [False]
        run.producer.confirm()
        await run.until(lambda: all(run.acked), "the acknowledgement")


async def test_utterances_of_many_rooms_share_a_batch(tmp_path: Path, recogniser: ScriptedRecogniser) -> None:
    stage = stage_of(tmp_path, recogniser, max_batch=3, batch_wait_ms=1000, batch_seconds=100)
    async with running(stage) as run:
        for n in range(3):
            await run.put(said("你好", n, room=f"room-{n}"), partition=n)
        await run.until(lambda: all(run.acked), "the acknowledgements")
    assert recogniser.batches == [["ut_0.2", "ut_1.2", "ut_2.2"]]


async def test_results_are_acknowledged_in_offset_order_across_batches(
    tmp_path: Path, recogniser: ScriptedRecogniser
) -> None:
    """The short ones behind a long one go first; its partition waits for it all the same."""
    stage = stage_of(tmp_path, recogniser, max_batch=2, replicas=1)
    async with running(stage) as run:
        recogniser.gate.clear()
        await run.put(said("先", 0))
        await run.until(recogniser.started.is_set, "the first batch")
        for n in range(1, 7):
            await run.put(said("字" * (60_000 if n == 1 else 10), n))
        recogniser.gate.set()
        await run.until(lambda: all(run.acked), "the acknowledgements")
    order = [identity for batch in recogniser.batches for identity in batch]
    assert sorted(order) == [f"ut_{n}.2" for n in range(7)]
    assert [f.utterance_id for f in run.of(records.Finding)] == [identity.split(".")[0] for identity in order]


@pytest.mark.parametrize("replicas", [1, 2])
async def test_no_more_batches_at_once_than_the_model_has_replicas(
    tmp_path: Path, recogniser: ScriptedRecogniser, replicas: int
) -> None:
    stage = stage_of(tmp_path, recogniser, max_batch=2, replicas=replicas)
    async with running(stage) as run:
        for n in range(20):
            await run.put(said("字", n), partition=n % 4)
        await run.until(lambda: all(run.acked), "the acknowledgements")
    assert recogniser.most_running <= replicas
    assert len(recogniser.threads) <= replicas


async def test_a_newer_revision_replaces_a_partial_that_still_waits(
    stage: Listen, recogniser: ScriptedRecogniser
) -> None:
    async with running(stage) as run:
        recogniser.gate.clear()
        await run.put(said("别的", 9))
        await run.until(recogniser.started.is_set, "the first batch")
        await run.put(said("加", 1, revision=0, final=False))
        await run.put(said("加我", 1, revision=1, final=False))
        await run.put(said("加我微信", 1, revision=2))
        await run.until(lambda: stage.window.outstanding == 4, "all to be taken in")
        recogniser.gate.set()
        await run.until(lambda: all(run.acked), "the acknowledgements")
    assert [(f.utterance_id, f.revision) for f in run.of(records.Finding)] == [("ut_9", 2), ("ut_1", 2)]
    assert [f.degraded for f in run.of(records.Finding)] == [[], ["partials-skipped"]]
    assert stage.metrics.registry.get_sample_value("roomwarden_partials_skipped_total") == 2.0


async def test_a_partial_that_waited_too_long_is_left_out(
    stage: Listen, recogniser: ScriptedRecogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.listen.PARTIAL_PATIENCE_S", -1.0)
    async with running(stage) as run:
        await run.put(said("加我", 1, revision=0, final=False))
        await run.until(lambda: all(run.acked), "the acknowledgement")
        await run.put(said("加我微信", 1, revision=1))
        await run.until(lambda: all(run.acked), "the acknowledgements")
    assert [(f.revision, f.degraded) for f in run.of(records.Finding)] == [(1, ["partials-skipped"])]


async def test_a_final_waits_as_long_as_it_takes(
    stage: Listen, recogniser: ScriptedRecogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.listen.PARTIAL_PATIENCE_S", -1.0)
    async with running(stage) as run:
        await run.put(said("加我微信"))
        await run.until(lambda: all(run.acked), "the acknowledgement")
    assert len(run.of(records.Finding)) == 1


async def test_revisions_of_one_utterance_keep_their_order_though_batches_run_side_by_side(
    tmp_path: Path, recogniser: ScriptedRecogniser
) -> None:
    stage = stage_of(tmp_path, recogniser, replicas=2)
    async with running(stage) as run:
        recogniser.gate.clear()
        await run.put(said("加我", 1, revision=0, final=False))
        await run.until(recogniser.started.is_set, "the first batch")
        await run.put(said("加我微信", 1, revision=1))
        await run.put(said("别的", 2))
        await run.until(lambda: len(recogniser.batches) == 2, "the second batch")
        assert recogniser.batches == [["ut_1.0"], ["ut_2.2"]]
        recogniser.gate.set()
        await run.until(lambda: all(run.acked), "the acknowledgements")
    heard = [(f.utterance_id, f.revision) for f in run.of(records.Finding)]
    assert heard.index(("ut_1", 0)) < heard.index(("ut_1", 1))


async def test_a_partial_is_told_what_the_one_before_said_and_its_language(
    stage: Listen, recogniser: ScriptedRecogniser
) -> None:
    async with running(stage) as run:
        for revision, text in enumerate(["加我", "noise", "加我微信", "加我微信好", "加我微信好吗"]):
            await run.put(said(text, revision=revision, final=False))
            await run.until(lambda: all(run.acked), "the acknowledgement")
        await run.put(said("加我微信好吗", revision=5))
        await run.until(lambda: all(run.acked), "the acknowledgement")
    told = [(job.previous, job.language) for job in recogniser.jobs]
    # What was withheld is evidence too; every fourth revision and the final are asked for their language.
    assert told == [
        ("", None),
        ("加我", "zh"),
        ("谢谢观看", "zh"),
        ("加我微信", "zh"),
        ("加我微信好", None),
        ("", None),
    ]


async def test_a_finding_says_which_words_the_revision_before_had_too(stage: Listen) -> None:
    async with running(stage) as run:
        for revision, text in enumerate(["加我围", "加我微信", "加我微信吧"]):
            await run.put(said(text, revision=revision, final=revision == 2))
            await run.until(lambda: all(run.acked), "the acknowledgement")
    assert [finding.stable for finding in run.of(records.Finding)] == [[], [(0, 2)], [(0, 4)]]


async def test_the_second_pass_is_left_out_while_many_wait(tmp_path: Path, recogniser: ScriptedRecogniser) -> None:
    stage = stage_of(tmp_path, recogniser, replicas=1, max_batch=1)
    async with running(stage) as run:
        recogniser.gate.clear()
        await run.put(said("先", 0))
        await run.until(recogniser.started.is_set, "the first batch")
        for n in range(1, 8):
            await run.put(said("字", n))
        await run.until(lambda: stage.window.outstanding == 8, "all to be taken in")
        recogniser.gate.set()
        await run.until(lambda: all(run.acked), "the acknowledgements")
    assert recogniser.thorough == [True, False, False, True, True, True, True, True]


async def test_what_waited_past_its_deadline_gets_no_second_pass(
    stage: Listen, recogniser: ScriptedRecogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(stage) as run:
        await run.put(said("先", 0))
        await run.until(lambda: all(run.acked), "the first")
        monkeypatch.setattr("agents.listen.FINAL_DEADLINE_MS", -1)
        await run.put(said("后", 1))
        await run.until(lambda: all(run.acked), "the second")
    assert recogniser.thorough == [True, False]


async def test_a_final_goes_before_partials_that_came_earlier(tmp_path: Path, recogniser: ScriptedRecogniser) -> None:
    stage = stage_of(tmp_path, recogniser, max_batch=1)
    async with running(stage) as run:
        recogniser.gate.clear()
        await run.put(said("先", 0))
        await run.until(recogniser.started.is_set, "the first batch")
        await run.put(said("加我", 1, revision=0, final=False))
        await run.put(said("后", 2))
        await run.until(lambda: stage.window.outstanding == 3, "all to be taken in")
        recogniser.gate.set()
        await run.until(lambda: all(run.acked), "the acknowledgements")
    assert recogniser.batches == [["ut_0.2"], ["ut_2.2"], ["ut_1.0"]]


async def test_a_final_is_never_replaced(stage: Listen, recogniser: ScriptedRecogniser) -> None:
    """A replay repeats finals, and late partials come after them: each is heard."""
    async with running(stage) as run:
        recogniser.gate.clear()
        await run.put(said("别的", 9))
        await run.until(recogniser.started.is_set, "the first batch")
        await run.put(said("加我微信", 1, revision=2))
        await run.put(said("加我微信", 1, revision=2))
        await run.put(said("加我", 1, revision=1, final=False))
        await run.until(lambda: stage.window.outstanding == 4, "all to be taken in")
        recogniser.gate.set()
        await run.until(lambda: all(run.acked), "the acknowledgements")
    heard = [(f.utterance_id, f.revision) for f in run.of(records.Finding)]
    assert heard.count(("ut_1", 2)) == 2
    assert heard.count(("ut_1", 1)) == 1


async def test_a_partial_in_the_model_is_not_replaced_but_followed(
    stage: Listen, recogniser: ScriptedRecogniser
) -> None:
    async with running(stage) as run:
        recogniser.gate.clear()
        await run.put(said("加我", 1, revision=0, final=False))
        await run.until(recogniser.started.is_set, "the first batch")
        await run.put(said("加我微信", 1, revision=1))
        recogniser.gate.set()
        await run.until(lambda: all(run.acked), "the acknowledgements")
    assert [f.revision for f in run.of(records.Finding)] == [0, 1]


def spoilt(kind: str) -> Message:
    message = encode(said("你好", 8))
    changes: dict[str, Any] = {
        "missing-attribute": {"utteranceid": None},
        "invalid-attribute": {"revision": b"two"},
        "unknown-type": {"type": b"io.roomwarden.chunk.v1"},
        "unknown-content-type": {"content_type": b"audio/opus"},
    }
    value = {"empty-value": None, "undecodable": b"\x00", "oversized": bytes(1_100_000)}.get(kind, message.value)
    return Message(message.topic, message.key, value, replaced(message.headers, **changes.get(kind, {})))  # type: ignore[arg-type]  # a tombstone


@pytest.mark.parametrize(
    "kind",
    [
        "missing-attribute",
        "invalid-attribute",
        "unknown-type",
        "unknown-content-type",
        "empty-value",
        "undecodable",
        "oversized",
    ],
)
async def test_bad_input_goes_to_the_dead_letters_and_the_stream_goes_on(stage: Listen, kind: str) -> None:
    async with running(stage) as run:
        await run.put(said("一", 1))
        await run.put(spoilt(kind))
        await run.put(said("二", 2))
        await run.until(lambda: all(run.acked), "the acknowledgements")
    assert [(d["rw_reason"], d["rw_stage"]) for d in run.producer.dead] == [(kind, "listen")]
    assert sorted(f.transcript for f in run.of(records.Finding)) == ["一", "二"]


async def test_a_model_that_breaks_stops_the_stage_and_acknowledges_nothing(stage: Listen) -> None:
    async with running(stage) as run:
        await run.put(said("boom"))
        assert "the model broke" in str(await run.crashed())
        assert run.acked == [False]
        assert run.producer.dead == []  # the words are not at fault


async def test_a_broker_that_refuses_a_finding_stops_the_stage(stage: Listen) -> None:
    async with running(stage) as run:
        run.producer.failure = ConnectionError("the broker is gone")
        await run.put(said("你好"))
        await run.crashed()
        assert run.acked == [False]


async def test_what_waits_for_a_revoked_partition_is_dropped(stage: Listen, recogniser: ScriptedRecogniser) -> None:
    async with running(stage) as run:
        recogniser.gate.clear()
        await run.put(said("在里面", 0), partition=2)
        await run.until(recogniser.started.is_set, "the first batch")
        await run.put(said("等着", 1), partition=2)
        await run.put(said("别的", 2), partition=3)
        await run.until(lambda: stage.window.outstanding == 3, "all to be taken in")
        await run.revoke(2)
        recogniser.gate.set()
        await run.until(lambda: run.acked[2], "the other partition")
        assert run.acked == [False, False, True]
    assert [f.transcript for f in run.of(records.Finding)] == ["别的"]


async def test_the_language_of_a_speaker_is_the_prior_of_the_next_utterance(
    stage: Listen, recogniser: ScriptedRecogniser
) -> None:
    async with running(stage) as run:
        await run.put(said("你好", 0))
        await run.until(lambda: all(run.acked), "the first")
        await run.put(said("再见", 1))
        await run.put(said("别人", 2, speaker="guest"))
        await run.until(lambda: all(run.acked), "the others")
    priors = {job.id: job.prior for job in recogniser.jobs}
    assert priors["ut_0.2"] is None
    assert priors["ut_2.2"] is not None  # the room's
    assert priors["ut_1.2"] is not None
    assert max(priors["ut_1.2"], key=priors["ut_1.2"].__getitem__) == "zh"


async def test_a_room_s_language_is_the_prior_of_those_who_have_not_spoken_there(
    stage: Listen, recogniser: ScriptedRecogniser
) -> None:
    async with running(stage) as run:
        await run.put(said("你好", 0))
        await run.until(lambda: all(run.acked), "the first")
        await run.put(said("再见", 1, speaker="guest"))
        await run.put(said("再见", 2, speaker="guest", room="elsewhere"))
        await run.until(lambda: all(run.acked), "the others")
    priors = {job.id: job.prior for job in recogniser.jobs}
    assert priors["ut_1.2"] is not None
    assert priors["ut_1.2"]["zh"] > 0.5
    assert priors["ut_2.2"] is None


async def test_a_changed_recogniser_is_used_from_the_next_batch_on_and_named(
    tmp_path: Path, recogniser: ScriptedRecogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = stage_of(tmp_path, recogniser, replicas=1)
    fresh = ScriptedRecogniser()
    fresh.versions = {"scripted": "cd" * 32}
    monkeypatch.setattr("agents.listen.load_recogniser", lambda *_, **__: fresh)
    async with running(stage) as run:
        recogniser.gate.clear()
        await run.put(said("旧的", 0))
        await run.until(recogniser.started.is_set, "the old one's batch")
        await stage.reload()
        recogniser.gate.set()
        await run.until(lambda: all(run.acked), "the old one's finding")
        await run.put(said("新的", 1))
        await run.until(lambda: all(run.acked), "the new one's finding")
    named = {f.transcript: f.models["scripted"] for f in run.of(records.Finding)}
    assert named == {"旧的": "ab" * 32, "新的": "cd" * 32}
    assert stage.versions() == {"scripted": "cd" * 32}


async def test_a_recogniser_that_cannot_be_loaded_leaves_the_old_one(
    stage: Listen, recogniser: ScriptedRecogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: Any, **__: Any) -> None:
        raise MissingWeights("weights 'x' are not on this machine")

    monkeypatch.setattr("agents.listen.load_recogniser", missing)
    await stage.reload()
    assert stage.recogniser is recogniser


@pytest.mark.parametrize("forgettable", [said("noise", 0), said("你好", 0, final=False)])
async def test_guarded_words_and_partials_say_nothing_about_a_speakers_language(
    stage: Listen, recogniser: ScriptedRecogniser, forgettable: records.Utterance
) -> None:
    async with running(stage) as run:
        await run.put(forgettable)
        await run.until(lambda: all(run.acked), "the first")
        await run.put(said("再见", 1))
        await run.until(lambda: all(run.acked), "the second")
    assert recogniser.jobs[1].prior is None


async def test_audio_reaches_the_recogniser_sample_by_sample(stage: Listen, recogniser: ScriptedRecogniser) -> None:
    audio = bytes(range(256)) * 4
    async with running(stage) as run:
        recogniser.gate.clear()
        await run.put(said("", audio=audio, speech_ms=750.0))
        await run.until(recogniser.started.is_set, "the batch")
        (job,) = recogniser.jobs
        assert job.samples.dtype == "<i2"
        assert job.samples.tobytes() == audio
        assert job.speech_seconds == 0.75


async def test_batches_and_waiting_are_measured(stage: Listen, recogniser: ScriptedRecogniser) -> None:
    value = stage.metrics.registry.get_sample_value
    async with running(stage) as run:
        recogniser.gate.clear()
        await run.put(said("你好"), timestamp=1_000.0)
        await run.put(said("再见", 1), partition=1, timestamp=1_002.5)
        assert await run.until(lambda: stage.lag_s(1_010.0), "the first record") == 10.0
        recogniser.gate.set()
        await run.until(lambda: all(run.acked), "the acknowledgements")
    assert stage.lag_s(1_010.0) == 0.0
    batches = value("roomwarden_batch_size_count")
    assert batches == value("roomwarden_real_time_factor_count") == value("roomwarden_batch_fill_ratio_count")
    assert value("roomwarden_deadline_slack_seconds_count", {"revision": "final"}) == 2.0
    assert dict(stage.versions()) == dict(recogniser.versions)
