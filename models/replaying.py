"""Decisions computed again: what one depended on, as plain data, and whether the same comes out of it.

``Judge.decide`` is a pure function, so its arguments and the versions of policy, lexicon and code are all there is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import msgspec

from models.judgement import Decision, Heard, Judge, SpeakerState

_CODE = ("judgement.py", "findings.py", "charges.py", "strikes.py", "reasons.py", "voices.py", "policy", "lexicon",
         "text", "classifier", "sounds", "synthetic/evidence.py")  # fmt: skip
"""What decides, beside lexicon and policy, which have versions of their own."""


def basis_of(heard: Heard, state: SpeakerState) -> dict[str, Any]:
    """Everything that a decision depended on, but for versions. Holds words and identities.

    Takedowns of other utterances are reduced to their action, which is all of them that can matter.
    """
    causes = tuple(
        cause
        if cause.utterance_id == heard.utterance_id
        else replace(cause, takedown={"action": cause.takedown["action"]})
        for cause in state.causes
    )
    plain: dict[str, Any] = msgspec.to_builtins({"heard": heard, "state": replace(state, causes=causes)})
    return plain


def decided_again(basis: Mapping[str, Any], judge: Judge) -> Decision:
    """The decision from its basis. Raises msgspec.ValidationError where it is none, LookupError as ``decide``."""
    return judge.decide(msgspec.convert(basis["heard"], Heard), msgspec.convert(basis["state"], SpeakerState))


def digest_of(decision: Decision) -> str:
    """SHA-256 over all that was decided: risks with their hits, takedowns with reasons and facts."""
    said = msgspec.to_builtins({"risks": decision.risks, "takedowns": decision.takedowns})
    text = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def outline(decision: Decision) -> list[str]:
    """A decision in a few words without quotes, for comparison by people."""
    found = [f"risk {r.category} severity {r.severity} by {r.hits[0].list}, {r.hits[0].match}" for r in decision.risks]
    done = [
        f"{t.action} {t.ttl_s} s by rule {t.rule} at {t.strikes:g} strikes{' (dry run)' if t.dry_run else ''}"
        for t in decision.takedowns
    ]
    return found + done


@lru_cache(maxsize=1)
def code_version() -> str:
    """First 16 hexadecimal digits of the SHA-256 over the code and tables that decide."""
    digest = hashlib.sha256()
    for name in _CODE:
        for path, content in _contents(files("models").joinpath(name), name):
            digest.update(f"{path}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def _contents(place: Traversable, name: str) -> list[tuple[str, bytes]]:
    if place.is_file():
        return [(name, place.read_bytes())]
    if not place.is_dir():
        return []
    found = []
    for child in sorted(place.iterdir(), key=lambda each: each.name):
        # Lexicons and policies are YAML and have versions of their own; compiled code follows from its source.
        if child.name != "__pycache__" and not child.name.endswith(".yaml"):
            found += _contents(child, f"{name}/{child.name}")
    return found
