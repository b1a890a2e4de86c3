"""The overload drill: what it sends, what it counts, what it prints."""

from __future__ import annotations

import pytest

from deploy.bench_overload import FLOODING, STEADY, USUAL, Tally, Wanted, load, published, table
from loadtest import overload
from loadtest.overload import CARRIED, HANGOVER_S, StatedCost, cost_s, talk
from models.speech.types import SpeechJob
from streams import records
from streams.codec import decode, encode
from streams.reading import Observed
from tests.support import samples
from tests.support.samples import T0_MS


def observed(record: records.Record, arrived_ms: float = T0_MS) -> Observed:
    message = encode(record)
    return Observed(message.topic, 0, 0, arrived_ms, record, dict(message.headers), message.value)


def tracks_at(wanted: Wanted, at_s: float) -> set[str]:
    return {said.track for said in load(wanted) if abs(said.at_s - at_s) < 8.0}


def test_one_tenant_floods_between_calm_and_calm() -> None:
    wanted = Wanted(seconds=60.0, patience_s=60.0)
    assert len(tracks_at(wanted, 30.0)) == sum(USUAL.values())
    assert len(tracks_at(wanted, 90.0)) == 3 * CARRIED
    assert len({track for track in tracks_at(wanted, 90.0) if track.startswith(STEADY)}) == USUAL[STEADY]
    assert len(tracks_at(wanted, 150.0)) == sum(USUAL.values())
    assert load(wanted) == load(wanted)


def test_names_are_unique_and_revisions_rise() -> None:
    said = load(Wanted(seconds=20.0, patience_s=10.0))
    assert len({(each.utterance, each.revision) for each in said}) == len(said)
    last = {each.utterance: each for each in sorted(said, key=lambda each: each.revision)}
    assert not any(each.partial for each in last.values())


def test_what_is_sent_is_what_segment_would_send() -> None:
    partial, *_, final = [each for each in talk({"t": 1}, 4.0, 1) if each.number == 0]
    (early,) = published(partial, T0_MS)
    utterance, spoken = published(final, T0_MS)
    for record in (early, utterance, spoken):
        message = encode(record)
        assert decode(type(record), message.headers, message.value) == record
    assert isinstance(utterance, records.Utterance)
    assert isinstance(spoken, records.Coverage)
    assert utterance.end_ms == T0_MS - 1000.0 * HANGOVER_S
    assert len(utterance.audio) / 32 == pytest.approx(utterance.end_ms - utterance.start_ms, abs=1)
    assert spoken.milliseconds == utterance.accounted_ms == utterance.end_ms - utterance.start_ms


def test_the_tally_keeps_tenants_phases_and_the_ledger_apart() -> None:
    tally = Tally()
    spoken = samples.coverage(kind="speech", tenant=STEADY, utterance_id="ut_0")
    tally.note(observed(spoken))
    assert tally.waiting("under_way") == 1.0
    later = {"stage": "listen", "tenant": STEADY, "utterance_id": "ut_0"}
    tally.note(observed(samples.coverage(coverage_id="cv_1", kind="deferred", **later)))
    assert (tally.waiting("under_way"), tally.waiting("deferred")) == (0.0, 1.0)
    tally.note(observed(samples.coverage(coverage_id="cv_2", kind="analysed", **later)))
    kinds = ("received", "analysed", "degraded", "deferred", "under_way", "lost")
    assert tally.seconds(STEADY) == dict.fromkeys(kinds, 0.0) | {"received": 1.0, "analysed": 1.0}
    for phase, took_ms in (("calm", 500.0), ("flood", 900.0)):
        tally.phase = phase
        end_ms = samples.finding().end_ms
        tally.note(observed(samples.finding(tenant=STEADY), end_ms + took_ms))
        tally.note(observed(samples.finding(tenant=STEADY, degraded=["deferred"]), end_ms + 90_000.0))
        tally.note(observed(samples.finding(tenant=FLOODING, final=False), end_ms))
    assert (tally.p95_s(STEADY, "calm"), tally.p95_s(STEADY, "flood")) == (0.5, 0.9)
    assert tally.p95_s(FLOODING, "flood") == 0.0
    assert tally.partials == {(FLOODING, "calm"): 1, (FLOODING, "flood"): 1}


def test_the_stub_takes_the_time_it_states(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(overload.time, "sleep", slept.append)
    jobs = [SpeechJob(str(n), samples_of(seconds)) for n, seconds in enumerate((2.0, 4.5))]
    results = StatedCost().transcribe(jobs)
    assert slept == [cost_s(2, 6.0, partial=False)]
    assert [(result.id, result.text, result.guard) for result in results] == [
        ("0", "", "not-heard"),
        ("1", "", "not-heard"),
    ]
    assert cost_s(1, 6.0, partial=True) < cost_s(1, 6.0, partial=False)
    assert cost_s(8, 6.0, partial=False) < 8 * cost_s(1, 6.0, partial=False)


def samples_of(seconds: float) -> object:
    import numpy as np

    return np.zeros(int(16_000 * seconds), np.int16)


def test_the_table_says_what_became_of_every_second() -> None:
    row = {
        "calm_p95_s": 1.0,
        "flood_p95_s": 1.14,
        "moved": 0.14,
        "partials_a_s": {"calm": 3.7, "flood": 3.3},
        "flood_s": {
            "received": 200.0,
            "analysed": 100.0,
            "degraded": 50.0,
            "deferred": 40.0,
            "under_way": 10.0,
            "lost": 0.0,
        },
    }
    text = table(
        {
            "seconds": 60.0,
            "times": 3.0,
            "live_wait_s": 5.0,
            "tracks": {"usual": 10, "carried": 15, "flood": 45},
            "tenants": {STEADY: row},
            "backlog_s": 579.0,
            "caught_up_after_s": 82.0,
            "left_s": 0.0,
            "unaccounted_s": 0.0,
        }
    )
    assert "| steady | 1.00 | 1.14 | +14% | 3.7 | 3.3 | 200 | 50.0% | 25.0% | 5.0% | 20.0% | 0.0% |" in text
    assert "579 s; 0 s left after 82 s" in text
