"""Fair shares: one tenant's flood is its own affair, batches stay full, rooms at risk come first."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.overload import HANGOVER_S, talk
from models.speech.batching import BatchLimits, Pending, plan, urgency
from models.speech.shares import FairShares
from tests.support.queueing import LANES, LIMITS, p95, serve

OTHERS = ("a", "b", "c", "d")
SEEDS = range(3)

waiting = st.lists(
    st.builds(
        Pending,
        id=st.uuids().map(str),
        seconds=st.floats(0.1, 12.0),
        deadline_ms=st.integers(0, 5000),
        partial=st.booleans(),
        queued_ms=st.integers(0, 5000),
        tenant=st.sampled_from("abc"),
        at_risk=st.booleans(),
    ),
    min_size=1,
    max_size=40,
    unique_by=lambda item: item.id,
)


def one(name: str, tenant: str, seconds: float = 4.0, due: int = 0, **changes: bool) -> Pending:
    return Pending(name, seconds, due, tenant=tenant, **changes)


def order(shares: FairShares, queue: list[Pending], limits: BatchLimits) -> list[str]:
    """Who is served when, if nobody else comes."""
    served: list[str] = []
    while queue:
        batch = plan(shares.company(shares.turns(queue)), limits)
        shares.charge(batch)
        served += batch.ids
        queue = [item for item in queue if item.id not in batch.ids]
    return served


@given(waiting)
def test_turns_change_nothing_but_the_order(queue: list[Pending]) -> None:
    given_turns = FairShares(LIMITS).turns(queue)
    plain = sorted((replace(item, turn=0.0) for item in given_turns), key=urgency)
    assert plain == sorted(queue, key=urgency)


@given(waiting)
def test_a_tenant_alone_is_served_by_risk_and_deadline(queue: list[Pending]) -> None:
    finals = [replace(item, tenant="a", partial=False) for item in queue]
    single = BatchLimits(max_batch=1)
    assert order(FairShares(single), finals, single) == [item.id for item in sorted(finals, key=urgency)]


@given(waiting)
def test_everybody_is_served_once(queue: list[Pending]) -> None:
    assert sorted(order(FairShares(LIMITS), queue, LIMITS)) == sorted(item.id for item in queue)


@given(st.lists(st.floats(0.5, 12.0), min_size=20, max_size=60), st.integers(0, 5))
def test_who_always_waits_is_given_as_much_as_any_other(lengths: list[float], first: int) -> None:
    """While both tenants have work, neither is ever ahead by more than what it is given at once."""
    single = BatchLimits(max_batch=1, pad_seconds=0.0)
    shares = FairShares(single)
    queue = [one(str(n), "ab"[n % 2], seconds, due=n * (n % 2) + first) for n, seconds in enumerate(lengths)]
    given_seconds = {"a": 0.0, "b": 0.0}
    while {item.tenant for item in queue} == {"a", "b"}:
        batch = plan(shares.turns(queue), single)
        shares.charge(batch)
        given_seconds[batch.members[0].tenant] += batch.members[0].seconds
        queue = [item for item in queue if item.id not in batch.ids]
        assert abs(given_seconds["a"] - given_seconds["b"]) <= max(lengths) + 1e-9


def test_idle_time_earns_no_credit() -> None:
    """A tenant that was quiet for long does not take all capacity when it comes back."""
    single = BatchLimits(max_batch=1)
    shares = FairShares(single)
    for n in range(100):
        shares.charge(plan(shares.turns([one(f"a{n}", "a"), one("later", "a", due=9)]), single))
    served = order(shares, [one(f"{t}{n}", t) for t in "ab" for n in range(10)], single)
    assert {name[0] for name in served[:4]} == {"a", "b"}


def test_a_tenant_is_not_held_up_by_what_it_was_given_while_nobody_else_asked() -> None:
    single = BatchLimits(max_batch=1)
    shares = FairShares(single)
    order(shares, [one(f"a{n}", "a") for n in range(50)], single)
    shares.turns([])
    served = order(shares, [one("b0", "b", due=1), one("b1", "b", due=3), one("a0", "a", due=2)], single)
    assert served == ["b0", "a0", "b1"]


@given(waiting)
def test_company_keeps_the_leader_and_all_that_is_his(queue: list[Pending]) -> None:
    given_turns = FairShares(LIMITS).turns(queue)
    company = FairShares(LIMITS).company(given_turns)
    leader = min(given_turns, key=urgency)
    assert min(company, key=urgency) == leader
    assert [item for item in company if item.tenant == leader.tenant] == [
        item for item in given_turns if item.tenant == leader.tenant
    ]


def test_who_fills_batches_of_his_own_takes_no_seat_in_those_of_others() -> None:
    shares = FairShares(LIMITS)
    little = [one("b0", "b", seconds=2.0, due=-1), one("c0", "c", seconds=2.0)]
    some, many = [one(f"a{n}", "a", seconds=2.0) for n in range(2)], [one(f"a{n}", "a", seconds=2.0) for n in range(8)]
    assert {item.id for item in shares.company(shares.turns(little + some))} == {"b0", "c0", "a0", "a1"}
    assert {item.id for item in shares.company(shares.turns(little + many))} == {"b0", "c0"}
    assert {item.tenant for item in shares.company(shares.turns(many))} == {"a"}
    assert shares.company([]) == []


def test_rooms_at_risk_come_first_in_their_tenant_and_do_not_push_another_back() -> None:
    single = BatchLimits(max_batch=1)
    queue = [one(f"a{n}", "a", due=n, at_risk=n >= 4) for n in range(8)] + [one("b", "b", due=99)]
    served = order(FairShares(single), queue, single)
    assert [name for name in served if name[0] == "a"] == ["a4", "a5", "a6", "a7", "a0", "a1", "a2", "a3"]
    assert served.index("b") <= 1


def test_a_partial_of_one_gives_way_to_finals_of_another_but_not_to_a_flood_of_them() -> None:
    single = BatchLimits(max_batch=1, max_padded_seconds=12.0)
    queue = [one(f"a{n}", "a") for n in range(8)] + [one("b", "b", seconds=1.0, partial=True)]
    assert order(FairShares(single), queue, single).index("b") in (2, 3)


@pytest.mark.parametrize("flood", [20, 37])
@pytest.mark.parametrize("tracks", [2, 3])
def test_a_flood_of_one_tenant_moves_the_p95_of_the_others_by_less_than_a_fifth(tracks: int, flood: int) -> None:
    """Two cores carry about 14 tracks; `flood` more of one tenant are up to three times that."""
    calm, flooded, partials_calm, partials_flooded = [], [], [], []
    for seed in SEEDS:
        usual = serve(talk(dict.fromkeys((*OTHERS, "x"), tracks), 60.0, seed))
        busy = serve(talk(dict.fromkeys(OTHERS, tracks) | {"x": flood}, 60.0, seed))
        calm += usual.of(*OTHERS)
        flooded += busy.of(*OTHERS)
        partials_calm += usual.of(*OTHERS, partial=True)
        partials_flooded += busy.of(*OTHERS, partial=True)
        # Nothing idles while somebody waits: the flood takes what is left, in fuller batches.
        assert busy.busy_s > 0.95 * LANES * busy.ended_s
    spoken_until = HANGOVER_S  # latency counts from the end of speech
    assert p95(sorted(flooded)) + spoken_until < 1.2 * (p95(sorted(calm)) + spoken_until)
    assert len(partials_flooded) > 0.6 * len(partials_calm)


def test_without_fair_shares_it_would() -> None:
    """The same load by deadline alone: the others wait as long as the flood does."""
    said = talk(dict.fromkeys(OTHERS, 2) | {"x": 37}, 60.0, 0)
    fair, unfair = serve(said), serve(said, fair=False)
    assert p95(unfair.of(*OTHERS)) > 10 * p95(fair.of(*OTHERS))
