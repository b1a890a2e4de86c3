"""Follows offending utterances by tenant and says which of them are one incident; clusters live in a table."""

from __future__ import annotations

import msgspec

from models.incidents import Cluster, Sighting, is_open, see, signature
from models.judgement import Heard, Risk
from models.policy.schema import Incidents
from streams import records
from streams.delivery import Received
from streams.state import StateTable

# Oldest first to be forgotten: a tenant's offending phrases within minutes.
_MOST_CLUSTERS = 256
# Found in the voice or the noise, not in the words.
_WORDLESS = frozenset({"voice", "sound"})


def sighting_record(heard: Heard, risks: tuple[Risk, ...]) -> records.Sighting | None:
    """What the incident watch needs of a final utterance; None where its words are no offence, or too few."""
    spoken = [risk for risk in risks if risk.hits[0].match not in _WORDLESS]
    if not heard.final or not spoken:
        return None
    marks = signature(heard.text)
    if marks is None:
        return None
    worst = max(spoken, key=lambda risk: (risk.severity, risk.score, risk.id))
    return records.Sighting(
        tenant=heard.tenant,
        room=heard.room,
        speaker=heard.speaker,
        utterance_id=heard.utterance_id,
        category=worst.category,
        severity=worst.severity,
        time_ms=heard.end_ms,
        signature=list(marks),
        quote=heard.text[slice(*worst.text_span)],
    )


class IncidentWatch:
    """One partition's tenants. ``see`` first, publish, then ``keep``."""

    def __init__(self, table: StateTable) -> None:
        self._table = table

    def see(self, record: records.Sighting, rule: Incidents) -> tuple[Cluster, records.Incident | None]:
        """The cluster of a sighting, and the incident record where there is news of one."""
        sighting = Sighting(
            record.tenant, record.room, record.speaker, record.utterance_id, record.category, record.severity,
            record.time_ms, tuple(record.signature), record.quote,
        )  # fmt: skip
        cluster, news = see(self._clusters(record.tenant), sighting, rule)
        return cluster, _record(record.tenant, cluster, rule) if news else None

    def keep(self, event: Received, tenant: str, cluster: Cluster, rule: Incidents) -> None:
        """Remember a cluster, and forget those of the tenant that are over."""
        known = {each.id: each for each in self._clusters(tenant)} | {cluster.id: cluster}
        kept = [each for each in known.values() if is_open(each, cluster.last_ms, rule)]
        kept = sorted(kept, key=lambda each: (each.last_ms, each.id))[-_MOST_CLUSTERS:]
        self._table.put(event, tenant, msgspec.json.encode(kept))

    def _clusters(self, tenant: str) -> list[Cluster]:
        stored = self._table.get(tenant)
        return msgspec.json.decode(stored, type=list[Cluster]) if stored else []


def _record(tenant: str, cluster: Cluster, rule: Incidents) -> records.Incident:
    return records.Incident(
        incident_id=cluster.id,
        revision=cluster.revision,
        tenant=tenant,
        category=cluster.category,
        severity=cluster.severity,
        quote=cluster.quote,
        first_ms=cluster.first_ms,
        last_ms=cluster.last_ms,
        within_s=rule.within_s,
        rooms=[
            records.IncidentRoom(
                room=room.room,
                first_ms=room.first_ms,
                last_ms=room.last_ms,
                utterance_id=room.utterance_id,
                speakers=list(room.speakers),
            )
            for room in cluster.rooms
        ],
    )
