"""Our binding of CloudEvents to Kafka headers against the ``cloudevents`` library's: microseconds per chunk record.

``pip install cloudevents`` first; it is no dependency. Prints medians of seven rounds, and the ratio.
"""

from __future__ import annotations

import statistics
import timeit
from datetime import UTC, datetime

from streams import records
from streams.codec import decode, encode

ROUNDS, CALLS = 7, 2_000


def main() -> None:
    """Print both costs of writing and of reading one chunk record."""
    from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, to_binary
    from cloudevents.core.formats.json import JSONFormat
    from cloudevents.core.v1.event import CloudEvent

    chunk = records.Chunk(
        tenant="acme",
        room="room-1",
        speaker="speaker-1",
        session="session-1",
        sequence=7,
        time_ms=1_790_000_000_000.0,
        duration_ms=100.0,
        content_type="audio/opus",
        audio=bytes(300),
    )
    message = encode(chunk)
    attributes = {
        "id": "session-1/speaker-1/7",
        "source": "/acme/room-1",
        "type": "io.roomwarden.chunk.v1",
        "specversion": "1.0",
        "time": datetime.now(UTC),
        "datacontenttype": "audio/opus",
        "tenant": "acme",
        "roomid": "room-1",
        "speakerid": "speaker-1",
        "sessionid": "session-1",
        "sequence": "7",
        "durationms": "100",
    }
    event = CloudEvent(attributes, chunk.audio)
    form = JSONFormat()
    written = to_binary(event, form)

    def read_theirs() -> None:
        from_binary(KafkaMessage(headers=written.headers, key=written.key, value=written.value), form, CloudEvent)

    def write_theirs() -> None:
        # A producer makes a new event for each chunk, so its construction counts.
        to_binary(CloudEvent(dict(attributes), chunk.audio), form)

    pairs = {
        "write": (lambda: encode(chunk), write_theirs),
        "read": (lambda: decode(records.Chunk, message.headers, message.value), read_theirs),
    }
    for name, calls in pairs.items():
        cost = [statistics.median(timeit.repeat(call, number=CALLS, repeat=ROUNDS)) for call in calls]
        microseconds = [seconds / CALLS * 1e6 for seconds in cost]
        ours, theirs = microseconds
        print(f"{name}: ours {ours:.1f} us, cloudevents {theirs:.1f} us, ratio {theirs / ours:.1f}")


if __name__ == "__main__":
    main()
