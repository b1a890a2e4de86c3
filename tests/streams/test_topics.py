"""The one table of topics agrees with the contract: names, keys, retention, and room for what is sent."""

from __future__ import annotations

import re

import pytest

from streams import records
from streams.codec import encode
from streams.topics import BY_NAME, DAY_MS, HOUR_MS, TOPICS, Topic
from tests.support import samples

CONTRACT = {
    "voice.chunks",
    "voice.rooms",
    "voice.utterances",
    "voice.deferred",
    "voice.findings",
    "risk.events",
    "judge.sightings",
    "risk.incidents",
    "moderation.takedowns",
    "moderation.decisions",
    "moderation.outcomes",
    "voice.coverage",
    "policy.changes",
    "policy.sources",
    "voice.dead-letters",
}


def test_the_contract_names_these_topics_and_no_others() -> None:
    assert {topic.name for topic in TOPICS} == CONTRACT == set(BY_NAME)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda t: t.name)
def test_names_and_types_are_legal(topic: Topic) -> None:
    assert re.fullmatch(r"[a-z.-]{1,249}", topic.name)
    assert re.fullmatch(r"io\.roomwarden\.[a-z-]+\.v1", topic.type)
    assert topic.description


def test_nouns_and_records_are_owned_by_one_topic_each() -> None:
    assert len({topic.noun for topic in TOPICS}) == len(TOPICS)
    owned = [topic.record for topic in TOPICS if topic.record is not None]
    assert len(set(owned)) == len(owned)


def test_audio_is_gone_within_hours_and_decisions_stay_six_months() -> None:
    for topic in TOPICS:
        if topic.content == "audio":
            assert topic.retention_ms <= 6 * HOUR_MS
    for name in (
        "risk.events",
        "moderation.takedowns",
        "moderation.decisions",
        "moderation.outcomes",
        "voice.coverage",
    ):
        assert BY_NAME[name].retention_ms >= 180 * DAY_MS


def test_only_policies_and_their_texts_are_compacted() -> None:
    assert [topic.name for topic in TOPICS if topic.cleanup == "compact"] == ["policy.changes", "policy.sources"]
    assert "retention.ms" not in BY_NAME["policy.changes"].config()
    assert BY_NAME["voice.chunks"].config() == {
        "cleanup.policy": "delete",
        "max.message.bytes": str(2 * 1024 * 1024),
        "retention.ms": str(6 * HOUR_MS),
    }


def test_partition_counts_follow_the_deployment() -> None:
    assert BY_NAME["voice.chunks"].partitions(24) == 24
    assert BY_NAME["policy.changes"].partitions(24) == 1


def test_what_a_stage_reads_together_has_equal_partition_counts() -> None:
    """judge joins findings and rooms by key: the same key must land on the same partition number."""
    assert BY_NAME["voice.findings"].partitions(12) == BY_NAME["voice.rooms"].partitions(12)


def test_the_longest_utterance_fits_its_topic() -> None:
    longest = samples.utterance(audio=bytes(int(13.0 * 16_000) * 2))  # 12 s and the overlap of a forced cut
    message = encode(longest)
    assert len(message.value) + 2048 < BY_NAME["voice.utterances"].max_bytes


def test_two_seconds_of_the_widest_audio_fit_a_chunk() -> None:
    widest = 2 * 48_000 * 2 * 2  # stereo s16le at 48 kHz
    assert widest < BY_NAME["voice.chunks"].max_bytes


def test_records_that_hold_words_or_people_are_marked_personal() -> None:
    for topic in TOPICS:
        if topic.record is None or topic.content == "audio":
            assert topic.personal
            continue
        schema = str(records.json_schema(topic.record))
        assert topic.personal or "'x-pii': True" not in schema
