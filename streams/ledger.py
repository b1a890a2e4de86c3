"""The coverage ledger: what became of every received second, per track and minute, from voice.coverage alone.

``received = analysed + silence + degraded + deferred + lost(reason)`` holds exactly once everything published has been
worked off; until then the difference is what is still under way. Gaps in capture were never received: they are shown
beside the equation, not in it. What was deferred and has been heard since counts as heard, in whatever order the two
records come.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from streams.records import Coverage

MINUTE_MS = 60_000.0
SAMPLES_PER_MS = 16.0
_ACCOUNTED = ("analysed", "degraded", "deferred")


@dataclass(frozen=True, slots=True, order=True)
class LedgerKey:
    """One minute (Unix ms of its start) of one track."""

    tenant: str
    room: str
    speaker: str
    session: str
    minute_ms: float


@dataclass(slots=True)
class LedgerRow:
    """Milliseconds of one minute of one track, by what became of them."""

    speech: float = 0.0
    silence: float = 0.0
    analysed: float = 0.0
    degraded: float = 0.0
    deferred: float = 0.0
    gap: float = 0.0
    lost: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    duplicates: int = 0

    @property
    def received(self) -> float:
        """Everything that reached ``segment``, ms."""
        return self.speech + self.silence + sum(self.lost.values())

    @property
    def under_way(self) -> float:
        """Received and not yet accounted for, ms; 0 at rest."""
        return self.speech - self.analysed - self.degraded - self.deferred


class Ledger:
    """Adds coverage records up; a record that is repeated counts once."""

    def __init__(self) -> None:
        self.rows: dict[LedgerKey, LedgerRow] = defaultdict(LedgerRow)
        self._seen: set[str] = set()
        self._deferred: dict[tuple[str, str], Coverage] = {}
        self._heard: set[tuple[str, str]] = set()

    def add(self, record: Coverage) -> None:
        """Take in one record, split over the minutes that it spans."""
        if record.coverage_id in self._seen:
            return
        self._seen.add(record.coverage_id)
        utterance = (record.tenant, record.utterance_id)
        if record.kind == "deferred":
            if utterance in self._heard:
                return
            self._deferred[utterance] = record
        elif record.stage == "listen" and record.utterance_id:
            self._heard.add(utterance)
            earlier = self._deferred.pop(utterance, None)
            if earlier is not None:
                self._spread(earlier, -1.0)
        self._spread(record)

    def _spread(self, record: Coverage, sign: float = 1.0) -> None:
        track = (record.tenant, record.room, record.speaker, record.session)
        for minute_ms, whole_ms in _minutes(record.start_ms, record.end_ms, record.milliseconds):
            row, share_ms = self.rows[LedgerKey(*track, minute_ms)], sign * whole_ms
            if record.stage == "segment":
                self._received(row, record.kind, record.reason, share_ms)
            elif record.kind in _ACCOUNTED:
                setattr(row, record.kind, getattr(row, record.kind) + share_ms)

    def add_all(self, records: Iterable[Coverage]) -> None:
        """Take in many records."""
        for record in records:
            self.add(record)

    def total(self) -> LedgerRow:
        """All rows added up."""
        total = LedgerRow()
        for row in self.rows.values():
            for name in ("speech", "silence", "analysed", "degraded", "deferred", "gap", "duplicates"):
                setattr(total, name, getattr(total, name) + getattr(row, name))
            for reason, milliseconds in row.lost.items():
                total.lost[reason] += milliseconds
        return total

    @staticmethod
    def _received(row: LedgerRow, kind: str, reason: str, milliseconds: float) -> None:
        if kind == "speech":
            row.speech += milliseconds
        elif kind == "silence":
            row.silence += milliseconds
        elif kind == "lost":
            row.lost[reason] += milliseconds
        elif kind == "gap":
            row.gap += milliseconds
        elif kind == "duplicate":
            row.duplicates += 1


def _minutes(start_ms: float, end_ms: float, milliseconds: float) -> list[tuple[float, float]]:
    """The minutes that an interval touches, each with its share; the shares add up to ``milliseconds``.

    They are whole samples, which binary numbers add up, and take back, without an error.
    """
    span = end_ms - start_ms
    first = start_ms // MINUTE_MS * MINUTE_MS
    if span <= 0 or end_ms <= first + MINUTE_MS:
        return [(first, milliseconds)]
    shares = []
    begin, left = start_ms, milliseconds
    while begin < end_ms:
        minute = begin // MINUTE_MS * MINUTE_MS
        until = min(end_ms, minute + MINUTE_MS)
        # The last minute takes what is left, so that rounding never adds or loses a millisecond.
        part = round(SAMPLES_PER_MS * milliseconds * (until - begin) / span) / SAMPLES_PER_MS
        share = left if until >= end_ms else part
        shares.append((minute, share))
        left -= share
        begin = until
    return shares
