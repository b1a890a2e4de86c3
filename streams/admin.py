"""Creates the topics of the table on a broker; safe to repeat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.new_partitions import NewPartitions

from streams.connection import client_options, start
from streams.settings import Settings
from streams.topics import TOPICS, Topic


@dataclass(frozen=True, slots=True)
class Applied:
    """What happened to one topic."""

    name: str
    partitions: int
    result: str
    """``created``, ``unchanged``, ``grown from N`` or ``has N partitions, more than asked for``."""


class TopicError(RuntimeError):
    """A topic could not be created; the text says which and why."""


async def apply_topics(settings: Settings, rows: tuple[Topic, ...] = TOPICS) -> list[Applied]:
    """Create what is missing and grow what is too small; partitions are never taken away.

    Raises:
        TopicError: when the broker refuses a topic.
        KafkaRefused: when it does not let us in.
    """
    admin: Any = AIOKafkaAdminClient(**client_options(settings))
    await start(admin, settings)
    try:
        # Asking the embedded broker to describe a topic creates it, so ask only for what is there.
        names = set(await admin.list_topics()) & {row.name for row in rows}
        described = await admin.describe_topics(sorted(names)) if names else []
        present = {entry["topic"]: len(entry["partitions"]) for entry in described if not entry.get("error_code")}
        missing = [row for row in rows if row.name not in present]
        if missing:
            await _create(admin, missing, settings)
        grow = {
            row.name: row.partitions(settings.partitions)
            for row in rows
            if 0 < present.get(row.name, 0) < row.partitions(settings.partitions)
        }
        if grow:
            await admin.create_partitions({name: NewPartitions(total_count=count) for name, count in grow.items()})
    finally:
        await admin.close()
    return [_describe(row, settings.partitions, present.get(row.name)) for row in rows]


async def _create(admin: Any, rows: list[Topic], settings: Settings) -> None:
    response = await admin.create_topics(
        [
            NewTopic(
                row.name,
                row.partitions(settings.partitions),
                settings.replication_factor,
                topic_configs=row.config(),
            )
            for row in rows
        ]
    )
    for name, code, *text in response.topic_errors:
        if code not in (0, 36):  # 36: another process created it meanwhile
            raise TopicError(
                f"the broker refused topic {name} (error {code}): {text[0] if text and text[0] else 'no text'}"
            )


def _describe(row: Topic, partitions: int, before: int | None) -> Applied:
    wanted = row.partitions(partitions)
    if before is None:
        return Applied(row.name, wanted, "created")
    if before < wanted:
        return Applied(row.name, wanted, f"grown from {before}")
    if before > wanted:
        return Applied(row.name, before, f"has {before} partitions, more than asked for; kept")
    return Applied(row.name, wanted, "unchanged")
