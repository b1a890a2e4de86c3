"""Taking over pushed policies: a policy is in force only once it is complete, checked and compiled.

A policy names its lexicons by SHA-256; their texts come apart from it, before or after. So a change waits until it has
all of them, and until then, as after a change that cannot be used, the one before it stays in force. ``Judges`` is
immutable: a worker exchanges the whole of it between two findings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from models.judgement import Decision, Heard, Judge, SpeakerState
from models.lexicon import Lexicon, compiled, parse_lexicon
from models.lexicon.source import InvalidSourceError
from models.policy import Policies, Policy, Problem, parse_policy
from models.policy.schema import Acknowledge, Incidents

ANY_TENANT = "*"


class Judging(Protocol):
    """What a worker needs of a judge."""

    sources: tuple[str, ...]

    def versions(self, tenant: str) -> tuple[str, str]:
        """Hashes of the tenant's policy and of the lexicon."""
        ...

    def acknowledge(self, tenant: str) -> Acknowledge | None:
        """How long to wait for the tenant's platform; None where it does not acknowledge."""
        ...

    def incidents(self, tenant: str) -> Incidents:
        """When utterances of a tenant's rooms are one incident."""
        ...

    def decide(self, heard: Heard, state: SpeakerState) -> Decision:
        """Judge one revision of one utterance."""
        ...


class Judges:
    """Which judge is whose: a pushed policy goes before the files', a tenant's own before the one for all."""

    def __init__(self, files: Judging, pushed: Mapping[str, Judge] | None = None) -> None:
        self._files = files
        self._pushed = dict(pushed or {})

    def of(self, tenant: str) -> Judging:
        """The judge for a tenant's findings."""
        own = self._pushed.get(tenant)
        if own is not None:
            return own
        if isinstance(self._files, Judge) and any(policy.tenant == tenant for policy in self._files.policies):
            return self._files
        return self._pushed.get(ANY_TENANT, self._files)


@dataclass(frozen=True, slots=True)
class Pushed:
    """One change as it was pushed; ``origin`` is whatever the caller wants back when it is refused."""

    tenant: str
    version: str
    document: str
    lexicons: Mapping[str, str]
    """File name to SHA-256."""
    origin: Any = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A change that will never be in force, and why: the first fault, without quoted content."""

    change: Pushed
    why: str


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of the changes noted so far."""

    judges: Judges
    taken: tuple[Pushed, ...] = ()
    refused: tuple[Refused, ...] = ()
    waiting: tuple[Pushed, ...] = ()


@dataclass
class Takeover:
    """Collects changes and lexicons, and makes judges of them. One thread at a time."""

    files: Judge
    _texts: dict[str, str] = field(default_factory=dict)
    _offers: dict[str, list[Pushed]] = field(default_factory=dict)
    _pushed: dict[str, Judge] = field(default_factory=dict)
    _compiled: dict[tuple[str, ...], Lexicon] = field(default_factory=dict)

    def add_lexicon(self, sha256: str, text: str) -> bool:
        """Note a lexicon's text; False, and no effect, where it does not have this hash."""
        if hashlib.sha256(text.encode()).hexdigest() != sha256:
            return False
        self._texts[sha256] = text
        return True

    def change(self, change: Pushed) -> None:
        """Note a change; the newest that can be used will be in force."""
        self._offers.setdefault(change.tenant, []).append(change)

    def withdraw(self, tenant: str) -> None:
        """Let the files decide again for a tenant."""
        self._offers.pop(tenant, None)
        self._pushed.pop(tenant, None)

    def settle(self) -> Settled:
        """Compile what is complete; takes seconds with large lexicons."""
        taken: list[Pushed] = []
        refused: list[Refused] = []
        waiting: list[Pushed] = []
        for tenant, offers in list(self._offers.items()):
            later: list[Pushed] = []
            while offers:
                change = offers.pop()
                if any(sha256 not in self._texts for sha256 in change.lexicons.values()):
                    later.append(change)
                    continue
                try:
                    self._pushed[tenant] = self._judge(change)
                except InvalidSourceError as error:
                    refused.append(Refused(change, str(error.problems[0])))
                    continue
                taken.append(change)
                offers.clear()
            self._offers[tenant] = later[::-1]
            waiting += later
        self._forget()
        return Settled(Judges(self.files, self._pushed), tuple(taken), tuple(refused[::-1]), tuple(waiting))

    def _judge(self, change: Pushed) -> Judge:
        policy = one_policy(change.document, change.tenant)
        if not change.lexicons:
            return Judge(self.files.lexicon, Policies([policy]), self.files.sources)
        hashes = tuple(change.lexicons.values())
        lexicon = self._compiled.get(hashes)
        if lexicon is None:
            entries = [e for name, sha256 in change.lexicons.items() for e in parse_lexicon(self._texts[sha256], name)]
            lexicon = self._compiled[hashes] = compiled(entries)
        return Judge(lexicon, Policies([policy]), hashes)

    def _forget(self) -> None:
        """Keep compiled lexicons that are in force, and texts that may be wanted."""
        used = {judge.sources for judge in self._pushed.values()}
        self._compiled = {hashes: lexicon for hashes, lexicon in self._compiled.items() if hashes in used}


def one_policy(document: str, tenant: str) -> Policy:
    """The policy of a pushed document. Raises InvalidSourceError where it is not one, for this tenant."""
    policies = parse_policy(document, "policy.changes")
    if len(policies) != 1 or policies[0].tenant != tenant:
        raise InvalidSourceError(
            [Problem("policy.changes", 1, "tenant", "not one policy for the record's tenant", "use `policy push`")]
        )
    return policies[0]
