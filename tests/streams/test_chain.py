"""Chains of the record: links, what tampering leaves behind, and what kills may leave behind."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.breaks import Anchor, Break, Place, Report, Scope
from streams.chain import CHAIN_HEADER, Head, Heads, Link, Sealer, key_id, link_of
from streams.codec import Message
from streams.verification import Verifier

TOPIC = "moderation.takedowns"
CHAIN = "roomwarden-judge/0"
KEY = b"kept elsewhere"


def command(number: int, *, tenant: str = "demo", judged_ms: float = 0.0) -> Message:
    value = json.dumps({"takedown_id": f"td_{number}", "action": "mute", "stages": {"judged_ms": judged_ms}})
    headers = [
        ("ce_id", f"td_{number}".encode()),
        ("ce_tenant", tenant.encode()),
        ("content-type", b"application/json"),
    ]
    return Message(TOPIC, b"tea-room", value.encode(), headers)


def linked(message: Message, sealer: Sealer) -> Message:
    return replace(message, headers=message.headers + sealer.seal(message))


def sealed(count: int, key: bytes = b"", heads: Heads | None = None, first: int = 0) -> list[Message]:
    sealer = Sealer(CHAIN, heads or {}, key)
    return [linked(command(number), sealer) for number in range(first, first + count)]


def verified(
    record: Sequence[Message],
    *keys: bytes,
    expired: bool = False,
    anchors: Sequence[Anchor] = (),
    scope: Scope | None = None,
) -> tuple[Report, list[Break]]:
    """The report of the only chain, and everything broken."""
    verifier = Verifier(keys, expired=[(TOPIC, 0)] if expired else [])
    for offset, message in enumerate(record):
        verifier.feed(message, Place(TOPIC, 0, offset), 1000.0 * offset)
    (report,) = verifier.reports(scope or Scope(), anchors)
    return report, [*verifier.strays, *report.breaks]


def broken(record: Sequence[Message], *keys: bytes, expired: bool = False) -> list[tuple[str, int]]:
    """Kind and offset of everything that is wrong."""
    _, breaks = verified(record, *keys, expired=expired)
    return [(each.kind, each.place.offset if each.place else -1) for each in breaks]


keys = st.sampled_from([b"", KEY])


def test_the_hash_is_the_documented_one() -> None:
    (first, second) = sealed(2, KEY)
    before, link = link_of(first), link_of(second)
    assert before is not None
    assert link is not None
    parts = [
        b"roomwarden.chain.v1", CHAIN.encode(), b"2", before.hash.encode(), key_id(KEY).encode(), TOPIC.encode(),
        b"tea-room", b"ce_id", b"td_1", b"ce_tenant", b"demo", b"content-type", b"application/json", second.value,
    ]  # fmt: skip
    whole = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    assert link.hash == hmac.new(KEY, whole, hashlib.sha256).hexdigest()
    assert (link.position, link.previous) == (2, before.hash)
    (plain,) = sealed(1)
    assert link_of(plain) != before


@given(st.integers(1, 30), keys)
def test_an_untouched_record_is_whole(count: int, key: bytes) -> None:
    report, breaks = verified(sealed(count, key), key)
    assert breaks == []
    assert (report.records, report.first, report.last, report.forks, report.repeated) == (count, 1, count, 0, 0)


@given(st.integers(2, 30), st.data(), keys)
def test_a_removed_record_is_missed_at_the_one_behind_it(count: int, data: st.DataObject, key: bytes) -> None:
    record = sealed(count, key)
    gone = data.draw(st.integers(0, count - 2))
    del record[gone]
    assert broken(record, key) == [("missing", gone)]


@given(st.integers(1, 30), st.data(), keys, st.sampled_from(["value", "key", "header", "signature", "chain"]))
def test_an_altered_record_is_named(count: int, data: st.DataObject, key: bytes, what: str) -> None:
    record = sealed(count, key)
    at = data.draw(st.integers(0, count - 1))
    message = record[at]
    if what == "value":
        changed = replace(message, value=message.value.replace(b"mute", b"warn"))
    elif what == "key":
        changed = replace(message, key=b"other-room")
    elif what == "header":
        changed = replace(message, headers=[(n, b"other" if n == "ce_tenant" else v) for n, v in message.headers])
    elif what == "signature":
        changed = replace(message, headers=[*message.headers, ("rw_signature", b"sha256=00"), ("traceparent", b"00-1")])
    else:
        changed = replace(message, headers=[(n, v.replace(b"/0", b"/1")) for n, v in message.headers])
    record[at] = changed
    verifier = Verifier([key])
    for offset, each in enumerate(record):
        verifier.feed(each, Place(TOPIC, 0, offset), 0.0)
    found = {(b.kind, b.place and b.place.offset) for report in verifier.reports() for b in report.breaks}
    if what == "signature":
        assert found == set()  # headers of others may come on the way
    else:
        assert ("altered", at) in found
        assert {offset for _, offset in found} <= {at, at + 1}


@given(st.integers(3, 30), st.data(), keys)
def test_records_that_change_places_are_out_of_order(count: int, data: st.DataObject, key: bytes) -> None:
    record = sealed(count, key)
    one, other = sorted(data.draw(st.lists(st.integers(0, count - 1), min_size=2, max_size=2, unique=True)))
    record[one], record[other] = record[other], record[one]
    found = broken(record, key)
    assert {kind for kind, _ in found} == {"reordered"}
    assert found[0][1] == one


@given(st.integers(1, 30), st.data(), keys, st.booleans())
def test_an_inserted_record_is_told(count: int, data: st.DataObject, key: bytes, with_link: bool) -> None:
    record = sealed(count, key)
    at = data.draw(st.integers(1, count))
    forged = command(99)
    if with_link:  # as well linked as anybody can who reads the topic
        before = link_of(record[at - 1])
        assert before is not None
        forged = sealed(1, b"", {TOPIC: Head(at, before.hash)}, first=99)[0]
    record.insert(at, forged)
    found = broken(record, key)
    if not with_link:
        assert found == [("unchained", at)]
    elif key:
        assert ("unkeyed", at) in found
    elif at < count:
        assert found == [("forked", at)]
    else:
        assert found == []  # the next record of a worker will tell


@given(st.integers(2, 20), st.data())
def test_whoever_has_no_key_cannot_chain_anew(count: int, data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, count - 1))
    record = sealed(count, KEY)
    before = link_of(record[cut - 1])
    assert before is not None
    heads: Heads = {TOPIC: Head(cut, before.hash)}
    rest = sealed(count - cut, data.draw(st.sampled_from([b"", b"guessed"])), heads, first=50)
    kinds = {kind for kind, _ in broken([*record[:cut], *rest], KEY)}
    assert kinds & {"unkeyed", "unknown-key"}


def test_a_chain_that_was_plain_before_the_key_came_is_vouched_for_by_the_first_sealed_link() -> None:
    plain = sealed(3)
    last = link_of(plain[-1])
    assert last is not None
    heads: Heads = {TOPIC: Head(3, last.hash)}
    assert broken([*plain, *sealed(2, KEY, heads, first=3)], KEY) == []
    assert broken(plain, KEY) == [("unkeyed", 2)]
    rewritten = [*sealed(2), *sealed(1, first=77), *sealed(2, KEY, heads, first=3)]
    assert broken(rewritten, KEY)


def test_keys_that_were_in_force_before_are_given_too() -> None:
    old = sealed(3, b"old")
    last = link_of(old[-1])
    assert last is not None
    heads: Heads = {TOPIC: Head(3, last.hash)}
    record = [*old, *sealed(2, KEY, heads, first=3)]
    assert broken(record, KEY, b"old") == []
    assert broken(record, KEY) == [("unknown-key", offset) for offset in range(3)]
    assert {kind for kind, _ in broken(record)} == {"unknown-key"}


@given(st.integers(2, 20), st.data(), keys)
def test_what_retention_took_is_no_break_but_an_older_anchor_says_so(
    count: int, data: st.DataObject, key: bytes
) -> None:
    record = sealed(count, key)
    cut = data.draw(st.integers(1, count - 1))
    report, breaks = verified(record[cut:], key, expired=True)
    assert (breaks, report.truncated, report.first) == ([], True, cut + 1)
    assert broken(record[cut:], key) == [("missing", 0)]
    first = verified(record[:1], key)[0].head
    assert [b.kind for b in verified(record[cut:], key, expired=True, anchors=[first])[1]] == ["anchor"]
    last = verified(record, key)[0].head
    assert verified(record[cut:], key, expired=True, anchors=[last])[1] == []


@given(st.integers(2, 20), st.data(), keys)
def test_a_missing_end_is_seen_against_an_anchor_only(count: int, data: st.DataObject, key: bytes) -> None:
    record = sealed(count, key)
    anchor = verified(record, key)[0].head
    kept = record[: data.draw(st.integers(1, count - 1))]
    assert verified(kept, key)[1] == []
    assert [b.kind for b in verified(kept, key, anchors=[anchor])[1]] == ["anchor"]


def test_a_chain_of_which_nothing_is_left_is_seen_against_an_anchor() -> None:
    anchor = verified(sealed(2))[0].head
    (report,) = Verifier().reports(anchors=[anchor])
    assert [each.kind for each in report.breaks] == ["anchor"]
    assert report.records == 0


def test_records_from_before_there_were_chains_are_counted_apart() -> None:
    verifier = Verifier()
    for offset, message in enumerate([command(7), command(8), *sealed(2)]):
        verifier.feed(message, Place(TOPIC, 0, offset), 0.0)
    (report,) = verifier.reports()
    assert (verifier.older, verifier.strays, report.breaks, report.records) == (2, [], [], 2)


@pytest.mark.parametrize("header", [b"", b"{}", b"\xff", b'{"chain": 1}', b"[" * 5000])
def test_a_link_that_cannot_be_read_is_an_altered_one(header: bytes) -> None:
    record = sealed(2)
    record[1] = replace(record[1], headers=[(n, header if n == CHAIN_HEADER else v) for n, v in record[1].headers])
    assert broken(record) == [("altered", 1)]
    record[1] = replace(record[0], headers=[*record[0].headers, record[0].headers[-1]])
    assert broken(record) == [("altered", 1)]


def test_a_link_that_names_itself_does_not_hold_up_the_check() -> None:
    record = sealed(3)
    link = link_of(record[2])
    assert link is not None
    circular = msgspec.structs.replace(link, previous=link.hash)
    record[2] = replace(record[2], headers=[*record[2].headers[:-1], (CHAIN_HEADER, msgspec.json.encode(circular))])
    assert {offset for _, offset in broken(record)} == {2}


def test_a_tenant_is_told_of_its_own_records_and_of_every_missing_one() -> None:
    sealer = Sealer(CHAIN, {})
    record = [linked(command(n, tenant="one" if n % 2 else "two"), sealer) for n in range(8)]
    record[3] = replace(record[3], value=record[3].value.replace(b"mute", b"warn"))
    del record[5]
    report, breaks = verified(record, scope=Scope(tenant="two"))
    assert (report.records, [(b.kind, b.position) for b in breaks]) == (4, [("missing", 7)])
    report, breaks = verified(record, scope=Scope(tenant="one", to_ms=5_000.0))
    assert (report.records, [(b.kind, b.position) for b in breaks]) == (2, [("altered", 4)])


@dataclass
class Judge:
    """A worker as Kafka sees it: what it has published, where its table and its offset stand."""

    record: list[Message]
    heads: Heads
    committed: int = 0
    clock_ms: float = 0.0

    def run(self, inputs: Sequence[int], draw: random.Random, key: bytes) -> bool:
        """Work on from the committed offset until killed; False at the end."""
        waiting = list(inputs[self.committed :])
        done: set[int] = set()
        if draw.random() < 0.5:  # the records come on several streams, in any order
            near = waiting[:3]
            draw.shuffle(near)
            waiting[:3] = near
        for number in waiting:
            self.clock_ms += 1.0
            sealer = Sealer(CHAIN, self.heads, key)
            self.record.append(linked(command(number, judged_ms=self.clock_ms), sealer))
            if draw.random() < 0.15:
                return True  # published, and killed before the table was written
            self.heads = sealer.heads
            done.add(number)
            if draw.random() < 0.15:
                return True  # the table is written, the offset is not
            while self.committed < len(inputs) and inputs[self.committed] in done:
                self.committed += 1
        return False


@given(st.integers(1, 40), st.integers(0, 2**32), keys)
def test_kills_and_redeliveries_leave_a_whole_record(count: int, seed: int, key: bytes) -> None:
    draw = random.Random(seed)
    judge = Judge([], {})
    inputs = list(range(count))
    while judge.run(inputs, draw, key):
        pass
    report, breaks = verified(judge.record, key)
    assert breaks == []
    assert {dict(m.headers)["ce_id"] for m in judge.record} == {f"td_{n}".encode() for n in inputs}
    assert report.records == len({link_of(m) for m in judge.record})


@given(st.integers(1, 20), st.integers(0, 2**32), keys, st.data())
def test_what_is_removed_between_kills_is_missed_where_it_stood_once(
    count: int, seed: int, key: bytes, data: st.DataObject
) -> None:
    draw = random.Random(seed)
    judge = Judge([], {})
    inputs = list(range(count))
    while judge.run(inputs, draw, key):
        pass
    at = data.draw(st.integers(0, len(judge.record) - 1))
    gone = judge.record.pop(at)
    rest = {dict(m.headers)["ce_id"] for m in judge.record}
    links = [link_of(m) for m in judge.record]
    if dict(gone.headers)["ce_id"] not in rest and any(_follows(link, gone) for link in links):
        assert "missing" in {kind for kind, _ in broken(judge.record, key)}


def test_the_same_record_delivered_again_with_the_same_link_is_one() -> None:
    record = sealed(3)
    report, breaks = verified([*record[:2], record[1], record[2]])
    assert (breaks, report.records, report.repeated, report.forks) == ([], 3, 1, 0)


def test_a_worker_that_was_late_to_know_leaves_a_branch_that_is_explained() -> None:
    first = sealed(1, KEY)
    head = link_of(first[0])
    assert head is not None
    heads: Heads = {TOPIC: Head(1, head.hash)}
    owner, late = Sealer(CHAIN, heads, KEY), Sealer(CHAIN, heads, KEY)
    record = [*first, linked(command(1), owner), linked(command(2), owner), linked(command(1, judged_ms=9.0), late)]
    record.append(linked(command(3), owner))
    report, breaks = verified(record, KEY)
    assert (breaks, report.forks, report.repeated, report.last) == ([], 1, 1, 4)


def test_a_branch_that_says_something_else_is_no_redelivery() -> None:
    first = sealed(1)
    head = link_of(first[0])
    assert head is not None
    heads: Heads = {TOPIC: Head(1, head.hash)}
    other = command(1)
    other = replace(other, value=other.value.replace(b"mute", b"close_room"))
    forged = linked(other, Sealer(CHAIN, heads))
    assert broken([*first, forged, *sealed(3, heads=heads, first=1)]) == [("forked", 1)]


def test_a_sealed_branch_that_came_out_otherwise_is_told_and_not_broken() -> None:
    first = sealed(1, KEY)
    head = link_of(first[0])
    assert head is not None
    heads: Heads = {TOPIC: Head(1, head.hash)}
    other = command(1)
    other = replace(other, value=other.value.replace(b"mute", b"warn"))
    record = [*first, linked(other, Sealer(CHAIN, heads, KEY)), *sealed(3, KEY, heads, first=1)]
    report, breaks = verified(record, KEY)
    assert (breaks, report.forks, report.diverged) == ([], 1, 1)


def test_a_table_that_was_lost_shows_as_a_second_beginning() -> None:
    found = verified([*sealed(3), *sealed(5, first=10)])[1]
    assert [(each.kind, each.id) for each in found] == [("restarted", "td_0")]


def test_chains_are_told_apart() -> None:
    sealers = [Sealer(f"roomwarden-judge/{n}", {}) for n in range(3)]
    verifier = Verifier()
    for number, sealer in zip(range(9), itertools.cycle(sealers), strict=False):
        verifier.feed(linked(command(number), sealer), Place(TOPIC, number % 3, number // 3), 0.0)
    assert [(r.chain, r.records, r.breaks) for r in verifier.reports()] == [
        (f"roomwarden-judge/{n}", 3, []) for n in range(3)
    ]


def _follows(link: Link | None, message: Message) -> bool:
    before = link_of(message)
    return link is not None and before is not None and link.previous == before.hash
