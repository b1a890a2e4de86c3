"""Raids: what sounds alike is one incident with its rooms; what does not, or is far apart, is none."""

from itertools import combinations, product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.incidents import Cluster, Sighting, see, signature, similarity, sounded
from models.policy.schema import Incidents

RULE = Incidents(rooms=3, within_s=60)
SCRIPT = "姐妹们快来加我微信，每天带你刷单赚三百块"
TEXTS = Path(__file__).parents[2] / "loadtest" / "voices" / "texts"


def alike(one: str, other: str) -> float:
    marks = signature(one), signature(other)
    assert marks[0] is not None
    assert marks[1] is not None
    return similarity(*marks)


def sighting(number: int, room: str, text: str = SCRIPT, at_s: float | None = None, **changes) -> Sighting:
    marks = signature(text)
    assert marks is not None
    fields = {
        "tenant": "t", "room": room, "speaker": f"s{number}", "utterance_id": f"u{number}", "category": "ads/x/y",
        "severity": 2, "time_ms": 1000.0 * (number if at_s is None else at_s), "signature": marks, "quote": text[:4],
    }  # fmt: skip
    return Sighting(**(fields | changes))


def watch(*sightings: Sighting, rule: Incidents = RULE) -> tuple[list[tuple[str, int, int]], dict[str, Cluster]]:
    """(id, revision, rooms) of each record that would be published, and the clusters at the end."""
    known: dict[str, Cluster] = {}
    news = []
    for each in sightings:
        cluster, is_news = see(known.values(), each, rule)
        known[cluster.id] = cluster
        if is_news:
            news.append((cluster.id, cluster.revision, len(cluster.rooms)))
    return news, known


@pytest.mark.parametrize(
    ("other", "low", "high"),
    [
        (SCRIPT, 1.0, 1.0),
        ("姐妹们,快来加我微信!每天带你刷单赚三百块", 1.0, 1.0),  # punctuation
        ("姊妹们快来加我威信，每天带你刷单赚三百块", 0.5, 1.0),  # misheard
        ("家人们快来加我微信，每天带你刷单赚三百块", 0.5, 1.0),  # another greeting
        ("今天的歌真好听，再来一首好不好", 0.0, 0.2),
        ("add me on WhatsApp and earn every day", 0.0, 0.2),
    ],
)
def test_scripts_are_compared_by_sound(other, low, high):
    assert low <= alike(SCRIPT, other) <= high


def test_no_two_of_our_own_sentences_are_taken_for_one_another():
    sentences = {
        line.strip().split("\t")[-1]
        for name in ("zh.txt", "en.txt")
        if (TEXTS / name).exists()
        for line in (TEXTS / name).read_text("utf-8").splitlines()
        if line.strip() and not line.startswith("#")
    }
    marks = [m for s in sorted(sentences) if (m := signature(s)) is not None]
    assert len(marks) > 100
    taken = sum(similarity(a, b) >= 0.5 for a, b in combinations(marks, 2))
    assert taken <= len(marks) * (len(marks) - 1) // 2 // 1000  # one pair in a thousand


@given(st.text(max_size=40))
def test_a_signature_is_a_function_of_what_is_sounded(text):
    marks = signature(text)
    assert (marks is None) == (len(sounded(text)) < 4)
    assert marks == signature("，".join(text))
    if marks is not None:
        assert len(marks) == 48
        assert similarity(marks, marks) == 1.0
        assert all(0 <= value < 2**32 for value in marks)


def test_many_rooms_are_one_incident_that_grows():
    news, known = watch(*(sighting(n, f"r{n}") for n in range(6)))
    assert len({name for name, _, _ in news}) == len(known) == 1
    assert [(revision, rooms) for _, revision, rooms in news] == [(3, 3), (4, 4), (5, 5), (6, 6)]


def test_the_same_speaker_in_the_same_room_again_is_no_news():
    raid = [sighting(n, f"r{n}") for n in range(3)]
    assert len(watch(*raid, *raid, sighting(9, "r0", speaker="s0"))[0]) == 1
    assert len(watch(*raid, sighting(9, "r0", speaker="another"))[0]) == 2


def test_one_room_however_loud_is_no_incident():
    assert watch(*(sighting(n, "r") for n in range(20)))[0] == []


def test_rooms_hours_apart_are_no_incident():
    assert watch(*(sighting(n, f"r{n}", at_s=n * 61.0) for n in range(6)))[0] == []
    # Each near the next, but never three within a minute.
    assert watch(*(sighting(n, f"r{n}", at_s=n * 40.0) for n in range(6)))[0] == []


def test_other_words_or_another_category_are_another_matter():
    assert watch(*(sighting(n, f"r{n}", text) for n, text in enumerate([SCRIPT, "我要杀了你你等着", SCRIPT])))[0] == []
    assert watch(*(sighting(n, f"r{n}", category=f"a/b/{n}") for n in range(3)))[0] == []


def test_an_incident_ends_and_the_next_one_is_another():
    first = [sighting(n, f"r{n}") for n in range(3)]
    later = [sighting(n, f"r{n}", at_s=1000.0 + n) for n in range(10, 13)]
    news, _ = watch(*first, *later)
    assert len({name for name, _, _ in news}) == 2


@given(st.permutations(range(6)))
def test_records_of_one_raid_out_of_order_are_still_one_incident(order):
    news, known = watch(*(sighting(n, f"r{n}") for n in order))
    assert len(known) == 1
    assert news[-1][2] == 6


def test_hundreds_of_rooms_are_still_one():
    news, known = watch(*(sighting(n, f"r{n}", at_s=n / 10) for n in range(300)))
    assert len(known) == 1
    assert news[-1][2] == 300


def test_two_raids_at_once_are_two():
    scripts = [SCRIPT, "免费领取礼品卡，点击主页链接联系客服"]
    news, known = watch(*(sighting(2 * n + k, f"r{n}", scripts[k]) for n, k in product(range(4), range(2))))
    assert len(known) == 2
    assert sorted(rooms for _, _, rooms in news) == [3, 3, 4, 4]
