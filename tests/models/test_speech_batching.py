"""Batch planning: urgency first, like lengths together, nobody starves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.speech.batching import BatchLimits, Pending, group_by_length, plan, readiness, urgency

pendings = st.lists(
    st.builds(
        Pending,
        id=st.uuids().map(str),
        seconds=st.floats(0.1, 12.0),
        deadline_ms=st.integers(0, 5000),
        partial=st.booleans(),
        queued_ms=st.integers(0, 5000),
    ),
    max_size=40,
    unique_by=lambda item: item.id,
)
limits_of = st.builds(
    BatchLimits,
    max_batch=st.integers(1, 32),
    max_padded_seconds=st.floats(1.0, 300.0),
    pad_seconds=st.floats(0.0, 3.0),
    stretch=st.floats(1.0, 4.0),
)


@given(pendings, limits_of)
def test_a_batch_keeps_every_limit(queue, limits):
    batch = plan(queue, limits)
    assert len(batch.members) <= limits.max_batch
    assert len(set(batch.ids)) == len(batch.ids)
    assert set(batch.members) <= set(queue)
    if len(batch.members) > 1:
        padded = [item.seconds + limits.pad_seconds for item in batch.members]
        assert max(padded) <= min(padded) * limits.stretch + 1e-9
        assert max(padded) * len(padded) <= limits.max_padded_seconds + 1e-9
        assert batch.padded_seconds == max(padded)


@given(pendings, limits_of)
def test_the_most_urgent_always_goes(queue, limits):
    batch = plan(queue, limits)
    assert bool(batch.members) == bool(queue)
    if queue:
        assert batch.members[0] == min(queue, key=urgency)


@given(pendings, limits_of)
def test_repeated_planning_serves_everyone_once(queue, limits):
    left, served = list(queue), []
    while left:
        batch = plan(left, limits)
        served += batch.ids
        left = [item for item in left if item.id not in batch.ids]
    assert sorted(served) == sorted(item.id for item in queue)


@given(pendings, limits_of, st.randoms(use_true_random=False))
def test_the_order_of_the_queue_does_not_matter(queue, limits, random):
    shuffled = list(queue)
    random.shuffle(shuffled)
    assert plan(shuffled, limits) == plan(queue, limits)


@given(pendings, limits_of)
def test_a_member_left_out_did_not_fit_or_was_less_urgent(queue, limits):
    batch = plan(queue, limits)
    if not batch.members or len(batch.members) == limits.max_batch:
        return
    padded = [item.seconds + limits.pad_seconds for item in batch.members]
    for item in queue:
        if item in batch.members or item.partial != batch.members[0].partial:
            continue
        own = item.seconds + limits.pad_seconds
        high, low = max(*padded, own), min(*padded, own)
        assert high > low * limits.stretch or high * (len(padded) + 1) > limits.max_padded_seconds


def test_finals_go_before_partials_of_the_same_deadline():
    queue = [Pending("partial", 2.0, 100, partial=True), Pending("final", 2.0, 100)]
    assert plan(queue, BatchLimits()).ids == ("final",)


@given(pendings, limits_of)
def test_partials_and_finals_never_share_a_batch(queue, limits):
    assert len({item.partial for item in plan(queue, limits).members}) <= 1


def test_readiness():
    limits = BatchLimits(max_batch=2, fill_ms=40)
    one = [Pending("a", 2.0, deadline_ms=1000, queued_ms=100)]
    two = [*one, Pending("b", 2.0, deadline_ms=1000, queued_ms=120)]
    assert readiness([], 100, limits) == "empty"
    assert readiness(one, 120, limits) == "wait"
    assert readiness(one, 140, limits) == "due"
    assert readiness(two, 121, limits) == "full"
    assert readiness([Pending("late", 2.0, deadline_ms=90, queued_ms=100)], 100, limits) == "due"


def test_a_single_long_utterance_that_fills_the_budget_is_full():
    limits = BatchLimits(max_padded_seconds=10.0, pad_seconds=0.0)
    assert readiness([Pending("a", 9.0, 1000, queued_ms=0)], 0, limits) == "full"


@pytest.mark.parametrize(
    "wrong", [{"max_batch": 0}, {"stretch": 0.9}, {"pad_seconds": -1.0}, {"max_padded_seconds": 0.0}, {"fill_ms": -1}]
)
def test_bad_limits_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        BatchLimits(**wrong)


@given(st.lists(st.floats(0.1, 30.0), max_size=50), st.integers(1, 16), st.floats(1.0, 3.0))
def test_groups_cover_each_index_once_and_are_alike(seconds, max_batch, stretch):
    groups = group_by_length(seconds, max_batch, stretch, pad_seconds=1.0)
    assert sorted(index for group in groups for index in group) == list(range(len(seconds)))
    for group in groups:
        lengths = [seconds[index] + 1.0 for index in group]
        assert len(group) <= max_batch
        assert max(lengths) <= min(lengths) * stretch + 1e-9
