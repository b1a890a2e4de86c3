"""Texts of policies and lexicons: from a worker's files, and by hash, for decisions that are computed again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from models.judgement import Judge
from models.lexicon import compiled, parse_lexicon
from models.lexicon.entries import version_of
from models.policy import Policies, Policy, PolicyError, parse_policy
from models.policy.load import read_text
from streams import records


def sha256_of(text: str) -> str:
    """SHA-256 of a text in UTF-8, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def source(kind: Literal["policy", "lexicon"], tenant: str, name: str, version: str, text: str) -> records.Source:
    """The record of a text."""
    return records.Source(sha256=sha256_of(text), kind=kind, tenant=tenant, name=name, version=version, content=text)


@dataclass(frozen=True, slots=True)
class Files:
    """A policy file and lexicon files as (text, name); the starter ones where none are named."""

    policy: tuple[str, str]
    lexicons: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, policy: Path | None, lexicons: Sequence[Path]) -> Files:
        """Read them. Raises InvalidSourceError naming a file that cannot be read."""
        return cls(
            read_text(policy) if policy else starter_policy_text(),
            tuple(read_text(path) for path in lexicons) if lexicons else starter_lexicon_texts(),
        )

    def judge(self) -> Judge:
        """The judge of these files. Raises InvalidSourceError with every fault of the first file that has one."""
        entries = [entry for text, name in self.lexicons for entry in parse_lexicon(text, name)]
        hashes = tuple(sha256_of(text) for text, _ in self.lexicons)
        return Judge(compiled(entries), Policies(parse_policy(*self.policy)), hashes)

    def records(self) -> list[records.Source]:
        """The texts as records, for policy.sources; names without their folders."""
        text, name = self.policy
        version = Policies(parse_policy(text, name)).version
        found = [source("policy", "*", Path(name).name, version, text)]
        for text, name in self.lexicons:
            found.append(source("lexicon", "*", Path(name).name, version_of(parse_lexicon(text, name)), text))
        return found


def load_judge(policy: Path | None, lexicons: Sequence[Path]) -> Judge:
    """The judge for a policy file and lexicon files; the starter ones where none are named."""
    return Files.read(policy, lexicons).judge()


def starter_policy_text() -> tuple[str, str]:
    """Text and name of the policy that comes with the package."""
    return files("models.policy").joinpath("data/starter.yaml").read_text(encoding="utf-8"), "starter.yaml"


def starter_lexicon_texts() -> tuple[tuple[str, str], ...]:
    """Text and name of the lists that come with the package, in the order of their names."""
    folder = files("models.lexicon").joinpath("data")
    found = sorted((f.name, f.read_text(encoding="utf-8")) for f in folder.iterdir() if f.name.endswith(".yaml"))
    return tuple((text, name) for name, text in found)


class Missing(LookupError):
    """A version that no text at hand has; the text names it."""


class Archive:
    """Judges by the versions that decided, from texts found anywhere."""

    def __init__(self, sources: Iterable[records.Source]) -> None:
        self._texts: dict[str, str] = {}
        self._policies: dict[str, Policy] = {}
        self._judges: dict[tuple[str, str, tuple[str, ...]], Judge] = {}
        self._known: dict[str, str] = {}
        for each in sources:
            if sha256_of(each.content) == each.sha256:
                self._add(each)

    def _add(self, each: records.Source) -> None:
        if each.kind == "lexicon":
            self._texts[each.sha256] = each.content
            self._known[each.name] = each.sha256
            return
        try:
            policies = parse_policy(each.content, each.name)
        except PolicyError:
            return  # one that this release cannot read decided nothing that it can compute again
        for policy in policies:
            self._policies[policy.version] = policy

    def judge(self, decision: records.Decision) -> Judge:
        """The judge that decided. Raises Missing, naming what is not at hand or is no longer what it was."""
        key = (decision.policy_version, decision.lexicon_version, tuple(decision.lexicon_sources))
        found = self._judges.get(key)
        if found is None:
            found = self._judges[key] = self._made(*key)
        return found

    def _made(self, policy_version: str, lexicon_version: str, sources: tuple[str, ...]) -> Judge:
        policy = self._policies.get(policy_version)
        if policy is None:
            raise Missing(f"policy {policy_version} is not at hand; name its file with --policy")
        absent = [sha256 for sha256 in sources if sha256 not in self._texts]
        if absent:
            have = ", ".join(f"{name} {sha[:12]}…" for name, sha in sorted(self._known.items())) or "none"
            raise Missing(
                f"lexicon {lexicon_version}: text {absent[0][:12]}… is not at hand or has changed (at hand: {have}); "
                "name its file with --lexicon"
            )
        entries = [entry for sha256 in sources for entry in parse_lexicon(self._texts[sha256])]
        if (version := version_of(entries)) != lexicon_version:
            raise Missing(f"lexicon {lexicon_version} decided, but its texts now give {version}")
        return Judge(compiled(entries), Policies([policy]), sources)
