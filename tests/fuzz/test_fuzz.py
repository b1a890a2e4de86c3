"""A share of the fuzzing runs with every test; `make fuzz` runs more of it."""

from __future__ import annotations

from collections import Counter

import pytest

from streams import topics
from tests.fuzz.targets import into_decoders, into_engine, spoken


@pytest.mark.parametrize("seed", [1, 2])
def test_every_decoder_reads_a_mutated_record_or_refuses_it_by_name(seed: int) -> None:
    found = into_decoders(400, seed)
    assert found.keys() == {row.name for row in topics.TOPICS if row.record is not None}
    for reasons in found.values():
        assert reasons.total() == 400
        assert reasons["read"] < 400  # mutations bite


@pytest.mark.parametrize("seed", [1, 2])
def test_every_mutated_chunk_ends_in_the_dead_letters_or_in_the_ledger(seed: int) -> None:
    became: Counter[str] = into_engine(600, seed)
    assert became.total() == 600
    assert became["accounted for"]
    assert any(what.startswith("dead letter") for what in became)


def test_there_is_speech_in_every_codec() -> None:
    assert len({kind for kind, _, _ in spoken()}) >= 6
