"""The coverage ledger: the equation, minutes, repetition."""

from hypothesis import given
from hypothesis import strategies as st

from streams.ledger import Ledger
from streams.records import Coverage


def interval(number: int, stage: str, kind: str, start_ms: float, milliseconds: float, reason: str = "") -> Coverage:
    return Coverage(
        coverage_id=f"cv_{stage}_{number}" + ("_deferred" if kind == "deferred" else ""),
        utterance_id="" if kind in ("silence", "lost", "gap") else f"ut_{number}",
        stage=stage,
        kind=kind,
        tenant="t",
        room="r",
        speaker="s",
        session="x",
        start_ms=start_ms,
        end_ms=start_ms + milliseconds,
        milliseconds=milliseconds,
        reason=reason,
    )


def test_a_second_of_each_kind() -> None:
    ledger = Ledger()
    ledger.add_all(
        [
            interval(1, "segment", "speech", 0, 1000),
            interval(2, "segment", "silence", 1000, 2000),
            interval(3, "segment", "lost", 3000, 500, "undecodable"),
            interval(4, "segment", "gap", 3500, 250, "missing"),
            interval(1, "listen", "analysed", 0, 600),
            interval(2, "listen", "degraded", 600, 400),
        ]
    )
    total = ledger.total()
    assert total.received == 3500
    assert total.received == total.analysed + total.silence + total.degraded + total.deferred + sum(total.lost.values())
    assert total.under_way == 0
    assert total.gap == 250


def test_what_is_not_heard_yet_is_under_way() -> None:
    ledger = Ledger()
    ledger.add(interval(1, "segment", "speech", 0, 1000))
    assert ledger.total().under_way == 1000


# Whole 16 kHz samples, as the engine accounts them.
MILLISECONDS = st.integers(0, 16 * 200_000).map(lambda samples: samples / 16)


@given(st.lists(st.tuples(MILLISECONDS, MILLISECONDS), min_size=1, max_size=30), st.data())
def test_repeated_and_split_records_never_change_the_sum(
    intervals: list[tuple[float, float]], data: st.DataObject
) -> None:
    spoken = [interval(i, "segment", "speech", start, length) for i, (start, length) in enumerate(intervals)]
    heard = [interval(i, "listen", "analysed", start, length) for i, (start, length) in enumerate(intervals)]
    once, often = Ledger(), Ledger()
    once.add_all(spoken + heard)
    often.add_all(data.draw(st.permutations(spoken + heard + spoken)))
    assert set(once.rows) == set(often.rows)
    assert abs(once.total().received - sum(length for _, length in intervals)) < 1e-6
    for key, row in once.rows.items():
        assert row.under_way == 0
        assert abs(row.received - often.rows[key].received) < 1e-6


def test_what_was_deferred_counts_as_heard_once_it_is() -> None:
    ledger = Ledger()
    ledger.add(interval(1, "segment", "speech", 0, 1000))
    ledger.add(interval(1, "listen", "deferred", 0, 1000))
    assert (ledger.total().deferred, ledger.total().under_way) == (1000, 0)
    ledger.add(interval(1, "listen", "analysed", 0, 1000))
    assert (ledger.total().deferred, ledger.total().analysed, ledger.total().under_way) == (0, 1000, 0)


@given(st.lists(st.tuples(MILLISECONDS, MILLISECONDS), min_size=1, max_size=12), st.data())
def test_the_equation_holds_at_every_moment_and_in_every_order(
    intervals: list[tuple[float, float]], data: st.DataObject
) -> None:
    """Utterances may be deferred, heard at once, heard after all, or both by two workers; nothing counts twice."""
    records: list[Coverage] = []
    for i, (start, length) in enumerate(intervals):
        kinds = data.draw(st.sampled_from([["analysed"], ["deferred"], ["deferred", "analysed"], ["degraded"]]))
        records += [interval(i, "listen", kind, start, length) for kind in kinds]
    heard = {record.utterance_id for record in records if record.kind != "deferred"}
    ledger = Ledger()
    for i, (start, length) in enumerate(intervals):
        ledger.add(interval(i, "segment", "speech", start, length))
    for record in data.draw(st.permutations(records + records)):
        ledger.add(record)
        for row in [*ledger.rows.values(), ledger.total()]:
            assert row.received == row.analysed + row.degraded + row.deferred + row.under_way
            assert min(row.analysed, row.degraded, row.deferred, row.under_way) >= 0
    assert ledger.total().under_way == 0
    waiting = sum(length for i, (_, length) in enumerate(intervals) if f"ut_{i}" not in heard)
    assert ledger.total().deferred == waiting
