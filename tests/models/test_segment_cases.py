"""One case a test: everything that can be wrong with a track, and what the engine makes of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.segmenting import Chunk, Position, SegmentSettings, Utterance
from tests.models.audio_makers import chunks_of, noise, silence
from tests.models.segment_streams import (
    FOREVER,
    START_MS,
    drain,
    engine,
    finals,
    last_position,
    pcm,
    rejected,
    released,
    run,
    short_settings,
    spans,
)


def burst(ms: float) -> np.ndarray:
    """What the loudness model takes for speech."""
    return (np.random.default_rng(int(ms)).standard_normal(round(ms * 16)) * 3_000).astype(np.int16)


def cut(samples: np.ndarray, ms: int = 20, *, track: str = "t", first: int = 0, last: bool = True) -> list[Chunk]:
    size = 16 * ms
    count = -(-len(samples) // size)
    return [
        pcm(
            samples[i * size : (i + 1) * size],
            first + i,
            START_MS + i * ms,
            track=track,
            last=last and i == count - 1,
        )
        for i in range(count)
    ]


def speech(before: int = 400, during: int = 500, after: int = 500) -> np.ndarray:
    return np.concatenate([silence(before), burst(during), silence(after)])


def test_an_utterance_ends_after_its_hangover_and_is_named_after_its_first_sample():
    outputs = run(engine(), cut(speech()))
    (utterance,) = finals(outputs)
    assert utterance.cause == "endpoint"
    assert utterance.start_ms == pytest.approx(START_MS + 300, abs=33)
    assert utterance.end_ms == pytest.approx(START_MS + 1_000, abs=64)
    first_ms = utterance.utterance_sequence * 20 + utterance.utterance_sample / 16
    assert START_MS + first_ms == utterance.start_ms
    assert (utterance.first_sequence, utterance.last_sequence) == (
        utterance.utterance_sequence,
        int(utterance.end_ms - START_MS - 1e-6) // 20,
    )


def test_long_silence_is_accounted_for_in_parts_that_keep_a_pre_roll():
    outputs = run(engine(), cut(silence(2_500), last=False)[:120])
    first = spans(outputs, "silence")[0]
    assert first.position is not None
    assert first.end_ms == pytest.approx(START_MS + 800, abs=33)
    assert first.released == tuple(range(int(first.end_ms - START_MS) // 20))


def test_an_onset_across_a_silence_boundary_is_whole():
    for before in range(900, 1_300, 40):
        outputs = run(engine(), cut(speech(before)))
        (utterance,) = finals(outputs)
        assert utterance.start_ms <= START_MS + before - 60
        assert utterance.end_ms >= START_MS + before + 500


def test_a_long_utterance_is_cut_with_overlap_at_a_quiet_point():
    loud = burst(4_000)
    loud[16 * 1_600 : 16 * 1_750] //= 20
    first, second, *_ = finals(run(engine(), cut(loud)))
    assert first.cause == "maximum"
    assert 1_600 < first.end_ms - START_MS < 1_750
    assert second.overlap_ms == pytest.approx(200, abs=1)
    assert second.start_ms == pytest.approx(first.end_ms - 200, abs=1)
    shared = np.concatenate([first.samples[-3_200:], second.samples[:3_200]]).reshape(2, -1)
    assert np.array_equal(*shared)
    assert first.accounted == len(first.samples)
    assert second.accounted == len(second.samples) - 3_200


@pytest.mark.parametrize("killed", [False, True])
def test_what_is_wrong_within_an_overlap_is_told_once(killed):
    loud = burst(4_000)
    loud[16 * 1_600 : 16 * 1_750] //= 20
    chunks = cut(loud)
    chunks[76] = replace(chunks[76], payload=b"?")
    del chunks[79]
    outputs = run(engine(), chunks)
    first = finals(outputs)[0]
    assert first.cause == "maximum"
    assert first.position.sequence < 76
    if killed:
        successor = engine()
        successor.resume("t", first.position)
        until = outputs[: outputs.index(first) + 1]
        acknowledged = released(until)
        outputs = [*until, *run(successor, [c for c in chunks if c.token not in acknowledged])]
    assert [r.token for r in rejected(outputs)] == [76]
    assert [s.accounted for s in spans(outputs, "lost")] == [320]
    assert [s.start_ms for s in spans(outputs, "gap")] == [START_MS + 79 * 20]
    assert sum(o.accounted for o in outputs) == 16 * 3_980
    assert sorted(released(outputs)) == [i for i in range(200) if i != 79]


def test_an_utterance_that_ends_within_the_overlap_is_no_new_one():
    settings = short_settings()
    endpoint = replace(settings.track.endpoint, overlap_ms=400, tail_ms=30)
    sound = np.concatenate([burst(1_750), noise(150, 5.0), silence(1_000)])
    outputs = run(engine(replace(settings, track=replace(settings.track, endpoint=endpoint))), cut(sound))
    assert [u.cause for u in finals(outputs)] == ["maximum"]
    assert sum(o.accounted for o in outputs) == len(sound)
    assert finals(outputs)[0].accounted == len(finals(outputs)[0].samples)


def test_the_overlap_keeps_its_chunks_unacknowledged():
    segments = engine()
    outputs = []
    for chunk in cut(burst(4_000))[:150]:
        segments.push(chunk)
        outputs += segments.step(0.0)
    first = finals(outputs)[0]
    assert first.position is not None
    assert first.position.overlap == 3_200
    assert max(first.released) < first.position.sequence


def test_partials_hold_the_latest_seconds_only():
    outputs = run(engine(), cut(burst(1_900)))
    partials = [o for o in outputs if isinstance(o, Utterance) and not o.final]
    assert [p.revision for p in partials] == list(range(len(partials)))
    assert len(partials) == 5
    assert [len(p.samples) / 16 for p in partials[:3]] == [352, 672, 992]
    assert all(800 < len(p.samples) / 16 < 1_000 for p in partials[3:])
    assert partials[-1].first_sequence > partials[-1].utterance_sequence
    assert not any(p.accounted or p.released or p.position for p in partials)
    assert finals(outputs)[0].revision == 5


def test_a_partial_that_cannot_hold_all_begins_where_it_is_quiet():
    # Loud but for 90 ms, which lie within the first 200 ms of the last 1,000 ms when the partial of 1,280 ms comes.
    loud = np.concatenate([burst(320), burst(90) // 50, burst(1_000)])
    partials = [o for o in run(engine(), cut(loud)) if isinstance(o, Utterance) and not o.final]
    last = partials[-1]
    assert last.start_ms - START_MS == pytest.approx(365, abs=10)


def test_partials_overtaken_in_one_step_are_not_made():
    segments = engine()
    for chunk in cut(speech(0, 1_500, 600)):
        segments.push(chunk)
    outputs = drain(segments)
    assert [o.revision for o in outputs if isinstance(o, Utterance)] == [4]


def test_a_silent_sender_is_flushed_by_the_timer_and_not_before():
    segments = engine()
    for chunk in cut(speech(100, 400, 0), last=False):
        segments.push(chunk)
    assert finals(segments.step(1_000.0)) == []
    assert segments.step(1_000.0 + 20 + 599) == []
    (utterance,) = finals(segments.step(1_000.0 + 20 + 600))
    assert utterance.cause == "idle"
    assert utterance.end_ms == START_MS + 500
    assert segments.idle()


def test_long_chunks_are_not_taken_for_a_silent_sender():
    segments = engine()
    for chunk in cut(np.concatenate([silence(1_800), burst(2_200)]), 2_000)[:1]:
        segments.push(chunk)
    segments.step(0.0)
    assert segments.step(2_500.0) == []
    assert segments.step(2_601.0)


def test_the_last_chunk_flushes_at_once():
    segments = engine()
    for chunk in cut(speech(100, 400, 0)):
        segments.push(chunk)
    outputs = segments.step(0.0)
    assert [u.cause for u in finals(outputs)] == ["last-chunk"]
    assert sorted(released(outputs)) == list(range(25))


def test_an_empty_last_chunk_is_an_end_marker():
    chunks = [*cut(speech(100, 400, 0), last=False), Chunk("t", 25, START_MS + 500, 0.0, "audio/opus", b"", True, 25)]
    outputs = run(engine(), chunks)
    assert [u.cause for u in finals(outputs)] == ["last-chunk"]
    assert rejected(outputs) == []
    assert 25 in released(outputs)


# Order.


def test_chunks_out_of_order_within_the_window_are_put_right():
    chunks = cut(speech())
    expected = finals(run(engine(), chunks))
    for size in (2, 3, 5):
        mixed = [chunk for i in range(0, len(chunks), size) for chunk in reversed(chunks[i : i + size])]
        (utterance,) = finals(run(engine(), mixed))
        assert np.array_equal(utterance.samples, expected[0].samples)


def test_duplicates_are_counted_and_released_at_once():
    segments = engine()
    chunks = cut(speech())
    for chunk in chunks[:10]:
        segments.push(chunk)
    segments.push(replace(chunks[3], token="again"))
    outputs = segments.step(0.0)
    assert [(s.reason, s.accounted, s.released) for s in spans(outputs, "duplicate")] == [("duplicate", 0, ("again",))]


def test_a_chunk_behind_a_gap_waits_for_the_window_or_the_clock():
    segments = engine()
    chunks = cut(burst(1_000), last=False)
    for chunk in [*chunks[:10], *chunks[11:20]]:
        segments.push(chunk)
    assert segments.step(100.0) == []
    assert segments.step(399.0) == []  # 9 chunks are less than 300 ms
    assert any(isinstance(o, Utterance) for o in segments.step(400.0))


def test_a_lost_chunk_is_filled_with_silence_and_told():
    chunks = cut(speech())
    del chunks[30]
    outputs = run(engine(), chunks)
    (gap,) = spans(outputs, "gap")
    assert (gap.reason, gap.start_ms, gap.end_ms, gap.accounted) == ("missing", START_MS + 600, START_MS + 620, 0)
    (utterance,) = finals(outputs)
    assert utterance.accounted == len(utterance.samples) - 320
    hole = round(600 - (utterance.start_ms - START_MS)) * 16
    assert not utterance.samples[hole : hole + 320].any()


def test_a_long_gap_ends_the_utterance():
    chunks = cut(burst(1_500))
    del chunks[30:45]
    outputs = run(engine(), chunks)
    assert [u.cause for u in finals(outputs)] == ["gap", "last-chunk"]
    assert [(s.start_ms, s.end_ms) for s in spans(outputs, "gap")] == [(START_MS + 600, START_MS + 900)]
    assert finals(outputs)[1].utterance_sequence == 45
    assert sum(o.accounted for o in outputs) == 16 * 1_200


def test_a_chunk_after_its_gap_was_given_up_is_late():
    chunks = cut(burst(1_500))
    late = chunks.pop(10)
    outputs = run(engine(), [*chunks[:40], late, late, *chunks[40:]])
    assert [(s.reason, s.accounted) for s in spans(outputs, "lost")] == [("late", 320)]
    assert len(spans(outputs, "duplicate")) == 1


def test_a_sender_that_counts_from_the_start_again_is_refused_by_name():
    chunks = cut(burst(1_000), last=False)
    again = [replace(chunk, time_ms=chunk.time_ms + 5_000, token=f"again {chunk.sequence}") for chunk in chunks[:3]]
    outputs = run(engine(), [*chunks, *again])
    assert [(r.reason, r.token) for r in rejected(outputs)] == [("sequence-back", f"again {i}") for i in range(3)]
    assert all("session" in r.detail for r in rejected(outputs))
    assert sum(s.accounted for s in spans(outputs, "lost")) == 3 * 320


def test_a_track_that_begins_in_the_middle_waits_for_earlier_chunks():
    chunks = cut(burst(1_000), first=100)
    segments = engine()
    for chunk in [chunks[1], chunks[0], *chunks[2:10]]:
        segments.push(chunk)
    assert segments.step(0.0) == []
    outputs = drain(segments, 300.0) + run(segments, chunks[10:])
    assert [u.utterance_sequence for u in finals(outputs)] == [100]
    assert spans(outputs, "gap") == []
    assert sum(o.accounted for o in outputs) == 16_000


# Time.


def test_a_pause_of_the_sender_ends_the_utterance_and_is_not_counted():
    chunks = cut(burst(1_000))
    chunks = [*chunks[:25], *(replace(c, time_ms=c.time_ms + 3_000) for c in chunks[25:])]
    outputs = run(engine(), chunks)
    assert [(u.cause, u.start_ms, u.end_ms) for u in finals(outputs)] == [
        ("idle", START_MS, START_MS + 500),
        ("last-chunk", START_MS + 3_500, START_MS + 4_000),
    ]
    assert spans(outputs, "gap") == []
    assert sum(o.accounted for o in outputs) == 16_000


def test_a_short_pause_is_bridged():
    chunks = cut(burst(1_000))
    chunks = [*chunks[:25], *(replace(c, time_ms=c.time_ms + 150) for c in chunks[25:])]
    (utterance,) = finals(run(engine(), chunks))
    assert len(utterance.samples) == 16 * 1_150
    assert utterance.accounted == 16 * 1_000


def test_capture_time_going_back_starts_anew():
    chunks = cut(burst(1_000))
    day = 86_400_000
    chunks = [*chunks[:25], *(replace(c, time_ms=c.time_ms - day) for c in chunks[25:])]
    outputs = run(engine(), chunks)
    assert [u.start_ms for u in finals(outputs)] == [START_MS, START_MS + 500 - day]
    assert [s.reason for s in spans(outputs, "gap")] == ["clock-back"]
    assert sum(o.accounted for o in outputs) == 16_000


def test_uneven_capture_times_are_tolerated():
    rng = np.random.default_rng(0)
    chunks = [replace(c, time_ms=c.time_ms + float(rng.integers(-40, 41))) for c in cut(burst(1_000))]
    (utterance,) = finals(run(engine(), chunks))
    assert len(utterance.samples) == 16_000


@pytest.mark.parametrize("claim", [0.0, 5.0, 60.0, -3.0, float("nan"), float("inf")])
def test_the_decoded_length_is_the_truth(claim):
    chunks = [replace(chunk, duration_ms=claim) for chunk in cut(burst(1_000))]
    (utterance,) = finals(run(engine(), chunks))
    assert utterance.accounted == 16_000


# Bad chunks.


def test_an_undecodable_chunk_is_rejected_and_the_utterance_goes_on():
    chunks = cut(speech())
    chunks[30] = replace(chunks[30], payload=chunks[30].payload[:-1])
    outputs = run(engine(), chunks)
    assert [(r.reason, r.token) for r in rejected(outputs)] == [("truncated", 30)]
    assert [(s.reason, s.accounted) for s in spans(outputs, "lost")] == [("truncated", 320)]
    assert len(finals(outputs)) == 1
    assert sorted(released(outputs)) == list(range(len(chunks)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"payload": b""}, "empty"),
        ({"payload": bytes(1 << 21)}, "oversized"),
        ({"content_type": "audio/gsm"}, "unknown-codec"),
        ({"content_type": ""}, "unknown-codec"),
        ({"content_type": "audio/opus", "payload": b"\x03"}, "truncated"),
        ({"content_type": "audio/flac"}, "undecodable"),
        ({"content_type": "audio/pcm;rate=4000", "payload": bytes(2 * 4_000 * 61)}, "too-long"),
    ],
)
def test_each_way_to_be_unreadable_has_its_name(change, reason):
    chunks = cut(speech())
    chunks[5] = replace(chunks[5], **change)
    outputs = run(engine(), chunks)
    assert [r.reason for r in rejected(outputs)] == [reason]
    assert len(finals(outputs)) == 1
    assert sum(o.accounted for o in outputs) == sum(len(c.payload) // 2 for c in cut(speech()))


def test_a_track_of_nothing_but_bad_chunks_is_answered_at_once():
    segments = engine()
    for chunk in cut(speech())[:5]:
        segments.push(replace(chunk, content_type="audio/unheard-of"))
    outputs = segments.step(0.0)
    assert [r.reason for r in rejected(outputs)] == ["unknown-codec"] * 5
    assert released(outputs) == [0, 1, 2, 3, 4]
    assert last_position(outputs) == Position(5, 0, 0, START_MS + 100)


def test_one_bad_track_does_not_touch_the_others():
    good = [replace(c, track="good") for c in cut(speech())]
    bad = [replace(c, track="bad", payload=b"\xff") for c in cut(speech())]
    mixed = [chunk for pair in zip(bad, good, strict=True) for chunk in pair]
    outputs = run(engine(), mixed)
    assert [u.track for u in finals(outputs)] == ["good"]
    assert {r.track for r in rejected(outputs)} == {"bad"}


def test_the_content_type_may_change_in_mid_track():
    sound = speech()
    chunks = chunks_of(sound, "pcm16k", 20, start_ms=START_MS)
    other = chunks_of(sound, "flac", 20, start_ms=START_MS)
    third = chunks_of(sound, "pcm48k-stereo", 20, start_ms=START_MS)
    outputs = run(engine(), [*chunks[:32], *other[32:36], *third[36:]])
    (utterance,) = finals(outputs)
    (plain,) = finals(run(engine(), chunks))
    assert utterance.start_ms == plain.start_ms
    assert len(utterance.samples) == len(plain.samples)
    assert sum(o.accounted for o in outputs) == len(sound)


# Positions.


def test_resume_skips_what_was_accounted_for_and_repeats_the_overlap():
    chunks = cut(burst(4_000))
    outputs = run(engine(), chunks)
    first, second, *_ = finals(outputs)
    successor = engine()
    successor.resume("t", first.position)
    again = run(successor, chunks[first.position.sequence - 3 :])
    assert len(spans(again, "duplicate")) == 3
    assert np.array_equal(finals(again)[0].samples, second.samples)
    assert finals(again)[0].utterance_sample == second.utterance_sample


def test_a_sequence_going_back_is_recognised_after_a_resume():
    segments = engine()
    segments.resume("t", Position(500, 0, 0, START_MS))
    outputs = run(segments, [pcm(burst(20), 0, START_MS + 60_000), pcm(burst(20), 499, START_MS - 20)])
    assert [r.reason for r in rejected(outputs)] == ["sequence-back"]
    assert len(spans(outputs, "duplicate")) == 1


def test_a_position_whose_chunks_are_gone_becomes_a_gap():
    segments = engine()
    segments.resume("t", Position(10, 100, 50, START_MS))
    outputs = run(segments, [pcm(burst(600), 90, START_MS + 5_000, last=True)])
    (gap,) = spans(outputs, "gap")
    assert (gap.start_ms, gap.end_ms) == (START_MS, START_MS + 5_000)
    assert finals(outputs)[0].accounted == 600 * 16


def test_forgotten_tracks_release_nothing_and_can_come_back():
    segments = engine()
    chunks = cut(speech())
    for chunk in chunks[:40]:
        segments.push(chunk)
    segments.step(0.0)
    assert segments.knows("t")
    segments.forget(["t", "unknown"])
    assert released(drain(segments, FOREVER)) == []
    assert not segments.knows("t")
    assert segments.idle()
    assert len(finals(run(segments, chunks))) == 1


def test_quiet_tracks_are_dropped():
    segments = engine()
    for chunk in cut(speech()):
        segments.push(chunk)
    drain(segments, 1_000.0)
    assert segments.open_tracks == 1
    segments.step(60_999.0)
    assert segments.open_tracks == 1
    segments.step(61_000.0)
    assert segments.open_tracks == 0
    assert not segments._model.states


def test_a_backlog_is_worked_off_in_steps():
    settings = SegmentSettings(track=short_settings().track, windows_per_step=16)
    segments = engine(settings)
    chunks = cut(np.concatenate([speech()] * 4), 1_000)
    for chunk in chunks:
        segments.push(chunk)
    outputs = segments.step(0.0)
    assert finals(outputs) == []
    assert segments.busy
    outputs += drain(segments)
    expected = finals(run(engine(settings), chunks))
    assert [u.start_ms for u in finals(outputs)] == [u.start_ms for u in expected]
    assert len(expected) == 4


def test_windows_of_all_tracks_share_the_calls_of_the_model():
    chunks = cut(speech())
    alone = engine()
    run(alone, chunks, every=1_000)
    together = engine()
    run(together, [replace(chunk, track=f"{i}") for chunk in chunks for i in range(50)], every=100_000)
    assert together._model.calls == alone._model.calls
