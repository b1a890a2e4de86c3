"""The short share of chaos that `make test-kafka` runs; the long one is `make chaos`. Its parts are tested here too."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deploy.brokers import missing
from streams import records
from streams.chain import Sealer
from streams.codec import encode
from tests.kafka.chaos.__main__ import compare, table
from tests.kafka.chaos.account import AUDIT_KEY, Account, differences
from tests.kafka.chaos.plan import STAGES, plan
from tests.kafka.chaos.traffic import traffic
from tests.support import samples


def test_the_same_seed_draws_the_same_faults_and_another_seed_others() -> None:
    assert plan("kills", 1, 20) == plan("kills", 1, 20)
    assert plan("kills", 1, 20) != plan("kills", 2, 20)


@pytest.mark.parametrize("seed", range(5))
def test_kills_are_spread_over_the_stages_and_the_run(seed: int) -> None:
    faults = plan("kills", seed, 21)
    killed = [fault.target for fault in faults if fault.kind == "SIGKILL"]
    assert {stage: killed.count(stage) for stage in STAGES} == dict.fromkeys(STAGES, 7)
    assert [fault.at for fault in faults] == sorted(fault.at for fault in faults)
    assert all(0.0 < fault.at < 1.0 for fault in faults)
    for stage in STAGES:
        came = [f.kind for f in faults if f.target == stage and f.kind in ("worker added", "worker removed")]
        assert came == ["worker added", "worker removed"]


def test_traffic_is_repeatable_and_repeats_reorders_and_spoils_some_of_it() -> None:
    first, second = traffic(6_000, 3), traffic(6_000, 3)
    assert [m.key for m in first.messages] == [m.key for m in second.messages]
    assert first.repeated
    assert first.reordered
    assert len(first.bad) > 5
    assert len(first.messages) == first.chunks + first.repeated + sum(first.bad.values())
    assert first.milliseconds >= first.chunks * 60.0


def read(record: records.Record, sealer: Sealer | None = None) -> Any:
    message = encode(record)
    headers = message.headers + (sealer.seal(message) if sealer else [])
    return SimpleNamespace(
        topic=message.topic, partition=0, offset=0, timestamp=0, key=message.key, headers=headers, value=message.value
    )


def test_an_account_takes_repetitions_together_and_notices_contradictions() -> None:
    account = Account()
    for _ in range(3):
        account.add(read(samples.utterance(final=True)))
    assert len(account.utterances) == 1
    assert account.repeated()["utterance"] == 2.0
    assert account.contradictions == []
    account.add(read(samples.utterance(final=True, end_ms=1.0)))
    assert account.contradictions == ["utterance ut_0"]
    account.add(read(samples.utterance(utterance_id="ut_1", final=False)))
    assert len(account.utterances) == 1


def test_what_is_missing_and_what_is_issued_twice_shows() -> None:
    undisturbed, disturbed = Account(), Account()
    undisturbed.add(read(samples.utterance(final=True)))
    undisturbed.add(read(samples.takedown()))
    found = differences(disturbed, undisturbed)
    assert (found["utterances lost"], found["takedowns missing"]) == (1, 1)
    for identity in ("td_1", "td_2"):
        disturbed.add(read(samples.takedown(takedown_id=identity)))
    assert differences(disturbed, undisturbed)["second takedowns for one cause"] == 1
    assert not any(differences(undisturbed, undisturbed).values())


def test_a_takedown_that_is_missing_from_the_record_shows() -> None:
    sealer = Sealer("roomwarden-judge/0", {}, AUDIT_KEY.encode())
    whole, holed = Account(), Account()
    for number in range(3):
        message = read(samples.takedown(takedown_id=f"td_{number}"), sealer)
        whole.add(message)
        if number != 1:
            holed.add(message)
    assert differences(whole, whole)["breaks of the record"] == 0
    assert differences(holed, whole)["breaks of the record"] == 1


@pytest.mark.kafka
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("scenario", ["kills", "network"])
async def test_nothing_is_lost_and_nothing_issued_twice(scenario: Any, tmp_path: Path) -> None:
    if (reason := missing("apache")) is not None:
        pytest.skip(reason)

    def say(text: str) -> None:
        print(text, file=sys.stderr)  # noqa: T201  # shown when the test fails

    verdict = await compare(scenario, 3_000, 1, 3, tmp_path, say)
    assert verdict.kept, table(verdict)
