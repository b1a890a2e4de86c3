"""Admission: how many tracks of a tenant are taken at once; whole tracks are refused, never pieces of one."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping

IDLE_MS = 10_000.0
"""A track gives up its place after so long without a chunk, by the capture times of its lane."""


class Admission:
    """Counts the tracks that send. No clock: time is what the chunks say.

    Chunks come on lanes (partitions), each in order by itself; one lane may be far behind another, as after a restart.
    """

    def __init__(self, limits: Mapping[str, int]) -> None:
        """`limits`: most tracks by tenant; "*": of each tenant without an entry. No entry: no limit."""
        self._limits = dict(limits)
        self.share = 1.0
        """This worker's part of all lanes, and so of every limit."""
        self._tracks: dict[str, dict[str, tuple[Hashable, float]]] = {}
        self._latest: dict[Hashable, float] = {}

    def limit(self, tenant: str) -> float:
        """How many tracks of a tenant may send at once."""
        whole = self._limits.get(tenant, self._limits.get("*"))
        return math.inf if whole is None else math.ceil(whole * self.share)

    def remedy(self, tenant: str) -> str:
        """What to tell whoever sends too many: the limit, and what to do."""
        whole = self._limits.get(tenant, self._limits.get("*"))
        return (
            f"the tenant may send {whole} tracks at once, {self.limit(tenant):g} of them to this worker, and this is "
            "one more: send fewer, or have ROOMWARDEN_ADMISSION raised; the track is refused until another falls silent"
        )

    def admits(self, tenant: str, track: str, lane: Hashable, time_ms: float) -> bool:
        """Whether a chunk is taken. A track that was taken once is taken until it falls silent."""
        limit = self.limit(tenant)
        if limit == math.inf:
            return True
        now_ms = self._latest[lane] = max(time_ms, self._latest.get(lane, time_ms))
        tracks = self._tracks.setdefault(tenant, {})
        known = tracks.get(track)
        if known is None or now_ms - known[1] > IDLE_MS:
            tracks.pop(track, None)
            self._drop_silent(tracks)
            if len(tracks) >= limit:
                return False
        tracks[track] = lane, max(time_ms, known[1] if known else time_ms)
        return True

    def ended(self, tenant: str, track: str) -> None:
        """A track is over; its place is free."""
        self._tracks.get(tenant, {}).pop(track, None)

    def forget(self, lanes: Iterable[Hashable]) -> None:
        """Lanes went to another worker, with their tracks."""
        gone = set(lanes)
        for tenant, tracks in self._tracks.items():
            self._tracks[tenant] = {name: at for name, at in tracks.items() if at[0] not in gone}
        for lane in gone:
            self._latest.pop(lane, None)

    def _drop_silent(self, tracks: dict[str, tuple[Hashable, float]]) -> None:
        for name in [name for name, (lane, at_ms) in tracks.items() if self._latest[lane] - at_ms > IDLE_MS]:
            del tracks[name]
