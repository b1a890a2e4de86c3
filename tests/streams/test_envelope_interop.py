"""What we write the ``cloudevents`` library reads, and the other way round."""

from datetime import UTC, datetime

from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from streams import records
from streams.codec import decode, encode

NAMES = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x9FFF, exclude_categories=("Cs", "Cc")), min_size=1, max_size=20
)


@given(
    st.builds(
        records.Chunk,
        tenant=NAMES,
        room=NAMES,
        speaker=NAMES,
        session=NAMES,
        sequence=st.integers(0, 2**40),
        time_ms=st.integers(0, 4_000_000_000_000).map(float),
        duration_ms=st.integers(1, 2000).map(float),
        content_type=st.just("audio/opus"),
        audio=st.binary(min_size=1, max_size=50),
        declared_synthetic=st.booleans(),
        last=st.booleans(),
    )
)
def test_the_library_reads_our_chunk(chunk: records.Chunk) -> None:
    message = encode(chunk)
    event = from_binary(
        KafkaMessage(headers=dict(message.headers), key=message.key, value=message.value), JSONFormat(), CloudEvent
    )
    assert event.get_type() == "io.roomwarden.chunk.v1"
    assert event.get_extension("roomid") == chunk.room
    assert event.get_extension("sequence") == str(chunk.sequence)
    assert event.get_time() is not None
    assert abs(event.get_time().timestamp() * 1000.0 - chunk.time_ms) < 0.01
    data = event.get_data()
    # The library hands a payload that happens to be valid UTF-8 back as text.
    assert (data.encode() if isinstance(data, str) else data) == chunk.audio


def test_we_read_the_library_s_chunk() -> None:
    captured = datetime(2026, 1, 31, 8, 0, 0, 20_000, UTC)
    attributes = {
        "id": "1",
        "source": "/platform",
        "type": "io.roomwarden.chunk.v1",
        "specversion": "1.0",
        "time": captured,
        "datacontenttype": "audio/opus",
        "tenant": "acme",
        "roomid": "房间",
        "sessionid": "s",
        "sequence": "3",
        "durationms": "20",
    }
    message = to_binary(CloudEvent(attributes, b"packet"), JSONFormat())
    chunk = decode(records.Chunk, message.headers, message.value)
    assert (chunk.room, chunk.sequence, chunk.audio) == ("房间", 3, b"packet")
    assert chunk.time_ms == captured.timestamp() * 1000.0
