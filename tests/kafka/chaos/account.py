"""What a run published, repetitions taken together by id, and how it differs from another run."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any

from streams import records, topics
from streams.breaks import Place
from streams.codec import Message, decode
from streams.ledger import Ledger
from streams.verification import Verifier

READ = (
    topics.UTTERANCES,
    topics.FINDINGS,
    topics.DECISIONS,
    topics.TAKEDOWNS,
    topics.COVERAGE,
    topics.DEAD_LETTERS,
)
AUDIT_KEY = "chaos"
"""Seals the record: what is on it twice with two contents was then published by a worker."""


@dataclass
class Account:
    """Facts by id. Audio is kept as a checksum only: a long run would not fit into memory."""

    words: bool = True
    """Whether what was heard is compared; a real model may hear a word otherwise in another batch."""

    utterances: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    findings: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    takedowns: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    dead: dict[tuple[str, str, str], str] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    received_ms: float = 0.0
    analysed_ms: float = 0.0
    copies: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("utterance", "finding", "takedown"), 0))
    contradictions: list[str] = field(default_factory=list)
    """Ids that were published twice with different contents."""
    judged: set[str] = field(default_factory=set)

    record: Verifier = field(default_factory=lambda: Verifier([AUDIT_KEY.encode()]))

    def add(self, message: Any) -> None:
        """Take in one message of a topic of ``READ``."""
        row = topics.BY_NAME[message.topic]
        if row.chained:
            sealed = Message(message.topic, message.key, message.value, list(message.headers))
            self.record.feed(sealed, Place(message.topic, message.partition, message.offset), message.timestamp)
        if row is topics.DEAD_LETTERS:
            headers = {name: value.decode(errors="replace") for name, value in message.headers}
            origin = (headers["rw_topic"], headers["rw_partition"], headers["rw_offset"])
            self.dead[origin] = headers["rw_reason"]
            return
        record: Any = decode(row.record, message.headers, message.value)  # type: ignore[type-var]
        match record:
            case records.Utterance() if record.final:
                place = (record.start_ms, record.end_ms, record.first_sequence, record.last_sequence, record.cause)
                self._once("utterance", self.utterances, record.utterance_id, (*place, zlib.crc32(record.audio)))
            case records.Finding() if record.final:
                text = record.transcript if self.words else ""
                self._once("finding", self.findings, record.utterance_id, (text, record.start_ms))
            case records.Takedown():
                facts = (record.action, record.utterance_id, record.rule)
                self._once("takedown", self.takedowns, record.takedown_id, facts)
                self.judged.add(record.utterance_id)
            case records.Coverage():
                self.ledger.add(record)
            case _:
                pass

    def _once(self, what: str, known: dict[str, tuple[Any, ...]], identity: str, facts: tuple[Any, ...]) -> None:
        self.copies[what] += 1
        if known.setdefault(identity, facts) != facts:
            self.contradictions.append(f"{what} {identity}")

    def measure(self) -> None:
        """Bring ``received_ms`` and ``analysed_ms`` up to date."""
        total = self.ledger.total()
        self.received_ms, self.analysed_ms = total.received, total.analysed + total.degraded

    def complete(self, milliseconds: float, dead: int, stub: bool = True) -> bool:
        """Whether everything received is accounted for, heard, judged and, where unreadable, buried.

        The stub hears an offence in every utterance; with a real recogniser, whether all are judged is not known.
        """
        total = self.ledger.total()
        return (
            total.received >= milliseconds - 0.5
            and abs(total.under_way) < 0.5
            and set(self.findings) == set(self.utterances)
            and (not stub or self.judged == set(self.utterances))
            and len(self.dead) >= dead
        )

    def repeated(self) -> dict[str, float]:
        """Published again, as a share of what had to be published."""
        counts = {"utterance": self.utterances, "finding": self.findings, "takedown": self.takedowns}
        return {what: self.copies[what] / max(1, len(known)) - 1.0 for what, known in counts.items()}


def differences(disturbed: Account, undisturbed: Account) -> dict[str, int]:
    """What must all be 0."""
    mine, theirs = disturbed.ledger.total(), undisturbed.ledger.total()
    per_cause = len(disturbed.takedowns) - len({facts[1:] for facts in disturbed.takedowns.values()})
    return {
        "utterances lost": len(undisturbed.utterances.keys() - disturbed.utterances.keys()),
        "utterances of a run's own": len(disturbed.utterances.keys() - undisturbed.utterances.keys()),
        "utterances that differ": sum(
            facts != undisturbed.utterances[u]
            for u, facts in disturbed.utterances.items()
            if u in undisturbed.utterances
        ),
        "findings lost": len(undisturbed.findings.keys() - disturbed.findings.keys()),
        "takedowns missing": len(undisturbed.takedowns.keys() - disturbed.takedowns.keys()),
        "takedowns of a run's own": len(disturbed.takedowns.keys() - undisturbed.takedowns.keys()),
        "second takedowns for one cause": per_cause,
        "ids with two contents": len(disturbed.contradictions),
        "breaks of the record": sum(len(report.breaks) for report in disturbed.record.reports()),
        "dead letters missing": len(undisturbed.dead) - len(disturbed.dead),
        "milliseconds received that differ": round(mine.received - theirs.received),
        "milliseconds heard that differ": round(mine.analysed + mine.degraded - theirs.analysed - theirs.degraded),
        "milliseconds lost that differ": round(sum(mine.lost.values()) - sum(theirs.lost.values())),
        "milliseconds not accounted for": round(mine.under_way),
    }
