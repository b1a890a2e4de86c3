"""Every record survives the wire; every bad record is refused under a reason that names the field, not the content."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import records, topics
from streams.codec import ROOM_TYPES, decode, encode
from streams.envelope import BadRecord, Headers
from tests.support import samples
from tests.support.samples import T0_MS, names, times_ms

JSON_RECORDS = [r for r in samples.ALL if not isinstance(r, (records.Chunk, records.Utterance))]
SECRET = "密语-hush-hush"


def kind(record: Any) -> str:
    return type(record).__name__


def having(headers: Headers, name: str, value: bytes | None) -> Headers:
    """The headers with one replaced, or taken away."""
    kept = [(n, v) for n, v in headers if n != name]
    return kept if value is None else [*kept, (name, value)]


def refusal(record_type: Any, headers: Any, value: bytes | None) -> BadRecord:
    with pytest.raises(BadRecord) as caught:
        decode(record_type, headers, value)
    return caught.value


# --- round trips ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("record", samples.ALL, ids=kind)
def test_each_record_round_trips(record: Any) -> None:
    message = encode(record)
    assert decode(type(record), message.headers, message.value) == record


@pytest.mark.parametrize("record", samples.ALL, ids=kind)
def test_each_record_goes_to_its_topic_with_its_type(record: Any) -> None:
    message = encode(record)
    row = topics.BY_NAME[message.topic]
    assert row.record is type(record)
    headers = dict(message.headers)
    expected = {event: name for name, event in ROOM_TYPES.items()}.get(getattr(record, "event", ""), row.type)
    assert headers["ce_type"].decode() == expected
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_tenant"] == b"demo"
    assert headers["ce_id"]


@pytest.mark.parametrize("record", samples.ALL, ids=kind)
def test_each_record_has_the_key_that_the_topic_table_names(record: Any) -> None:
    message = encode(record)
    key = {"room id": b"tea-room", "room id/speaker id": b"tea-room/seller", "tenant": b"demo"}
    key["SHA-256 of the text"] = b"cd" * 32
    assert message.key == key[topics.BY_NAME[message.topic].key]


def test_every_topic_has_a_sample() -> None:
    assert {type(r) for r in samples.ALL} == {t.record for t in topics.TOPICS if t.record is not None}


@pytest.mark.parametrize("event", ["room.opened", "room.closed", "speaker.joined", "speaker.left"])
def test_room_events_have_a_type_of_their_own_and_are_also_read_under_the_common_one(event: Any) -> None:
    record = samples.room(event=event)
    message = encode(record)
    assert dict(message.headers)["ce_type"] == f"io.roomwarden.{event}.v1".encode()
    common = having(message.headers, "ce_type", b"io.roomwarden.room.v1")
    assert decode(records.Room, common, message.value) == record


def test_optional_attributes_of_a_chunk_are_left_out_when_unset() -> None:
    plain = {name for name, _ in encode(samples.chunk(speaker="")).headers}
    assert plain.isdisjoint({"ce_speakerid", "ce_declaredsynthetic", "ce_lastchunk"})
    full = dict(encode(samples.chunk(declared_synthetic=True, last=True)).headers)
    assert full["ce_speakerid"] == b"seller"
    assert full["ce_declaredsynthetic"] == full["ce_lastchunk"] == b"true"


def test_a_chunk_from_any_client_in_any_language_is_read() -> None:
    """Ten headers and the raw audio are all that a producer must send."""
    chunk = decode(
        records.Chunk,
        {
            "ce_specversion": b"1.0",
            "ce_id": b"1",
            "ce_source": b"/gateway",
            "ce_type": b"io.roomwarden.chunk.v1",
            "ce_time": b"2026-01-01T08:00:00+08:00",
            "ce_tenant": b"demo",
            "ce_roomid": "茶室".encode(),
            "ce_sessionid": b"s-1",
            "ce_sequence": b"0",
            "content-type": b"audio/opus",
        },
        b"\x01",
    )
    assert chunk == records.Chunk(
        tenant="demo",
        room="茶室",
        speaker="",
        session="s-1",
        sequence=0,
        time_ms=T0_MS,
        duration_ms=0.0,
        content_type="audio/opus",
        audio=b"\x01",
    )


def test_unknown_json_fields_of_a_newer_release_are_ignored() -> None:
    message = encode(samples.outcome())
    value = json.dumps({**json.loads(message.value), "colour": "blue"}).encode()
    assert decode(records.Outcome, message.headers, value) == samples.outcome()


chunks = st.builds(
    samples.chunk,
    tenant=names,
    room=names,
    speaker=st.just("") | names,
    session=names,
    sequence=st.integers(0, 2**53),
    time_ms=times_ms,
    duration_ms=st.floats(0, 60_000),
    content_type=st.sampled_from(["audio/opus", "audio/pcm;rate=48000;channels=2", "Audio/FLAC"]),
    audio=st.binary(min_size=1, max_size=200),
    declared_synthetic=st.booleans(),
    last=st.booleans(),
)


@given(chunks)
def test_chunks_round_trip(chunk: records.Chunk) -> None:
    message = encode(chunk)
    read = decode(records.Chunk, message.headers, message.value)
    assert read.time_ms == pytest.approx(chunk.time_ms, abs=0.001)
    assert msgspec.structs.replace(read, time_ms=chunk.time_ms) == chunk


@given(
    st.builds(
        samples.utterance,
        utterance_id=names,
        revision=st.integers(0, 1000),
        final=st.booleans(),
        tenant=names,
        room=names,
        speaker=st.just("") | names,
        start_ms=st.floats(0, 4e12),
        end_ms=st.floats(0, 4e12),
        overlap_ms=st.floats(0, 5000),
        accounted_ms=st.floats(0, 15_000),
        cause=st.sampled_from(["", "pause", "last-chunk"]),
        declared_synthetic=st.booleans(),
        audio=st.binary(min_size=1, max_size=99).map(lambda b: b * 2),
    )
)
def test_utterances_round_trip_to_the_bit(utterance: records.Utterance) -> None:
    message = encode(utterance)
    assert decode(records.Utterance, message.headers, message.value) == utterance


@given(st.text(max_size=80), st.lists(st.text(max_size=10), max_size=3), st.floats(allow_nan=False, width=32))
def test_findings_round_trip_whatever_was_said(text: str, alternatives: list[str], logprob: float) -> None:
    quality = records.Quality(avg_logprob=logprob if abs(logprob) < 1e30 else 0.0)
    finding = samples.finding(transcript=text, alternatives=alternatives, quality=quality)
    message = encode(finding)
    assert decode(records.Finding, message.headers, message.value) == finding


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("record", samples.ALL, ids=kind)
@pytest.mark.parametrize("value", [None, b""])
def test_an_empty_value_is_refused(record: Any, value: bytes | None) -> None:
    bad = refusal(type(record), encode(record).headers, value)
    assert bad.reason == "empty-value"


@pytest.mark.parametrize("record", samples.ALL, ids=kind)
def test_an_oversized_value_is_refused_with_both_sizes(record: Any) -> None:
    message = encode(record)
    limit = topics.BY_NAME[message.topic].max_bytes
    bad = refusal(type(record), message.headers, bytes(limit + 1))
    assert bad.reason == "oversized"
    assert str(limit) in bad.detail


@pytest.mark.parametrize("record", samples.ALL, ids=kind)
def test_another_type_is_refused_and_the_right_one_named(record: Any) -> None:
    message = encode(record)
    bad = refusal(type(record), having(message.headers, "ce_type", b"com.example.thing"), message.value)
    assert bad.reason == "unknown-type"
    assert topics.BY_NAME[message.topic].type in bad.detail


@pytest.mark.parametrize("record", JSON_RECORDS, ids=kind)
@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"{", id="cut off"),
        pytest.param(b"[]", id="array"),
        pytest.param(b"null", id="null"),
        pytest.param(b"\x00\x01", id="binary"),
        pytest.param(b'{"tenant": "\xff"}', id="no UTF-8"),
        pytest.param(b'{"tenant":' * 50_000, id="deep"),
        pytest.param(b"{}", id="empty object"),
    ],
)
def test_invalid_json_is_refused(record: Any, value: bytes) -> None:
    bad = refusal(type(record), encode(record).headers, value)
    assert bad.reason == "invalid-value"
    assert topics.BY_NAME[encode(record).topic].type in bad.detail


@pytest.mark.parametrize("record", JSON_RECORDS, ids=kind)
def test_a_field_of_the_wrong_type_is_named_by_path(record: Any) -> None:
    message = encode(record)
    for name, value in json.loads(message.value).items():
        wrong = [SECRET] if not isinstance(value, list) else {SECRET: SECRET}
        bad = refusal(type(record), message.headers, json.dumps(json.loads(message.value) | {name: wrong}).encode())
        assert bad.reason == "invalid-value"
        assert f"$.{name}" in bad.detail
        assert SECRET not in str(bad)


@pytest.mark.parametrize("record", JSON_RECORDS, ids=kind)
def test_a_missing_field_is_named(record: Any) -> None:
    message = encode(record)
    required = [f.encode_name for f in msgspec.structs.fields(record) if f.required]
    for name in required:
        value = {k: v for k, v in json.loads(message.value).items() if k != name}
        bad = refusal(type(record), message.headers, json.dumps(value).encode())
        assert bad.reason == "invalid-value"
        assert f"`{name}`" in bad.detail


@pytest.mark.parametrize("said", [SECRET, "it's 'quoted'", "` - at `$.x`", "a\nb"])
def test_a_value_outside_its_vocabulary_is_not_repeated(said: str) -> None:
    message = encode(samples.outcome())
    value = json.dumps(json.loads(message.value) | {"outcome": said}, ensure_ascii=False).encode()
    bad = refusal(records.Outcome, message.headers, value)
    assert bad.detail.endswith("Invalid enum value - at `$.outcome`")


def test_a_room_event_must_agree_with_its_type() -> None:
    message = encode(samples.room(event="speaker.left"))
    bad = refusal(records.Room, having(message.headers, "ce_type", b"io.roomwarden.room.closed.v1"), message.value)
    assert bad.reason == "invalid-value"
    assert "event" in bad.detail
    assert "ce_type" in bad.detail


@pytest.mark.parametrize("name", ["tenant", "roomid", "sessionid", "sequence", "time"])
def test_a_chunk_without_a_required_attribute_is_refused(name: str) -> None:
    message = encode(samples.chunk())
    bad = refusal(records.Chunk, having(message.headers, f"ce_{name}", None), message.value)
    assert bad.reason == "missing-attribute"
    assert f"ce_{name}" in bad.detail


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_sequence", b"-1"),
        ("ce_sequence", b"seven"),
        ("ce_sequence", b"1.5"),
        ("ce_durationms", b"-20"),
        ("ce_durationms", b"nan"),
        ("ce_durationms", b"60001"),
        ("ce_lastchunk", b"maybe"),
        ("ce_declaredsynthetic", b"2"),
        ("ce_roomid", b"r" * 257),
        ("ce_tenant", b"a\x00b"),
        ("ce_time", b"noon"),
        ("ce_specversion", b"2.0"),
    ],
)
def test_a_chunk_with_an_impossible_attribute_is_refused(name: str, value: bytes) -> None:
    message = encode(samples.chunk())
    bad = refusal(records.Chunk, having(message.headers, name, value), message.value)
    assert bad.reason == "invalid-attribute"
    assert name in bad.detail


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "missing-attribute"),
        (b"application/json", "unknown-content-type"),
        (b"video/mp4", "unknown-content-type"),
    ],
)
def test_a_chunk_must_say_its_audio_type(value: bytes | None, reason: str) -> None:
    message = encode(samples.chunk())
    bad = refusal(records.Chunk, having(message.headers, "content-type", value), message.value)
    assert bad.reason == reason
    assert "content-type" in bad.detail


def test_an_utterance_is_s16le_at_16_khz() -> None:
    message = encode(samples.utterance())
    assert refusal(records.Utterance, message.headers, b"\x00\x01\x02").reason == "undecodable"
    other = having(message.headers, "content-type", b"audio/opus")
    assert refusal(records.Utterance, other, message.value).reason == "unknown-content-type"


@given(st.sampled_from([type(r) for r in samples.ALL]), st.binary(max_size=200))
def test_arbitrary_values_never_raise_anything_but_bad_record(record_type: Any, value: bytes) -> None:
    headers = next(encode(r).headers for r in samples.ALL if type(r) is record_type)
    with contextlib.suppress(BadRecord):
        assert isinstance(decode(record_type, headers, value), record_type)
