"""Impairments, one by one and together."""

from hypothesis import given
from hypothesis import strategies as st

from loadtest.events import TimedChunk
from loadtest.impairments import impair
from loadtest.schema import Impairments


def track(count: int, duration_ms: float = 20.0) -> list[TimedChunk]:
    return [
        TimedChunk(
            at_ms=(index + 1) * duration_ms,
            tenant="t",
            room="r",
            speaker="s",
            session="x",
            sequence=index,
            content_type="audio/pcm;rate=16000",
            payload=b"",
            duration_ms=duration_ms,
            capture_offset_ms=index * duration_ms,
            last=index == count - 1,
            declared_synthetic=False,
        )
        for index in range(count)
    ]


def sequences(chunks: list[TimedChunk]) -> list[int]:
    return [chunk.sequence for chunk in chunks]


def test_nothing_changes_by_default() -> None:
    assert list(impair(track(50), Impairments(), "s")) == track(50)


def test_loss_takes_its_share() -> None:
    kept = sequences(list(impair(track(4000), Impairments(loss=0.1), "s")))
    assert 3400 < len(kept) < 3800
    assert kept == sorted(set(kept))


def test_duplicates_repeat_the_same_chunk() -> None:
    sent = list(impair(track(1000), Impairments(duplicate=0.2), "s"))
    assert 1100 < len(sent) < 1300
    assert sorted(set(sequences(sent))) == list(range(1000))
    assert max(sequences(sent).count(number) for number in range(1000)) == 2


def test_reordering_moves_chunks_by_two_at_most() -> None:
    sent = sequences(list(impair(track(1000), Impairments(reorder=0.1), "s")))
    assert sorted(sent) == list(range(1000))
    assert sent != sorted(sent)
    assert max(abs(place - number) for place, number in enumerate(sent)) <= 2


def test_jitter_delays_but_keeps_the_order() -> None:
    sent = list(impair(track(1000), Impairments(jitter_ms=200), "s"))
    assert sequences(sent) == list(range(1000))
    delays = [chunk.at_ms - (chunk.sequence + 1) * 20 for chunk in sent]
    assert min(delays) >= 0
    assert 100 < max(delays) <= 200


def test_capture_times_are_never_touched() -> None:
    how = Impairments(jitter_ms=100, loss=0.1, duplicate=0.1, reorder=0.1)
    assert all(chunk.capture_offset_ms == chunk.sequence * 20 for chunk in impair(track(500), how, "s"))


def test_one_option_does_not_change_another() -> None:
    lost = set(range(500)) - set(sequences(list(impair(track(500), Impairments(loss=0.1), "s"))))
    both = Impairments(loss=0.1, jitter_ms=50, duplicate=0.1)
    assert set(range(500)) - set(sequences(list(impair(track(500), both, "s")))) == lost


@given(
    jitter=st.floats(0, 500),
    loss=st.floats(0, 1),
    duplicate=st.floats(0, 1),
    reorder=st.floats(0, 1),
    seed=st.text(max_size=5),
)
def test_sending_times_never_go_back(jitter: float, loss: float, duplicate: float, reorder: float, seed: str) -> None:
    how = Impairments(jitter_ms=jitter, loss=loss, duplicate=duplicate, reorder=reorder)
    sent = list(impair(track(60), how, seed))
    times = [chunk.at_ms for chunk in sent]
    assert times == sorted(times)
    assert all(chunk.at_ms >= (chunk.sequence + 1) * 20 for chunk in sent)
    assert sent == list(impair(track(60), how, seed))
