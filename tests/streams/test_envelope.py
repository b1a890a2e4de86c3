"""The CloudEvents Kafka binding: what we write is what the specification asks, and bad input is named."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.envelope import (
    Attributes,
    BadRecord,
    Envelope,
    flag,
    format_time,
    from_headers,
    number,
    parse_time,
    to_headers,
)
from tests.support.samples import T0_MS, names, times_ms

HEADERS: dict[str, Any] = {
    "ce_specversion": b"1.0",
    "ce_id": b"e-1",
    "ce_source": b"/demo",
    "ce_type": b"io.roomwarden.chunk.v1",
    "ce_time": b"2026-01-01T00:00:00Z",
    "ce_tenant": b"demo",
    "content-type": b"audio/opus",
}


def refused(headers: Any) -> BadRecord:
    with pytest.raises(BadRecord) as caught:
        from_headers(headers)
    return caught.value


# --- examples -------------------------------------------------------------------------------------------------------


def test_binary_mode_puts_attributes_in_ce_headers_and_content_type_in_its_own() -> None:
    envelope = Envelope("e-1", "/demo", "io.roomwarden.chunk.v1", T0_MS, "audio/opus", {"tenant": "demo"})
    assert to_headers(envelope) == [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"e-1"),
        ("ce_source", b"/demo"),
        ("ce_type", b"io.roomwarden.chunk.v1"),
        ("content-type", b"audio/opus"),
        ("ce_time", b"2026-01-01T00:00:00.000000Z"),
        ("ce_tenant", b"demo"),
    ]


@pytest.mark.parametrize("shape", [list, dict, tuple])
def test_headers_are_read_from_pairs_and_mappings(shape: Any) -> None:
    envelope = from_headers(shape(HEADERS.items()))
    assert envelope == Envelope("e-1", "/demo", "io.roomwarden.chunk.v1", T0_MS, "audio/opus", {"tenant": "demo"})


def test_header_names_are_case_insensitive_and_values_may_be_text() -> None:
    headers = {name.upper(): value.decode() for name, value in HEADERS.items()}
    assert from_headers(headers) == from_headers(HEADERS)


def test_the_last_of_repeated_headers_wins() -> None:
    assert from_headers([*HEADERS.items(), ("ce_id", b"e-2")]).id == "e-2"


def test_foreign_headers_are_ignored() -> None:
    assert from_headers({**HEADERS, "traceparent": b"\xff", "b3": None}) == from_headers(HEADERS)


def test_time_is_optional_in_the_envelope() -> None:
    headers = {name: value for name, value in HEADERS.items() if name != "ce_time"}
    assert from_headers(headers).time_ms is None


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.000Z",
        "2026-01-01T08:00:00+08:00",
        "2025-12-31T19:30:00.000000-04:30",
        "2026-01-01 00:00:00Z",
    ],
)
def test_time_is_rfc_3339_with_any_offset(text: str) -> None:
    assert parse_time(text) == T0_MS


# --- bad input, by name ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ce_specversion", "ce_id", "ce_source", "ce_type"])
@pytest.mark.parametrize("value", [None, b"", "absent"])
def test_a_missing_or_empty_required_attribute_is_named(name: str, value: Any) -> None:
    headers = {**HEADERS, name: value}
    if value == "absent":
        del headers[name]
    bad = refused(headers)
    assert bad.reason == "missing-attribute"
    assert name in bad.detail


@pytest.mark.parametrize("headers", [None, [], {}])
def test_no_headers_at_all(headers: Any) -> None:
    assert refused(headers).reason == "missing-attribute"


def test_an_unsupported_version_is_refused() -> None:
    bad = refused({**HEADERS, "ce_specversion": b"0.3"})
    assert bad.reason == "invalid-attribute"
    assert "1.0" in bad.detail


@pytest.mark.parametrize("name", ["ce_id", "ce_tenant", "content-type"])
def test_a_header_that_is_no_utf_8_is_named(name: str) -> None:
    bad = refused({**HEADERS, name: b"\xff\xfe"})
    assert bad.reason == "invalid-attribute"
    assert name in bad.detail


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "1767225600000", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "2026-01-01", "9999999-01-01Z"],
)
def test_a_time_without_offset_or_meaning_is_refused(text: str) -> None:
    with pytest.raises(BadRecord) as caught:
        parse_time(text)
    assert caught.value.reason == "invalid-attribute"
    assert "ce_time" in caught.value.detail
    assert "RFC 3339" in caught.value.detail


def test_an_extension_name_the_specification_forbids_is_our_own_bug() -> None:
    with pytest.raises(ValueError, match="lower-case alphanumerics"):
        to_headers(Envelope("e", "/s", "t", extensions={"room_id": "x"}))


@pytest.mark.parametrize(
    ("call", "value", "reason"),
    [
        (lambda a: a.text("x"), None, "missing-attribute"),
        (lambda a: a.text("x"), "", "missing-attribute"),
        (lambda a: a.text("x", limit=3), "four", "invalid-attribute"),
        (lambda a: a.text("x"), "a\x1fb", "invalid-attribute"),
        (lambda a: a.text("x"), "a\nb", "invalid-attribute"),
        (lambda a: a.integer("x"), None, "missing-attribute"),
        (lambda a: a.integer("x"), "7.5", "invalid-attribute"),
        (lambda a: a.integer("x"), "seven", "invalid-attribute"),
        (lambda a: a.integer("x"), "1_000", "invalid-attribute"),
        (lambda a: a.integer("x"), "٧", "invalid-attribute"),
        (lambda a: a.integer("x"), "-1", "invalid-attribute"),
        (lambda a: a.integer("x"), str(2**60), "invalid-attribute"),
        (lambda a: a.number("x"), None, "missing-attribute"),
        (lambda a: a.number("x"), "long", "invalid-attribute"),
        (lambda a: a.number("x"), "1_0.0", "invalid-attribute"),
        (lambda a: a.number("x"), "nan", "invalid-attribute"),
        (lambda a: a.number("x"), "inf", "invalid-attribute"),
        (lambda a: a.number("x"), "-0.5", "invalid-attribute"),
        (lambda a: a.number("x", high=10.0), "10.5", "invalid-attribute"),
        (lambda a: a.boolean("x"), "yes", "invalid-attribute"),
        (lambda a: a.boolean("x"), "1", "invalid-attribute"),
    ],
)
def test_a_bad_attribute_is_named_and_its_value_kept_out_of_the_text(call: Any, value: Any, reason: str) -> None:
    with pytest.raises(BadRecord) as caught:
        call(Attributes({} if value is None else {"x": value}))
    assert caught.value.reason == reason
    assert "ce_x" in caught.value.detail
    if value and len(value) > 3:
        assert value not in str(caught.value)


def test_attributes_fall_back_to_their_defaults() -> None:
    attributes = Attributes({})
    assert attributes.text("x", "d") == "d"
    assert attributes.integer("x", 3) == 3
    assert attributes.number("x", 2.5) == 2.5
    assert attributes.boolean("x") is False
    assert attributes.boolean("x", default=True) is True


def test_an_optional_attribute_that_is_given_must_still_fit() -> None:
    with pytest.raises(BadRecord, match="ce_x"):
        Attributes({"x": "many"}).integer("x", 3)


# --- properties -----------------------------------------------------------------------------------------------------

extensions = st.dictionaries(
    st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True).filter(
        lambda n: n not in ("specversion", "id", "source", "type", "time")
    ),
    st.text(st.characters(codec="utf-8"), max_size=40),
    max_size=8,
)


@given(names, names, names, st.none() | times_ms, st.sampled_from(["audio/opus", "application/json"]), extensions)
def test_envelopes_round_trip(identity: str, source: str, kind: str, time_ms: Any, content: str, more: Any) -> None:
    envelope = Envelope(identity, source, kind, time_ms, content, more)
    read = from_headers(to_headers(envelope))
    assert (read.id, read.source, read.type, read.content_type, dict(read.extensions)) == (
        identity,
        source,
        kind,
        content,
        more,
    )
    assert read.time_ms == (None if time_ms is None else pytest.approx(time_ms, abs=0.001))


@given(times_ms)
def test_times_round_trip_to_the_microsecond(time_ms: float) -> None:
    text = format_time(time_ms)
    assert text.endswith("Z")
    assert parse_time(text) == pytest.approx(time_ms, abs=0.001)
    assert format_time(parse_time(text)) == text


@given(st.text(max_size=60))
def test_any_text_is_a_time_or_bad_input(text: str) -> None:
    with contextlib.suppress(BadRecord):
        assert isinstance(parse_time(text), float)


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=0, max_value=1e15))
def test_numbers_read_back_exactly(value: float) -> None:
    assert Attributes({"x": number(value)}).number("x") == value


@given(st.booleans())
def test_flags_read_back(value: bool) -> None:
    assert Attributes({"x": flag(value)}).boolean("x") is value


@given(
    st.lists(st.tuples(st.text(max_size=12) | st.sampled_from(sorted(HEADERS)), st.binary(max_size=30)), max_size=12)
)
def test_arbitrary_headers_never_raise_anything_but_bad_record(pairs: list[tuple[str, bytes]]) -> None:
    with contextlib.suppress(BadRecord):
        envelope = from_headers([*HEADERS.items(), *pairs])
        assert envelope.id
        assert envelope.type
