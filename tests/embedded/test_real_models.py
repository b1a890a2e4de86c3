"""The whole way on real speech with real models: every takedown that is due, nobody else, every second accounted for."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from deploy.brokers import Broker
from loadtest.events import TimedChunk
from loadtest.publishing import to_record
from loadtest.scenario import load
from loadtest.traffic import traffic
from loadtest.verdict import judge
from streams import records
from streams.admin import apply_topics
from streams.ledger import Ledger
from streams.settings import Settings
from tests.support.processes import WorkerProcess
from tests.support.wire import platform

pytestmark = [pytest.mark.embedded, pytest.mark.weights, pytest.mark.timeout(300)]


async def test_the_smoke_scenario_faster_than_it_was_spoken(embedded: Broker, tmp_path: Path) -> None:
    scenario = load("smoke")
    begun_ms = time.time() * 1000.0 - scenario.duration_s * 1000.0
    sent = [(timed, to_record(timed, begun_ms + timed.at_ms)) for timed in traffic(scenario)]
    received_ms = sum(timed.duration_ms for timed, _ in sent if isinstance(timed, TimedChunk))
    await apply_topics(Settings(kafka=embedded.bootstrap, partitions=2))
    with WorkerProcess(embedded.bootstrap, tmp_path, "worker", module="deploy.cli", THREADS="2"):
        async with platform(embedded.bootstrap) as side:
            await side.send(*(record for _, record in sent))

            def worked_off() -> bool:
                ledger = Ledger()
                ledger.add_all(side.of(records.Coverage))
                total = ledger.total()
                return total.received >= received_ms - 1.0 and total.under_way == 0

            await side.until(worked_off, f"{received_ms:g} ms to be accounted for", 240)
            verdict = judge(scenario, [msgspec.to_builtins(t) for t in side.of(records.Takedown)])
            if verdict.missed:  # judged a moment after it was accounted for
                due = len(verdict.due)
                await side.until(lambda: len(side.of(records.Takedown)) >= due, f"{due} takedowns")
                verdict = judge(scenario, [msgspec.to_builtins(t) for t in side.of(records.Takedown)])
    assert verdict.passed, "\n".join(verdict.lines())
    findings = [f for f in side.of(records.Finding) if f.final]
    assert {f.language for f in findings if f.transcript} == {"zh", "en"}
    assert all(f.models for f in findings)
    assert all(f.stages.captured_ms < f.stages.segmented_ms < f.stages.listened_ms for f in findings)
    assert side.dead == []
