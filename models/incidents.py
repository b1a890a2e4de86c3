"""Raids: the same phrase or script in many rooms within minutes is one incident with its rooms, not many alerts.

Offending utterances of a tenant are compared by what they sound like: MinHash signatures (Broder 1997) over runs of
three syllable classes or letters, so that homophones, punctuation and a few misheard words make no difference.
Utterances alike form a cluster around its first; a cluster in enough rooms at once is an incident, and stays one while
it goes on.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from models.findings import computed_id
from models.policy.schema import Incidents
from models.text.fold import fold
from models.text.pinyin import code_tables

SIGNATURE_SIZE = 48
# Standard deviation of the estimated similarity at 0.5: sqrt(0.25 / 48) = 0.07.
_SHINGLE = 3
# Shorter utterances say too little to be the same script.
SHORTEST = 4
_MOST_ROOMS = 1000
_MOST_SPEAKERS = 20


def _numbers(label: str) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    digests = (hashlib.sha256(f"{label}{n}".encode()).digest()[:8] for n in range(SIGNATURE_SIZE))
    return np.array([int.from_bytes(digest, "big") for digest in digests], dtype=np.uint64)


# Multiply-shift hashing (Dietzfelbinger et al. 1997): odd factors, arithmetic modulo 2^64, the upper half.
_FACTOR = _numbers("factor") | np.uint64(1)
_OFFSET = _numbers("offset")


def sounded(text: str) -> str:
    """A text as syllable classes and letters, without anything between them."""
    coded = fold(text).translate(code_tables()[0])
    # Syllable classes are private-use characters.
    return "".join(char for char in coded if char.isalnum() or "\ue000" <= char <= "\uf8ff")


def signature(text: str) -> tuple[int, ...] | None:
    """MinHash signature of what a text sounds like, 48 numbers of 32 bits; None where it says too little."""
    codes = sounded(text)
    if len(codes) < SHORTEST:
        return None
    shingles = {codes[i : i + _SHINGLE] for i in range(len(codes) - _SHINGLE + 1)}
    hashed = np.array([zlib.crc32(shingle.encode()) for shingle in sorted(shingles)], dtype=np.uint64)
    mixed = (hashed[:, None] * _FACTOR + _OFFSET) >> np.uint64(32)
    return tuple(int(value) for value in mixed.min(axis=0))


def similarity(one: Iterable[int], other: Iterable[int]) -> float:
    """Estimated share of shingles that two texts have in common (Jaccard)."""
    return sum(a == b for a, b in zip(one, other, strict=True)) / SIGNATURE_SIZE


@dataclass(frozen=True, slots=True)
class Sighting:
    """An offending utterance, as far as incidents are concerned. ``quote`` and ``speaker`` are personal."""

    tenant: str
    room: str
    speaker: str
    utterance_id: str
    category: str
    severity: int
    time_ms: float
    signature: tuple[int, ...]
    quote: str


@dataclass(frozen=True, slots=True)
class SeenRoom:
    """Where a cluster was heard: first and last time, the first utterance, who said it."""

    room: str
    first_ms: float
    last_ms: float
    utterance_id: str
    speakers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Utterances that sound alike. ``incident`` once they were in enough rooms at the same time."""

    id: str
    category: str
    severity: int
    signature: tuple[int, ...]
    quote: str
    first_ms: float
    last_ms: float
    rooms: tuple[SeenRoom, ...]
    incident: bool = False

    @property
    def revision(self) -> int:
        """Rises with every new room and speaker."""
        return sum(len(room.speakers) for room in self.rooms)


def see(known: Iterable[Cluster], sighting: Sighting, rule: Incidents) -> tuple[Cluster, bool]:
    """The cluster after one more utterance, and whether that is news of an incident. Seen twice, it is no news."""
    near = [
        (similarity(cluster.signature, sighting.signature), cluster)
        for cluster in known
        if cluster.category == sighting.category and is_open(cluster, sighting.time_ms, rule)
    ]
    alike = [(score, cluster) for score, cluster in near if score >= rule.similarity]
    if not alike:
        return _first(sighting), False
    before = max(alike, key=lambda pair: (pair[0], pair[1].id))[1]
    after = _with(before, sighting)
    since = after.last_ms - rule.within_s * 1000.0
    if not after.incident and sum(room.last_ms >= since for room in after.rooms) >= rule.rooms:
        after = replace(after, incident=True)
    return after, after.incident and (not before.incident or after.revision > before.revision)


def is_open(cluster: Cluster, now_ms: float, rule: Incidents) -> bool:
    """Whether an utterance at this time may still belong to a cluster."""
    slack = rule.within_s * 1000.0
    return cluster.first_ms - slack <= now_ms <= cluster.last_ms + slack


def _first(sighting: Sighting) -> Cluster:
    room = SeenRoom(
        sighting.room, sighting.time_ms, sighting.time_ms, sighting.utterance_id, (sighting.speaker,)
    )  # fmt: skip
    return Cluster(
        id=computed_id("in_", sighting.tenant, sighting.category, sighting.utterance_id),
        category=sighting.category,
        severity=sighting.severity,
        signature=sighting.signature,
        quote=sighting.quote,
        first_ms=sighting.time_ms,
        last_ms=sighting.time_ms,
        rooms=(room,),
    )


def _with(cluster: Cluster, sighting: Sighting) -> Cluster:
    at = sighting.time_ms
    rooms = {room.room: room for room in cluster.rooms}
    mine = rooms.get(sighting.room)
    if mine is not None:
        speakers = tuple(dict.fromkeys((*mine.speakers, sighting.speaker)))[:_MOST_SPEAKERS]
        mine = replace(mine, first_ms=min(mine.first_ms, at), last_ms=max(mine.last_ms, at), speakers=speakers)
    elif len(rooms) < _MOST_ROOMS:
        mine = SeenRoom(sighting.room, at, at, sighting.utterance_id, (sighting.speaker,))
    if mine is not None:
        rooms[sighting.room] = mine
    return replace(
        cluster,
        severity=max(cluster.severity, sighting.severity),
        first_ms=min(cluster.first_ms, at),
        last_ms=max(cluster.last_ms, at),
        rooms=tuple(rooms.values()),
    )
