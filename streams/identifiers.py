"""Computed identifiers: replays and duplicates of one cause carry one id, and so collapse."""

from __future__ import annotations

import hashlib


def computed_id(prefix: str, *parts: object) -> str:
    """``prefix_`` and 20 hexadecimal digits (80 bits) of the SHA-256 over the parts, unambiguously joined."""
    text = "".join(f"{len(part)}:{part}" for part in map(str, parts))  # lengths: no part can pose as two
    return f"{prefix}_{hashlib.sha256(text.encode()).hexdigest()[:20]}"


def utterance_id(tenant: str, session: str, speaker: str, sequence: int, sample: int) -> str:
    """Id of the utterance whose first 16 kHz sample is ``sample`` of chunk ``sequence``."""
    return computed_id("ut", tenant, session, speaker, sequence, sample)


def coverage_id(*parts: object) -> str:
    """Id of one accounted interval."""
    return computed_id("cv", *parts)


def track_key(tenant: str, room: str, session: str, speaker: str) -> str:
    """Key of one speaker's track in state tables."""
    return "\x1f".join((tenant, room, session, speaker))
