"""Ids are computed: equal causes give equal ids, different causes different ones, and the form is stable."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.identifiers import computed_id, coverage_id, track_key, utterance_id
from tests.support.samples import names

parts = st.lists(st.text(max_size=8) | st.integers() | st.floats(allow_nan=False), max_size=4)


def test_the_form_is_a_prefix_and_eighty_bits() -> None:
    identity = utterance_id("demo", "s-1", "seller", 3, 480)
    prefix, digits = identity.split("_")
    assert prefix == "ut"
    assert len(digits) == 20
    assert int(digits, 16) >= 0


def test_ids_are_the_same_on_every_machine_and_in_every_release() -> None:
    # Takedowns already issued are recognised by their id: changing this value is a breaking change of the wire.
    assert utterance_id("demo", "s-1", "seller", 3, 480) == utterance_id("demo", "s-1", "seller", 3, 480)
    assert coverage_id("demo", "s-1").startswith("cv_")


@given(parts, parts)
def test_ids_are_equal_only_for_equal_parts(one: list[object], other: list[object]) -> None:
    same = [str(part) for part in one] == [str(part) for part in other]
    assert (computed_id("x", *one) == computed_id("x", *other)) is same


@given(st.text(max_size=6), st.text(max_size=6), st.text(max_size=6))
def test_where_one_part_ends_and_the_next_begins_matters(a: str, b: str, separator: str) -> None:
    assert computed_id("x", a + separator, b) != computed_id("x", a + separator + b)
    assert computed_id("x", a + "\x1f" + b) != computed_id("x", a, b)


@given(names, names, names, names, names)
def test_a_track_key_names_one_track(tenant: str, room: str, session: str, speaker: str, other: str) -> None:
    key = track_key(tenant, room, session, speaker)
    assert (key == track_key(tenant, room, session, other)) is (speaker == other)
    assert key.split("\x1f") == [tenant, room, session, speaker]
