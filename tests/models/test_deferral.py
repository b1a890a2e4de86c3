"""Deferral: who is left for later and why, who is known to be patient, and what it does to those who are heard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.overload import talk
from models.deferral import REMEMBERED, Lenience, Waiting, reasons
from tests.support.queueing import p95, serve

DEADLINE_S, BOUND_S = 0.6, 5.0

queues = st.lists(
    st.builds(
        Waiting,
        tenant=st.sampled_from("ab"),
        waited_s=st.floats(0.0, 20.0),
        at_risk=st.booleans(),
        lenient=st.sampled_from(["", "trusted", "quiet-room"]),
    ),
    max_size=20,
)


def test_in_time_nobody_is_left_for_later() -> None:
    queue = [Waiting("a", 0.5, lenient=lenient) for lenient in ("", "trusted", "quiet-room")]
    assert reasons(queue, DEADLINE_S, BOUND_S) == ["", "", ""]


def test_the_patient_make_room_as_soon_as_their_tenant_is_late() -> None:
    queue = [Waiting("a", 0.7), Waiting("a", 0.0, lenient="trusted"), Waiting("a", 0.1, lenient="quiet-room")]
    assert reasons(queue, DEADLINE_S, BOUND_S) == ["", "trusted", "quiet-room"]


def test_another_tenants_lateness_is_its_own() -> None:
    assert reasons([Waiting("a", 4.0), Waiting("b", 0.1, lenient="trusted")], DEADLINE_S, BOUND_S) == ["", ""]


def test_in_a_room_at_risk_nobody_is_patient() -> None:
    queue = [Waiting("a", 4.0, at_risk=True, lenient="trusted"), Waiting("a", 5.1, at_risk=True, lenient="trusted")]
    assert reasons(queue, DEADLINE_S, BOUND_S) == ["", "late"]


@given(queues)
def test_nobody_who_stays_has_waited_longer_than_the_bound(queue: list[Waiting]) -> None:
    for item, why in zip(queue, reasons(queue, DEADLINE_S, BOUND_S), strict=True):
        assert why or item.waited_s <= BOUND_S
        assert why in ("", "late", item.lenient)


@given(queues)
def test_ordinary_speech_is_heard_live_up_to_the_bound(queue: list[Waiting]) -> None:
    for item, why in zip(queue, reasons(queue, DEADLINE_S, BOUND_S), strict=True):
        assert item.lenient or (why == "late") == (item.waited_s > BOUND_S)


def known() -> Lenience:
    lenience = Lenience()
    lenience.file("*", ["study"])
    lenience.opened("t", "library", "study")
    lenience.opened("t", "bar", "default")
    lenience.joined("t", "bar", "owner", trusted=True)
    return lenience


def test_what_is_known_of_rooms_and_speakers() -> None:
    lenience = known()
    assert lenience.of("t", "library", "anybody") == "quiet-room"
    assert lenience.of("t", "bar", "owner") == "trusted"
    assert lenience.of("t", "bar", "guest") == ""
    assert lenience.of("t", "elsewhere", "owner") == ""
    assert lenience.of("other", "library", "anybody") == ""


def test_who_leaves_is_a_stranger_again() -> None:
    lenience = known()
    lenience.left("t", "bar", "owner")
    lenience.left("t", "unknown", "owner")
    lenience.closed("t", "library")
    assert lenience.of("t", "bar", "owner") == lenience.of("t", "library", "anybody") == ""
    lenience.joined("t", "bar", "owner", trusted=True)
    lenience.joined("t", "bar", "owner", trusted=False)
    assert lenience.of("t", "bar", "owner") == ""


def test_a_pushed_policy_goes_before_the_files_and_a_tenants_own_before_the_one_for_all() -> None:
    lenience = known()
    lenience.change("t", [])
    assert lenience.of("t", "library", "anybody") == ""
    lenience.withdraw("t")
    assert lenience.of("t", "library", "anybody") == "quiet-room"
    lenience.change("*", ["default"])
    assert lenience.of("t", "library", "anybody") == ""
    assert lenience.of("t", "bar", "guest") == "quiet-room"
    lenience.file("t", ["study"])
    assert lenience.of("t", "library", "anybody") == "quiet-room"


def test_of_too_many_rooms_the_oldest_is_forgotten() -> None:
    lenience = known()
    for number in range(REMEMBERED):
        lenience.opened("t", str(number), "study")
    assert lenience.of("t", "library", "anybody") == ""
    assert lenience.of("t", "0", "anybody") == "quiet-room"


@pytest.mark.parametrize("seed", range(3))
def test_under_three_times_the_load_what_is_heard_is_heard_in_time_and_the_rest_is_marked(seed: int) -> None:
    said = talk(dict.fromkeys("abcd", 2) | {"x": 37}, 60.0, seed)
    finals = [each for each in said if not each.partial]
    served = serve(said, bound_s=3.0)
    waits = [took for tenant in "abcdx" for took in served.of(tenant)]
    longest_batch_s = 1.0
    assert max(waits) <= 3.0 + longest_batch_s
    assert len(waits) + len(served.deferred) == len(finals)
    assert {tenant for tenant, _ in served.deferred} == {"x"}
    assert p95(served.of(*"abcd")) < 1.0


def test_the_patient_of_the_flooding_tenant_make_room_for_its_others() -> None:
    said = talk({"x": 60}, 60.0, 0)
    patient = {f"x-{track}": "trusted" for track in range(30)}
    ordinary, made_room = serve(said, bound_s=3.0), serve(said, bound_s=3.0, lenient=patient)
    assert {why for _, why in made_room.deferred} <= {"trusted", "late"}
    late = [sum(why == "late" for _, why in served.deferred) for served in (ordinary, made_room)]
    assert late[1] < late[0] / 2
