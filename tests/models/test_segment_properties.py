"""The two promises of the segment engine, on streams with everything wrong with them that a network can do."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from models.segmenting import Chunk, Utterance
from tests.models.segment_streams import (
    drain,
    engine,
    finals,
    last_position,
    record,
    released,
    run,
    short_settings,
    spans,
    streams,
)


@given(stream=streams(), every=st.sampled_from([1, 3, 1_000]), gate=st.booleans())
@settings(max_examples=150)
def test_every_received_sample_is_accounted_for_exactly_once(stream, every, gate):
    chunks, received = stream.chunks, stream.received
    segments = engine(short_settings(gate=gate))
    outputs = run(segments, chunks, every=every)
    assert sum(output.accounted for output in outputs) == received
    assert sorted(released(outputs)) == list(range(len(chunks)))
    assert segments.idle()
    for utterance in finals(outputs):
        assert utterance.end_ms - utterance.start_ms == len(utterance.samples) / 16
        assert utterance.accounted <= len(utterance.samples) - utterance.overlap_ms * 16


@given(stream=streams(), data=st.data(), gate=st.booleans())
@settings(max_examples=150)
def test_a_killed_worker_is_replayed_to_the_same_records(stream, data, gate):
    chunks = stream.chunks
    expected = _lasting(run(engine(short_settings(gate=gate)), chunks))

    pushed = data.draw(st.integers(0, len(chunks)), "pushed before the kill")
    every = data.draw(st.sampled_from([1, 2, 7]), "chunks a step")
    killed = engine(short_settings(gate=gate))
    made = []
    for index, chunk in enumerate(chunks[:pushed]):
        killed.push(chunk)
        if index % every == 0:
            made += killed.step(0.0)
    published = made[: data.draw(st.integers(0, len(made)), "outputs published before the kill")]

    acknowledged = set(released(published))
    resume_at = next((index for index in range(len(chunks)) if index not in acknowledged), len(chunks))
    successor = engine(short_settings(gate=gate))
    position = last_position(published)
    if position is not None:
        successor.resume("t", position)
    later = data.draw(st.sampled_from([1, 5, 1_000]), "chunks a step later")
    replayed = run(successor, chunks[resume_at:], every=later)

    assert _lasting(published) | _lasting(replayed) == expected
    assert acknowledged | set(released(replayed)) == set(range(len(chunks)))


@given(first=streams(), second=streams(), every=st.sampled_from([1, 4, 1_000]))
@settings(max_examples=60)
def test_tracks_do_not_influence_each_other(first, second, every):
    one = [replace(chunk, track="one") for chunk in first.chunks]
    two = [replace(chunk, track="two") for chunk in second.chunks]
    apart = _lasting(run(engine(), one)) | _lasting(run(engine(), two))
    mixed: list[Chunk] = []
    for index in range(max(len(one), len(two))):
        mixed += one[index : index + 1] + two[index : index + 1]
    assert _lasting(run(engine(), mixed, every=every)) == apart


@given(stream=streams(trouble=False))
@settings(max_examples=60)
def test_utterances_tile_the_stream_in_order(stream):
    outputs = run(engine(), stream.chunks)
    known = [*finals(outputs), *spans(outputs, "silence")]
    extents = sorted((o.start_ms + getattr(o, "overlap_ms", 0.0), o.end_ms) for o in known)
    for (_, end), (start, _) in pairwise(extents):
        assert start == end
    names = [(u.utterance_sequence, u.utterance_sample) for u in finals(outputs)]
    assert len(set(names)) == len(names)
    assert names == sorted(names)


@given(stream=streams())
@settings(max_examples=60)
def test_partials_carry_the_name_of_their_final(stream):
    outputs = run(engine(), stream.chunks)
    revisions: dict[tuple[int, int], list[Utterance]] = {}
    for output in outputs:
        if isinstance(output, Utterance):
            revisions.setdefault((output.utterance_sequence, output.utterance_sample), []).append(output)
    for group in revisions.values():
        assert [u.final for u in group] == [False] * (len(group) - 1) + [True]
        assert [u.revision for u in group] == sorted({u.revision for u in group})
        assert all(len(u.samples) <= 16_000 for u in group if not u.final)


def _lasting(outputs) -> set[tuple[object, ...]]:
    """Records that must be the same in every run: not partials (dropped when overtaken), not duplicates."""
    kept = [o for o in outputs if not (isinstance(o, Utterance) and not o.final)]
    return {record(o) for o in kept} - {record(o) for o in spans(outputs, "duplicate")}


def test_nothing_is_left_behind_after_the_last_chunk():
    segments = engine()
    assert drain(segments) == []
    assert segments.idle()
