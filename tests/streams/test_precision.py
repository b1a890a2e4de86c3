"""Precision from the record: each takedown once, by what people said last, overturned for good."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import records
from streams.precision import Verdicts, tally
from tests.support import samples


def outcome(name: str, what: str, time_ms: float = 0.0) -> records.Outcome:
    return samples.outcome(takedown_id=name, outcome=what, time_ms=time_ms)


def test_each_takedown_counts_once_with_all_that_repeats_it() -> None:
    takedowns = [
        samples.takedown(takedown_id="a"),
        samples.takedown(takedown_id="a", attempt=2),
        samples.takedown(takedown_id="a2", reissue_of="a"),
        samples.takedown(takedown_id="al", action="lift", reverses="a"),
        samples.takedown(takedown_id="b"),
        samples.takedown(takedown_id="c", dry_run=True),
        samples.takedown(takedown_id="d", category="threat/violence/person"),
    ]
    outcomes = [outcome("a", "acknowledged"), outcome("a", "acknowledged"), outcome("a2", "overturned"),
                outcome("b", "upheld"), outcome("c", "overturned"), outcome("never", "upheld")]  # fmt: skip
    assert tally(takedowns, outcomes) == {
        "ads/contact/off-platform": Verdicts(issued=2, acknowledged=1, upheld=1, overturned=1),
        "threat/violence/person": Verdicts(issued=1),
    }
    assert set(tally(takedowns, outcomes, by="rule")) == {"r-1"}
    assert tally(takedowns, outcomes, tenant="else") == {}


@pytest.mark.parametrize("words", [["upheld", "overturned"], ["overturned", "upheld"]])
def test_what_was_overturned_stays_so(words: list[str]) -> None:
    outcomes = [outcome("a", word, time_ms=n) for n, word in enumerate(words)]
    (row,) = tally([samples.takedown(takedown_id="a")], outcomes).values()
    assert (row.upheld, row.overturned, row.precision) == (0, 1, 0.0)


def test_nobody_has_looked() -> None:
    assert Verdicts(issued=5).precision is None
    assert Verdicts(issued=5).interval() is None


def test_the_interval_is_wilsons() -> None:
    low, high = Verdicts(upheld=8, overturned=2).interval() or (0, 0)
    assert (low, high) == pytest.approx((0.4902, 0.9433), abs=5e-5)


@given(st.integers(0, 500), st.integers(0, 500))
def test_the_interval_holds_the_share(upheld: int, overturned: int) -> None:
    row = Verdicts(upheld=upheld, overturned=overturned)
    interval = row.interval()
    if interval is not None and row.precision is not None:
        assert 0.0 <= interval[0] <= row.precision <= interval[1] <= 1.0
