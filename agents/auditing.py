"""Recorded decisions computed again, each by the versions that made it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import msgspec

from agents.sources import Archive, Missing
from models.replaying import code_version, decided_again, digest_of, outline
from streams import records

Result = Literal["equal", "different", "missing"]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came out of one decision, computed again. ``why`` says what differs or is missing."""

    decision: records.Decision
    result: Result
    why: str = ""


def replay(decisions: Iterable[records.Decision], archive: Archive) -> Iterator[Replayed]:
    """Compute each decision again."""
    for decision in decisions:
        yield _one(decision, archive)


def _one(decision: records.Decision, archive: Archive) -> Replayed:
    try:
        again = decided_again(decision.basis, archive.judge(decision))
    except Missing as missing:
        return Replayed(decision, "missing", str(missing))
    except (msgspec.ValidationError, KeyError, LookupError) as problem:
        return Replayed(decision, "missing", f"its basis cannot be used by this release ({type(problem).__name__})")
    if digest_of(again) == decision.digest:
        return Replayed(decision, "equal")
    if decision.code_version != code_version():
        reason = f"code {decision.code_version} decided, this is {code_version()}"
    else:
        reason = "policy, lexicon and code are the same: the record was changed"
    before, after = "; ".join(decision.outline), "; ".join(outline(again))
    return Replayed(decision, "different", f"{reason}. Then: {before or 'nothing'}. Now: {after or 'nothing'}")
