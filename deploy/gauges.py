"""A worker as seen from outside: its processes in the kernel's books, its metrics, its groups' offsets in Kafka."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from prometheus_client.parser import text_string_to_metric_families

from streams import topics
from streams.connection import client_options, start
from streams.settings import Settings
from streams.watchdog import Standing, Watchdog

READ = {"segment": topics.CHUNKS, "listen": topics.UTTERANCES, "catchup": topics.DEFERRED, "judge": topics.FINDINGS}
"""What each group works off. catchup waits while anything live does, so it is not asked for progress."""
STALLED_S = 60.0
_LOOP, _SLACK = "roomwarden_loop_lag_seconds", "roomwarden_deadline_slack_seconds"
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Groups:
    """How far the consumer groups are: records behind, and partitions on which nothing moves."""

    def __init__(self, settings: Settings, partitions: int) -> None:
        self._settings = settings
        self._partitions = partitions
        self._admin: Any = AIOKafkaAdminClient(**client_options(settings))
        self._consumer: Any = AIOKafkaConsumer(**client_options(settings))
        self._watchdog = Watchdog(STALLED_S)
        self.stalled: dict[str, float] = {}
        """Partitions with records waiting and nothing acknowledged for ``STALLED_S``, and the longest time (s)."""

    async def __aenter__(self) -> Self:
        await start(self._admin, self._settings)
        await start(self._consumer, self._settings)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()
        await self._admin.close()

    async def look(self) -> dict[str, int]:
        """Records not yet acknowledged, by stage."""
        behind, standings = {}, []
        for stage, row in READ.items():
            group = f"{self._settings.group_prefix}-{stage}"
            mine = [TopicPartition(row.name, number) for number in range(row.partitions(self._partitions))]
            found = await self._admin.list_consumer_group_offsets(group, partitions=mine)
            done = {tp: max(0, offset.offset) for tp, offset in found.items()}
            ends = await self._consumer.end_offsets(mine)
            behind[stage] = sum(end - done.get(tp, 0) for tp, end in ends.items())
            standings += [
                Standing(f"{stage}: {tp.topic} {tp.partition}", (done.get(tp, 0),), end > done.get(tp, 0))
                for tp, end in ends.items()
                if stage != "catchup"
            ]
        for each in self._watchdog.look(standings):
            self.stalled[each.what] = max(each.seconds, self.stalled.get(each.what, 0.0))
        return behind


def used(pids: Iterable[int | None]) -> tuple[float, float]:
    """CPU seconds so far and resident memory (MiB) of some processes together."""
    cpu_s = memory = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        cpu_s += (int(fields[11]) + int(fields[12])) / _TICKS
        memory += int(fields[21]) * _PAGE / (1 << 20)
    return cpu_s, memory


def counters(text: str) -> dict[tuple[str, str], float]:
    """Values of a /metrics text by name and, of labels, stage, bucket bound (le) and revision, joined by commas."""
    return {
        (sample.name, ",".join(sample.labels[key] for key in ("stage", "revision", "le") if key in sample.labels)): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def prompt_wakes(shown: dict[tuple[str, str], float]) -> tuple[float, float]:
    """Wakes of the event loop that were late by 20 ms at most, and all."""
    prompt = shown.get((f"{_LOOP}_bucket", "0.02"), 0.0)
    return prompt, shown.get((f"{_LOOP}_count", ""), 0.0)


def timely_finals(shown: dict[tuple[str, str], float]) -> tuple[float, float]:
    """Finals whose batch began by their deadline, and all."""
    late = shown.get((f"{_SLACK}_bucket", "final,0.0"), 0.0)
    every = shown.get((f"{_SLACK}_count", "final"), 0.0)
    return every - late, every
