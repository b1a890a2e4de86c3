"""Precision of takedowns by what people decided about them: moderation.takedowns and moderation.outcomes, added up.

Only takedowns that a person has looked at count, and people look at appeals more than at others: the figure says how
often a reviewed takedown was right, not how often any would be.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from streams.records import Outcome, Takedown

_Z95 = 1.959964


@dataclass(slots=True)
class Verdicts:
    """What became of the takedowns of one category or rule. Repeats and reissues count with their first."""

    issued: int = 0
    acknowledged: int = 0
    failed: int = 0
    appealed: int = 0
    upheld: int = 0
    overturned: int = 0

    @property
    def precision(self) -> float | None:
        """Upheld among the reviewed; None where nobody has looked."""
        reviewed = self.upheld + self.overturned
        return self.upheld / reviewed if reviewed else None

    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the precision (Wilson 1927)."""
        count = self.upheld + self.overturned
        if not count:
            return None
        share, square = self.upheld / count, _Z95 * _Z95
        centre = (share + square / (2 * count)) / (1 + square / count)
        half = _Z95 * math.sqrt(share * (1 - share) / count + square / (4 * count * count)) / (1 + square / count)
        # At 0 and 1 the bound is the share itself, but for rounding.
        return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def tally(
    takedowns: Iterable[Takedown], outcomes: Iterable[Outcome], *, by: str = "category", tenant: str | None = None
) -> dict[str, Verdicts]:
    """Verdicts by ``category`` or ``rule``; repeated records count once.

    A takedown that was overturned stays so; otherwise its last word counts. Shadow takedowns and lifts are left out;
    outcomes of takedowns that are not given too.
    """
    label: dict[str, str] = {}
    root: dict[str, str] = {}
    for each in takedowns:
        if each.dry_run or each.action == "lift" or tenant not in (None, each.target.tenant):
            continue
        first = each.reissue_of or each.takedown_id
        root[each.takedown_id] = first
        if not each.reissue_of:
            label[first] = str(getattr(each, by))
    seen: dict[str, set[str]] = {}
    for outcome in sorted(outcomes, key=lambda o: o.time_ms):
        name = root.get(outcome.takedown_id)
        if name in label:
            mine = seen.setdefault(name, set())
            if outcome.outcome == "upheld" and "overturned" not in mine:
                mine.add("upheld")
            elif outcome.outcome != "upheld":
                mine.add(outcome.outcome)
                mine -= {"upheld"} if outcome.outcome == "overturned" else set()
    table: dict[str, Verdicts] = {}
    for name, group in label.items():
        row = table.setdefault(group, Verdicts())
        row.issued += 1
        for outcome_name in seen.get(name, ()):
            setattr(row, outcome_name, getattr(row, outcome_name) + 1)
    return dict(sorted(table.items()))
