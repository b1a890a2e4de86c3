"""Takedowns that stand: what is left of them when somebody comes back, what undoes them, what if nobody answers.

Pure functions of a takedown and the time. Times are Unix milliseconds: of the platform's events where a speaker comes
back, of the worker's clock where an answer is awaited.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from models.findings import computed_id
from models.judgement import Takedown
from models.policy.schema import RANK, Acknowledge
from models.reasons import lifted_reason, still_reason, unanswered_reason

# A verdict may come days later; after this a takedown is known from its topic only.
REMEMBER_MS = 7 * 86_400_000.0
# Actions that leave something behind to hold up when the target comes back.
LASTING = frozenset({"mute", "kick", "suspend"})


@dataclass(frozen=True, slots=True)
class Standing:
    """A takedown that was issued, without its facts; ``verdict`` once a person has decided about it."""

    takedown: Takedown
    verdict: str = ""

    def remaining_s(self, now_ms: float) -> int:
        """Seconds that it still lasts, counted from the words that led to it; 0 when it is over or was overturned."""
        if self.takedown.action not in LASTING or self.verdict == "overturned":
            return 0
        return max(0, math.ceil(self.takedown.ttl_s - (now_ms - self.takedown.at_ms) / 1000.0))


def standing(takedown: Takedown) -> Standing:
    """What is kept of a takedown."""
    return Standing(replace(takedown, facts={}))


def reissued(known: Iterable[Standing], room: str, now_ms: float) -> Takedown | None:
    """The most severe takedown that still lasts, once more for somebody who has just joined a room."""
    lasting = [(s, left) for s in known if not s.takedown.reissue_of and (left := s.remaining_s(now_ms)) > 0]
    if not lasting:
        return None
    strongest, left = max(lasting, key=lambda pair: (RANK[pair[0].takedown.action], pair[1], pair[0].takedown.id))
    first = strongest.takedown
    target = {name: value for name, value in first.target.items() if name != "session"} | {"room": room}
    return replace(
        first,
        id=computed_id("td_", first.id, "joined", room, str(int(now_ms))),
        target=target,
        ttl_s=left,
        reason=still_reason(first.action, left),
        facts={"reissue_of": first.id, "first_ttl_s": first.ttl_s, "first_room": first.target["room"]},
        reissue_of=first.id,
        strike=0.0,
        at_ms=now_ms,
    )


def lifted(stood: Standing, now_ms: float) -> Takedown:
    """The command that undoes a takedown."""
    first = stood.takedown
    return replace(
        first,
        id=computed_id("td_", first.id, "lift"),
        action="lift",
        ttl_s=0,
        reason=lifted_reason(first.action),
        facts={"lifts": first.action, "strike_taken_back": first.strike, "remaining_s": stood.remaining_s(now_ms)},
        reverses=first.reissue_of or first.id,
        reissue_of="",
        strike=0.0,
        at_ms=now_ms,
        automated=False,
    )


def unanswered(first: Takedown, attempts: int, now_ms: float) -> Takedown:
    """The order to a person to look after a takedown that the platform has not acknowledged."""
    return replace(
        first,
        id=computed_id("td_", first.id, "unanswered"),
        action="review",
        ttl_s=0,
        rule="unanswered",
        reason=unanswered_reason(),
        facts={"unanswered": first.id, "action": first.action, "attempts": attempts, "first_rule": first.rule},
        strike=0.0,
        at_ms=now_ms,
    )


@dataclass(frozen=True, slots=True)
class Awaited:
    """A takedown whose acknowledgement is awaited. ``sent_ms`` is the worker's clock at the last sending."""

    takedown: Takedown
    revision: int
    within_s: int
    repeats: int
    sent_ms: float
    attempts: int = 1
    partition: int = 0
    """Partition of the room, whose table it is in."""

    def due_ms(self) -> float:
        """When something must happen: the wait doubles with each attempt."""
        return self.sent_ms + self.within_s * 1000.0 * 2.0 ** (self.attempts - 1)

    def is_last(self) -> bool:
        """Whether all repeats are used up."""
        return self.attempts > self.repeats

    def again(self, now_ms: float) -> Awaited:
        """After one more sending."""
        return replace(self, attempts=self.attempts + 1, sent_ms=now_ms)


def awaited(takedown: Takedown, revision: int, rule: Acknowledge, now_ms: float, partition: int) -> Awaited:
    """What is kept until a takedown is acknowledged."""
    return Awaited(takedown, revision, rule.within_s, rule.repeats, now_ms, 1, partition)


def verdict_of(outcome: str, before: str) -> str:
    """The verdict after an outcome: the last word of a person stands, except that what was overturned stays so."""
    return outcome if outcome in {"upheld", "overturned"} and before != "overturned" else before
