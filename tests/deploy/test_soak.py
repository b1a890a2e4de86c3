"""What is read from the samples of a soak."""

from __future__ import annotations

import random
from typing import Any

import pytest
from prometheus_client import generate_latest

from deploy.bench_soak import Seen
from deploy.gauges import counters, timely_finals
from deploy.soak import COLUMNS, Sample, climb, summary, table, theil_sen
from loadtest.endless import Endless
from loadtest.scenario import load
from streams.metrics import Metrics
from streams.reading import Observed
from tests.support import samples as records_
from tests.support.samples import T0_MS


def sample(at_s: float, memory_mib: float = 500.0, **other: Any) -> Sample:
    given: dict[str, Any] = {
        "worker_s": 0.5 * at_s,
        "broker_s": 0.1 * at_s,
        "replayer_s": 0.2 * at_s,
        "lag_s": {"segment": 0.0, "listen": at_s / 1000.0, "judge": 0.0},
        "behind": {"segment": 10, "listen": 1},
        "prompt_wakes": (9.0 * at_s, 10.0 * at_s),
        "timely_finals": (3.0 * at_s, 4.0 * at_s),
        "deferred_s": 0.0,
        "lost_s": 0.0,
    }
    return Sample(at_s, memory_mib, **(given | other))


def test_a_slope_is_that_of_most_samples() -> None:
    noise = random.Random(1)
    at = [10.0 * n for n in range(200)]
    grows = [500.0 + t / 100.0 + noise.gauss(0, 0.2) for t in at]
    assert theil_sen(at, grows) == pytest.approx(0.01, rel=0.02)
    grows[50] = grows[51] = 5000.0
    assert theil_sen(at, grows) == pytest.approx(0.01, rel=0.03)
    assert theil_sen([1.0], [2.0]) == 0.0


def test_what_comes_before_the_warm_up_does_not_count() -> None:
    looks = [sample(t, 500.0 if t < 600 else 700.0 + (t - 600.0) / 3600.0) for t in range(0, 3600, 10)]
    result = summary(looks, [(30.0, 9.0), (700.0, 1.0), (800.0, 2.0)], 600.0, 3600.0)
    assert result["memory_mib"]["first"] == 700.0
    assert result["memory_mib"]["slope_an_hour"] == pytest.approx(1.0)
    assert result["steady"]["finals"] == 2
    assert result["steady"]["late_finals"] == pytest.approx(0.25)
    assert result["steady"]["late_wakes"] == pytest.approx(0.1)
    assert result["steady"]["cores"] == pytest.approx({"worker": 0.5, "broker": 0.1, "replayer": 0.2})
    assert [(row["from_s"], row["to_s"]) for row in result["rows"]][:2] == [(0.0, 600.0), (600.0, 1200.0)]


def test_the_table_has_a_row_for_ten_minutes_and_says_what_stood_still() -> None:
    result = summary([sample(t) for t in range(0, 1800, 10)], [(700.0, 1.0)], 600.0, 1800.0)
    result |= {"rooms": 6, "scenario": "platform", "ramp": [], "tracks": 30, "speech": 2.5, "steady_s": 1800.0}
    result |= {"broker": "apache", "cores": 2, "stalled": {"judge: voice.findings 3": 75.0}}
    result["ledger_s"] = {"received": 100.0, "under_way": 0.0, "deferred": 1.5, "lost": {"undecodable": 2.0}}
    result["takedowns"] = {"due": 3, "found": 2, "wrong": 0}
    shown = table(result)
    rows = [line for line in shown.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + 3
    assert all(row.count("|") == len(COLUMNS) + 1 for row in rows)
    assert "judge: voice.findings 3 for 75 s" in shown
    assert "+0.0 MiB an hour" in shown
    assert "lost: undecodable 2.0 s" in shown


def test_a_ramp_says_minute_by_minute_what_was_carried() -> None:
    endless = Endless(load("smoke"), rooms=4, rounds=20, spread_s=240.0)
    looks = [
        sample(t, timely_finals=(min(t, 180.0), t), lag_s={"listen": 6.0 if t > 180 else 1.0})
        for t in range(0, 241, 10)
    ]
    rows = climb(looks, [(30.0, 0.5), (90.0, 1.5)], endless)
    assert [row["rooms"] for row in rows] == [1, 2, 3, 4]
    assert [row["held"] for row in rows] == [True, True, True, False]
    assert [row["final_p95_s"] for row in rows] == [0.5, 1.5, 0.0, 0.0]
    assert rows[3]["late_finals"] == 1.0
    assert rows[-1]["speech"] == endless.speech


def test_metrics_are_found_by_name_and_label() -> None:
    metrics = Metrics()
    metrics.level("roomwarden_lag_seconds", 1.5, stage="listen")
    metrics.observe("roomwarden_deadline_slack_seconds", -0.3, revision="final")
    metrics.observe("roomwarden_deadline_slack_seconds", 0.3, revision="final")
    shown = counters(generate_latest(metrics.registry).decode())
    assert shown["roomwarden_lag_seconds", "listen"] == 1.5
    assert timely_finals(shown) == (1.0, 2.0)


def test_finals_are_timed_and_partials_counted() -> None:
    seen = Seen(begun_ms=T0_MS)
    for final in (True, False):
        finding = records_.finding(final=final, end_ms=T0_MS + 4_000.0)
        seen.note(Observed("voice.findings", 0, 0, T0_MS + 5_000.0, finding, {}, b""))
    assert seen.finals == [(5.0, 1.0)]
    assert seen.partials == 1
