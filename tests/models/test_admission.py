"""Admission: whole tracks, up to the limit, by the time that the chunks say."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.admission import IDLE_MS, Admission


def test_without_a_limit_everybody_is_taken() -> None:
    admission = Admission({"small": 1})
    assert admission.limit("t") == math.inf
    assert all(admission.admits("t", str(n), 0, 0.0) for n in range(1000))


def test_the_track_beyond_the_limit_is_refused_until_another_is_over() -> None:
    admission = Admission({"*": 2})
    assert [admission.admits("t", name, 0, 0.0) for name in "abc"] == [True, True, False]
    assert admission.admits("other", "a", 0, 0.0)
    admission.ended("t", "a")
    assert [admission.admits("t", name, 0, 100.0) for name in "cba"] == [True, True, False]


def test_a_track_that_is_silent_for_long_gives_its_place_up() -> None:
    admission = Admission({"t": 1})
    assert admission.admits("t", "a", 0, 0.0)
    assert not admission.admits("t", "b", 0, IDLE_MS)
    assert admission.admits("t", "b", 0, IDLE_MS + 1)
    assert not admission.admits("t", "a", 0, IDLE_MS + 2)


def test_a_tenants_own_limit_goes_before_the_one_for_all() -> None:
    admission = Admission({"*": 1, "large": 3})
    assert (admission.limit("large"), admission.limit("any")) == (3, 1)


def test_a_worker_takes_its_share() -> None:
    admission = Admission({"t": 10})
    admission.share = 0.25
    assert sum(admission.admits("t", str(n), 0, 0.0) for n in range(10)) == 3
    assert "10 tracks" in admission.remedy("t")
    assert "3 of them to this worker" in admission.remedy("t")


def test_a_lane_that_is_behind_is_judged_by_its_own_time() -> None:
    admission = Admission({"t": 2})
    assert admission.admits("t", "a", 0, 0.0)
    assert admission.admits("t", "b", 1, 3_600_000.0)
    assert not admission.admits("t", "c", 1, 3_600_000.0)
    assert admission.admits("t", "a", 0, 100.0)


def test_tracks_of_lanes_that_go_away_go_with_them() -> None:
    admission = Admission({"t": 1})
    assert admission.admits("t", "a", 0, 0.0)
    admission.forget([0])
    assert admission.admits("t", "b", 1, 0.0)


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 9_000)), max_size=200),
    st.integers(1, 4),
)
def test_never_more_than_the_limit_and_never_pieces_of_a_track(chunks: list[tuple[str, int]], limit: int) -> None:
    """Tracks that never fall silent: whoever is taken once is taken always, and nobody else is."""
    admission = Admission({"t": limit})
    taken: set[str] = set()
    for at_ms, (track, jitter) in enumerate(chunks):
        admitted = admission.admits("t", track, ord(track) % 2, float(at_ms + jitter) / 10.0)
        assert admitted or track not in taken
        taken |= {track} if admitted else set()
        assert len(taken) <= limit


@pytest.mark.parametrize("limit", [1, 3])
def test_the_limit_is_used(limit: int) -> None:
    admission = Admission({"t": limit})
    assert sum(admission.admits("t", str(n), n % 3, 0.0) for n in range(10)) == limit
