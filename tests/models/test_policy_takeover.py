"""Pushed policies: complete or not at all, checked, newest first, and never in place of what works."""

import hashlib

import pytest

from models.judgement import Heard, Judge, SpeakerState
from models.lexicon import Lexicon, load_lexicon
from models.policy import load_policy
from models.takeover import Pushed, Takeover

FILES = Judge(
    load_lexicon("- list: files\n  category: ads/files\n  entries: [文件]\n"),
    load_policy("policy: files\nrules: [{id: f, category: '*', action: warn}]\n"),
)


def lexicon(word: str) -> tuple[str, str]:
    text = f"- list: pushed\n  category: ads/pushed\n  entries: [{word}]\n"
    return hashlib.sha256(text.encode()).hexdigest(), text


def policy(tenant: str = "acme", action: str = "review", name: str = "p") -> str:
    return f"policy: {name}\ntenant: '{tenant}'\nrules: [{{id: r, category: '*', action: {action}}}]\n"


def pushed(document: str, tenant: str = "acme", version: str = "1", **lexicons: str) -> Pushed:
    return Pushed(tenant, version, document, lexicons, origin=version)


def actions(takeover: Takeover, text: str, tenant: str = "acme") -> list[str]:
    heard = Heard(
        tenant=tenant, room="r", room_type="default", role="", minor=False, speaker="s", session="n",
        utterance_id="u", revision=0, final=True, text=text, language="zh", start_ms=0.0, end_ms=1000.0,
    )  # fmt: skip
    judge = takeover.settle().judges.of(tenant)
    return [t.action for t in judge.decide(heard, SpeakerState()).takedowns]


def test_a_policy_waits_for_its_lexicons_in_whatever_order_they_come():
    takeover = Takeover(FILES)
    sha, text = lexicon("苹果")
    takeover.change(pushed(policy(), own=sha))
    waiting = takeover.settle()
    assert [c.version for c in waiting.waiting] == ["1"]
    assert actions(takeover, "文件") == ["warn"]
    assert takeover.add_lexicon(sha, text)
    settled = takeover.settle()
    assert ([c.version for c in settled.taken], settled.waiting) == (["1"], ())
    assert actions(takeover, "苹果") == ["review"]
    assert actions(takeover, "文件") == []
    assert actions(takeover, "文件", tenant="else") == ["warn"]


def test_a_text_that_does_not_have_its_hash_is_not_taken():
    takeover = Takeover(FILES)
    sha, text = lexicon("苹果")
    assert not takeover.add_lexicon(sha, text + " ")
    takeover.change(pushed(policy(), own=sha))
    assert takeover.settle().waiting


@pytest.mark.parametrize(
    ("document", "lexicon_text"),
    [
        ("policy: p\ntenant: acme\nrules: [{id: r, category: '*', action: ban}]\n", None),
        (policy("other"), None),
        (policy() + "---\n" + policy("b"), None),
        ("no policy at all", None),
        (policy(), "- list: x\n  entries: [y]\n"),
    ],
    ids=["bad-action", "other-tenant", "two-documents", "path-like", "bad-lexicon"],
)
def test_what_cannot_be_used_is_refused_with_its_fault_and_the_old_one_stays(document, lexicon_text):
    takeover = Takeover(FILES)
    takeover.change(pushed(policy(action="warn"), version="old"))
    takeover.settle()
    lexicons = {}
    if lexicon_text:
        lexicons["own"] = hashlib.sha256(lexicon_text.encode()).hexdigest()
        takeover.add_lexicon(lexicons["own"], lexicon_text)
    takeover.change(pushed(document, version="new", **lexicons))
    settled = takeover.settle()
    assert [(r.change.origin, bool(r.why)) for r in settled.refused] == [("new", True)]
    assert settled.judges.of("acme").versions("acme")[0] == load_policy(policy(action="warn")).version
    assert takeover.settle().refused == ()  # once


def test_a_document_is_text_and_never_a_path(tmp_path):
    secret = tmp_path / "policy.yaml"
    secret.write_text(policy())
    takeover = Takeover(FILES)
    takeover.change(pushed(str(secret)))
    assert takeover.settle().refused


def test_a_worker_that_starts_late_takes_the_newest_that_can_be_used():
    takeover = Takeover(FILES)
    sha, text = lexicon("苹果")
    takeover.change(pushed(policy(action="warn"), version="1"))
    takeover.change(pushed(policy(action="mute"), version="2"))  # without ttl_s
    takeover.change(pushed(policy(action="kick"), version="3", own=sha))  # its lexicon is not there
    settled = takeover.settle()
    assert [c.version for c in settled.taken] == ["1"]
    assert [r.change.version for r in settled.refused] == ["2"]
    assert [c.version for c in settled.waiting] == ["3"]
    takeover.add_lexicon(sha, text)
    assert [r.change.version for r in takeover.settle().refused] == ["3"]
    assert actions(takeover, "文件") == ["warn"]


def test_a_tenants_own_goes_before_all_and_pushed_before_files():
    files = Judge(
        FILES.lexicon, load_policy(policy("*", "warn") + "---\n" + policy("filed", "kick").replace("kick", "review"))
    )
    takeover = Takeover(files)
    assert actions(takeover, "文件", "filed") == ["review"]
    takeover.change(pushed(policy("*", "label_required"), tenant="*"))
    assert actions(takeover, "文件", "filed") == ["review"]
    assert actions(takeover, "文件", "stranger") == ["label_required"]
    takeover.change(pushed(policy("filed", "warn"), tenant="filed"))
    assert actions(takeover, "文件", "filed") == ["warn"]
    takeover.withdraw("filed")
    takeover.withdraw("*")
    assert actions(takeover, "文件", "filed") == ["review"]
    assert actions(takeover, "文件", "stranger") == ["warn"]


def test_a_lexicon_is_compiled_once_for_all_who_name_it(monkeypatch):
    made = []
    compile_ = Lexicon.__init__
    monkeypatch.setattr(Lexicon, "__init__", lambda self, entries: (made.append(1), compile_(self, entries))[1])
    takeover = Takeover(FILES)
    sha, text = lexicon("苹果")
    takeover.add_lexicon(sha, text)
    for tenant in ("acme", "b", "c"):
        takeover.change(pushed(policy(tenant), tenant=tenant, own=sha))
    takeover.settle()
    takeover.change(pushed(policy("b", "warn"), tenant="b", own=sha))
    takeover.settle()
    assert len(made) == 1


def test_judges_once_handed_out_do_not_change():
    takeover = Takeover(FILES)
    before = takeover.settle().judges
    takeover.change(pushed(policy()))
    takeover.settle()
    assert before.of("acme") is FILES
