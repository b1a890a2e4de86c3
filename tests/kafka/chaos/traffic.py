"""What is sent: talking tracks, a producer that repeats and reorders, and bad records of every kind among them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from streams import records
from streams.codec import Message, encode
from tests.support import speech
from tests.support.bad_input import CASES

CHUNK_MS = 60
TRACK_CHUNKS = 2_500
"""A track is two and a half minutes long: its capture times stay near Kafka's clock however long a run takes."""
CLIPS = ("tea-room-seller-1", "band-room-fan-1", "tea-room-guest-1", "band-room-drummer-1")
REPEATED = REORDERED = 0.01
BAD = 0.003
LEFT_OUT = {"1.5 MB", "10 MB", "a chunk sent twice", "a sequence that goes back"}
"""Kafka refuses the second, a hundred of the first would be most of the traffic, repetitions are made on the good
tracks, and the last leaves a track open that nobody ends; tests/embedded/test_bad_input.py has them all."""


@dataclass
class Traffic:
    """The messages of a run, in the order of sending, and what must become of them."""

    messages: list[Message]
    chunks: int
    """Good chunks, repetitions not counted."""
    milliseconds: float
    """Audio that must be in the ledger as received: good chunks, and bad ones that have a place in a track."""
    repeated: int
    reordered: int
    bad: dict[str, int] = field(default_factory=dict)
    dead: int = 0
    """Records that must be in the dead letters."""


def traffic(chunks: int, seed: int) -> Traffic:
    """The same messages for the same arguments, but for the time of day."""
    rng = random.Random(seed)
    count = max(6, round(chunks / TRACK_CHUNKS))
    tracks = [_track(n, chunks // count + (n < chunks % count), rng) for n in range(count)]
    made = Traffic([], chunks, sum(c.duration_ms for track in tracks for c in track), 0, 0)
    bad = iter(_bad(rng))
    held: records.Chunk | None = None
    for chunk in (c for row in itertools.zip_longest(*tracks) for c in row if c is not None):
        draw = rng.random()
        if held is None and draw < REORDERED and not chunk.last:
            held = chunk  # comes after the next chunk of its own track
            continue
        made.messages.append(encode(chunk))
        if held is not None and held.session == chunk.session:
            made.messages.append(encode(held))
            made.reordered += 1
            held = None
        if draw > 1 - REPEATED:
            made.messages.append(encode(chunk))
            made.repeated += 1
        if rng.random() < BAD:
            name, spoilt, milliseconds, dead = next(bad)
            made.messages += [item if isinstance(item, Message) else encode(item) for item in spoilt]
            made.milliseconds += milliseconds
            made.bad[name] = made.bad.get(name, 0) + 1
            made.dead += dead
    assert held is None
    return made


def _track(number: int, length: int, rng: random.Random) -> list[records.Chunk]:
    """Sentences with pauses, cut to ``length`` chunks."""
    samples = length * CHUNK_MS * speech.RATE // 1000
    pieces, have = [], 0
    while have < samples:
        pieces += [speech.pause(rng.uniform(0.3, 1.5)), speech.clip(rng.choice(CLIPS))]
        have += len(pieces[-1]) + len(pieces[-2])
    pcm = np.concatenate(pieces)[:samples]
    name = f"chaos-{number}"
    begin_ms = speech.begun_ms(samples / speech.RATE)
    return speech.track(pcm, begin_ms, chunk_ms=CHUNK_MS, room=name, speaker=name, session=name)


def _bad(rng: random.Random) -> Iterator[tuple[str, list[records.Record | Message], float, int]]:
    """Each kind of bad record in turn, on a track of its own: name, records, ms received, dead letters."""
    names = [name for name in CASES if name not in LEFT_OUT]
    rng.shuffle(names)
    for number in itertools.count():
        name = names[number % len(names)]
        case = CASES[name]
        who = f"bad-{number}"
        like = speech.track(speech.pause(0.1), speech.begun_ms(0.1), last=False, room=who, session=who, speaker=who)[0]
        yield name, case.spoil(like), like.duration_ms if case.lost else 0.0, int(case.dead)
