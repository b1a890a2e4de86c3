"""Loading policies: from YAML to checked documents, or to a list of what is wrong."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from models.lexicon.source import InvalidSourceError, Lines, Problem, line_of, read_yaml, schema_problems
from models.policy.resolve import Rules, resolve
from models.policy.schema import Policy


class Policies:
    """The policies in force: one per tenant, and one for all others. Immutable; ``version`` covers all of them."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        self._by_tenant = {p.tenant: p for p in policies}
        self._resolved: dict[tuple[str, str, str], Rules] = {}
        self._versions = {tenant: policy.version for tenant, policy in sorted(self._by_tenant.items())}
        versions = "".join(f"{tenant}={version}\n" for tenant, version in self._versions.items())
        only = next(iter(self._versions.values())) if len(self._versions) == 1 else None
        self.version = only or hashlib.sha256(versions.encode()).hexdigest()[:16]

    def __iter__(self) -> Iterator[Policy]:
        return iter(self._by_tenant.values())

    def for_tenant(self, tenant: str) -> Policy:
        """The tenant's policy, else the general one. Raises LookupError where there is neither."""
        found = self._by_tenant.get(tenant) or self._by_tenant.get("*")
        if found is None:
            raise LookupError('no policy for this tenant; push one, or add a document with tenant: "*"')
        return found

    def version_for(self, tenant: str) -> str:
        """Version of the policy that applies to a tenant; LookupError as ``for_tenant``."""
        return self._versions[self.for_tenant(tenant).tenant]

    def rules(self, tenant: str, room_type: str, role: str) -> Rules:
        """What is in force for a role in a type of room of a tenant."""
        policy = self.for_tenant(tenant)
        # Unknown room types and roles share one entry, so that names sent from outside cannot fill the cache.
        key = (policy.tenant, room_type if room_type in policy.rooms else "", role if role in policy.roles else "")
        found = self._resolved.get(key)
        if found is None:
            found = self._resolved[key] = resolve(policy, key[1], key[2])
        return found

    def with_policy(self, policy: Policy) -> Policies:
        """A copy in which ``policy`` is its tenant's policy; this one stays as it is."""
        return Policies({**self._by_tenant, policy.tenant: policy}.values())


def load_policy(source: str | Path | None = None) -> Policies:
    """Policies from a file, a YAML text (any string with a line break), or the starter policy (None).

    Raises PolicyError (InvalidSourceError) naming file, line, field and remedy of every fault.
    """
    if source is None:
        return starter_policy()
    return Policies(parse_policy(*_text_of(source)))


def parse_policy(text: str, name: str = "policy") -> list[Policy]:
    """The documents of a policy text; ``name`` stands in the faults. Raises PolicyError as ``load_policy``."""
    policies, problems = _parse(text, name)
    if problems:
        raise InvalidSourceError(problems)
    return policies


def check(source: str | Path) -> list[Problem]:
    """Every fault of a policy text or file, in the order of its lines; empty if it can be used."""
    try:
        text, name = _text_of(source)
        problems = _parse(text, name)[1]
    except InvalidSourceError as error:
        problems = list(error.problems)
    return sorted(problems, key=lambda p: (p.file, p.line, p.field))


def starter_policy() -> Policies:
    """The policy that comes with the package."""
    text = files("models.policy").joinpath("data/starter.yaml").read_text(encoding="utf-8")
    return Policies(parse_policy(text, "starter.yaml"))


def _text_of(source: str | Path) -> tuple[str, str]:
    if isinstance(source, str) and "\n" in source:
        return source, "policy"
    return read_text(source)


def read_text(source: str | Path) -> tuple[str, str]:
    """Text of a file and its name. Raises InvalidSourceError where it cannot be read."""
    try:
        return Path(source).read_text(encoding="utf-8"), str(source)
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem(str(source), 1, "", "the file cannot be read", "check the path, and that it is UTF-8 text")
        raise InvalidSourceError([problem]) from error


def _parse(text: str, name: str) -> tuple[list[Policy], list[Problem]]:
    policies: list[Policy] = []
    problems: list[Problem] = []
    documents = read_yaml(text, name)
    if not documents:
        problems.append(Problem(name, 1, "", "the file is empty", "write a policy with at least one rule"))
    for data, lines in documents:
        try:
            policy = Policy.model_validate(data)
        except ValidationError as error:
            problems += schema_problems(error, lines, name)
            continue
        problems += _contradictions(policy, lines, name)
        if any(p.tenant == policy.tenant for p in policies):
            line = line_of(("tenant",), lines)
            problems.append(Problem(name, line, "tenant", "two policies for one tenant", "merge them, or rename one"))
        policies.append(policy)
    return policies, problems


def _contradictions(policy: Policy, lines: Lines, name: str) -> Iterator[Problem]:
    """Faults that only show when the parts of a policy are seen together."""
    known = {rule.id for rule in policy.rules}
    for rule_id, count in Counter(rule.id for rule in policy.rules).items():
        if count > 1:
            last = max(i for i, rule in enumerate(policy.rules) if rule.id == rule_id)
            yield Problem(
                name,
                line_of(("rules", last, "id"), lines),
                f"rules[{last}].id",
                f"a second rule {rule_id}",
                "rename it",
            )
    for index, rule in enumerate(policy.rules):
        for earlier in policy.rules[:index]:
            hidden = earlier.category == "*" or (rule.category != "*" and earlier.covers(rule.category))
            if (
                hidden
                and rule.match <= earlier.match
                and (earlier.min_severity or 1) <= (rule.min_severity or 1)
                and not earlier.min_score
            ):
                where = line_of(("rules", index), lines)
                yield Problem(
                    name,
                    where,
                    f"rules[{index}]",
                    f"never reached, because rule {earlier.id} covers it",
                    f"move it before {earlier.id}",
                )
                break
    for kind, overrides in (("rooms", policy.rooms), ("roles", policy.roles)):
        for label, override in overrides.items():
            for rule_id in sorted(set(override.rules) - known):
                place = (kind, label, "rules", rule_id)
                yield Problem(
                    name, line_of(place, lines), ".".join(place), "no rule has this id", "use the id of a rule above"
                )
            try:
                resolve(policy, label if kind == "rooms" else "", label if kind == "roles" else "")
            except ValidationError as error:
                for item in error.errors(include_url=False, include_input=False):
                    message = item["msg"].removeprefix("Value error, ")
                    text, _, remedy = message.partition(": ")
                    yield Problem(
                        name, line_of((kind, label), lines), f"{kind}.{label}", text, remedy or "correct the override"
                    )
