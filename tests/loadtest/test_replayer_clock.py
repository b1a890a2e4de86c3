"""The replayer on a clock of its own: nobody waits."""

from collections.abc import Iterator
from itertools import count

import pytest

from loadtest.events import Timed, TimedChunk, TimedEvent
from loadtest.read_ahead import ReadAhead
from loadtest.replayer import TICK_MS, Drift, RealClock, replay


class VirtualClock:
    """Time moves only by sleeping, or when a sender says that it took some."""

    def __init__(self, oversleep_ms: float = 0.0) -> None:
        self.now = 5_000.0
        self.sleeps = 0
        self.oversleep_ms = oversleep_ms

    def wall_ms(self) -> float:
        return 1_700_000_000_000.0

    def now_ms(self) -> float:
        return self.now

    async def sleep_ms(self, duration: float) -> None:
        self.sleeps += 1
        self.now += duration + self.oversleep_ms


def chunk(at_ms: float, session: str = "s") -> TimedChunk:
    return TimedChunk(
        at_ms,
        "t",
        "r",
        "p",
        session,
        0,
        "audio/opus",
        b"12345",
        20.0,
        at_ms - 20.0,
        last=False,
        declared_synthetic=False,
    )


def opened(at_ms: float) -> TimedEvent:
    return TimedEvent(at_ms, "room.opened", "t", "r", "", "", {})


class Sink:
    def __init__(self, clock: VirtualClock, takes_ms: float = 0.0) -> None:
        self.clock, self.takes_ms = clock, takes_ms
        self.sent: list[tuple[Timed, float, float]] = []

    async def __call__(self, timed: Timed, unix_ms: float) -> None:
        self.sent.append((timed, unix_ms, self.clock.now))
        self.clock.now += self.takes_ms


async def test_things_leave_when_they_are_due() -> None:
    clock = VirtualClock()
    sink = Sink(clock)
    report = await replay([opened(0), chunk(20), chunk(40), chunk(1000, "z")], sink, clock=clock)
    assert [now - 5000 for _, _, now in sink.sent] == [0, 20, 40, 1000]
    assert [unix - 1_700_000_000_000 for _, unix, _ in sink.sent] == [0, 0, 20, 980]
    assert (report.chunks, report.events, report.rooms, report.tracks) == (3, 1, 1, 2)
    assert report.payload_bytes == 15
    assert report.audio_ms == 60
    assert report.elapsed_ms == 1000
    assert report.drift.max_ms == 0
    assert report.as_dict()["content_types"] == {"audio/opus": 3}


async def test_a_thousand_tracks_cost_few_wakeups() -> None:
    clock = VirtualClock()
    things = [chunk(20 + track / 1000, str(track)) for track in range(1000)]
    report = await replay(things, Sink(clock), clock=clock)
    assert clock.sleeps == 1
    assert report.tracks == 1000
    assert report.drift.max_ms < TICK_MS


async def test_a_slow_sender_shows_as_drift() -> None:
    clock = VirtualClock()
    report = await replay([chunk(20.0 * i) for i in range(1, 51)], Sink(clock, takes_ms=30.0), clock=clock)
    assert report.drift.max_ms == pytest.approx(490)
    assert report.drift.percentile(0.5) == pytest.approx(241, abs=10)


async def test_oversleeping_is_measured_not_added_up() -> None:
    clock = VirtualClock(oversleep_ms=3.0)
    report = await replay([chunk(20.0 * i) for i in range(1, 201)], Sink(clock), clock=clock)
    assert report.drift.max_ms == pytest.approx(3.0)


@pytest.mark.parametrize(("speed", "elapsed"), [(2.0, 500.0), (0.5, 2000.0), (0.0, 0.0)])
async def test_speed(speed: float, elapsed: float) -> None:
    clock = VirtualClock()
    sink = Sink(clock)
    report = await replay([chunk(20), chunk(1000)], sink, clock=clock, speed=speed)
    assert report.elapsed_ms == elapsed
    assert [unix - 1_700_000_000_000 for _, unix, _ in sink.sent] == [0, 980]
    with pytest.raises(ValueError, match=r"0 .* or more"):
        await replay([], sink, clock=clock, speed=-1)


async def test_it_can_be_stopped() -> None:
    clock = VirtualClock()
    sink = Sink(clock)
    report = await replay(
        [chunk(20.0 * i) for i in range(1, 100)], sink, clock=clock, stop=lambda: len(sink.sent) >= 10
    )
    assert report.stopped
    assert report.chunks == 10


async def test_what_the_sender_raises_comes_through() -> None:
    async def refuse(timed: Timed, unix_ms: float) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await replay([chunk(20)], refuse, clock=VirtualClock())


async def test_things_are_drawn_only_when_due() -> None:
    clock = VirtualClock()
    sink = Sink(clock)
    ahead: list[int] = []

    def things() -> Iterator[Timed]:
        for number in range(1, 30):
            ahead.append(number - len(sink.sent))
            yield chunk(20.0 * number)

    await replay(things(), sink, clock=clock, read_ahead=0)
    assert max(ahead) == 1


@pytest.mark.parametrize("read_ahead", [0, 1, 7, 4096])
async def test_reading_ahead_changes_nothing(read_ahead: int) -> None:
    clock = VirtualClock()
    sink = Sink(clock)
    things = [chunk(20.0 * number) for number in range(1, 200)]
    report = await replay(things, sink, clock=clock, read_ahead=read_ahead)
    assert [thing for thing, _, _ in sink.sent] == things
    assert report.drift.max_ms == 0
    with pytest.raises(ValueError, match="read_ahead must be"):
        await replay(things, sink, clock=clock, read_ahead=-1)


@pytest.mark.parametrize("read_ahead", [0, 4])
async def test_what_the_traffic_raises_comes_through(read_ahead: int) -> None:
    def broken() -> Iterator[Timed]:
        yield chunk(20)
        raise LookupError

    clock = VirtualClock()
    sink = Sink(clock)
    with pytest.raises(LookupError):
        await replay(broken(), sink, clock=clock, read_ahead=read_ahead)
    assert len(sink.sent) == 1


def test_reading_ahead_is_bounded_and_ends_with_its_block() -> None:
    drawn = []
    with ReadAhead((drawn.append(number) or number for number in count()), 8) as ahead:
        ahead.wait(100)
        assert [next(ahead) for _ in range(50)] == list(range(50))
        assert len(drawn) <= 50 + 8 + 1
    assert not ahead._thread.is_alive()
    with pytest.raises(ValueError, match="1 or more"):
        ReadAhead([], 0)


async def test_the_real_clock_moves() -> None:
    clock = RealClock()
    before = clock.now_ms()
    await clock.sleep_ms(0.0)
    assert clock.now_ms() >= before
    assert clock.wall_ms() > 1_600_000_000_000


def test_drift_percentiles() -> None:
    drift = Drift()
    assert drift.percentile(0.5) == 0.0
    for late in range(100):
        drift.add(late + 0.5)
    drift.add(-4.0)
    assert drift.percentile(0.5) == pytest.approx(50, abs=1.5)
    assert drift.percentile(1.0) == 99.5
