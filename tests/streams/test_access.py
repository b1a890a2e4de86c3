"""Access lists: complete for what the stages do, and no more."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from agents.worker import STAGES, StageName
from streams import topics
from streams.access import ACCESS, Role, acls
from streams.metrics import Metrics
from streams.settings import Settings


@pytest.mark.parametrize("stage", get_args(StageName))
def test_a_stage_may_read_what_it_reads(stage: StageName, tmp_path: Path) -> None:
    made = STAGES[stage](Settings(state_dir=tmp_path), Metrics())
    parts = made.parts()
    read = {name for part in parts for agent in part.app.agents.values() for name in agent.channel.topics}
    assert read <= {row.name for row in ACCESS[stage].reads}
    groups = [rule.name for rule in acls(stage, "roomwarden") if rule.resource == "group"]
    assert groups == [part.app.conf.id for part in parts]
    (own,) = [rule.name for rule in acls(stage, "roomwarden") if rule.prefixed]
    assert all(table.changelog_topic_name.startswith(own) for table in made.app.tables.values())


def test_every_topic_is_read_by_a_role_and_written_by_another_account_than_all() -> None:
    for row in topics.TOPICS:
        assert [role for role, access in ACCESS.items() if row in access.writes and role != "operator"] or (
            row in (topics.POLICIES, topics.SOURCES)
        )
        assert [role for role, access in ACCESS.items() if row in access.reads]


def test_only_the_operator_may_create_topics_of_the_table() -> None:
    for role in get_args(Role):
        created = [rule for rule in acls(role, "p") if "Create" in rule.operations and not rule.prefixed]
        assert bool(created) == (role == "operator")


def test_the_platform_cannot_forge_what_the_stages_say() -> None:
    written = {row.name for row in ACCESS["platform"].writes}
    assert not written & {"moderation.takedowns", "risk.events", "voice.findings", "voice.coverage"}
