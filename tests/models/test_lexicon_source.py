"""Lexicon files: what they may say, and what is said about those that are wrong."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from models.lexicon import (
    Lexicon,
    LexiconError,
    compiled,
    lexicon_json_schema,
    load_lexicon,
    parse_lexicon,
    starter_lexicon,
)
from models.lexicon.patterns import find_pattern, pattern_fault, required_literal

GOOD = """
- list: off-platform
  category: ads/contact/off-platform
  severity: 2
  language: zh
  match: [exact, phonetic]
  unless: [微信支付]
  entries: [加微信, {text: 110, severity: 3, category: a/b, match: [exact], unless: [], note: an emergency number}]
"""


def test_entries_take_the_list_s_fields_or_their_own():
    first, second = parse_lexicon(GOOD)
    assert (first.text, first.severity, first.unless) == ("加微信", 2, ("微信支付",))
    assert (second.text, second.severity, second.category, second.unless) == ("110", 3, "a/b", ())


def test_a_single_mapping_and_several_documents_are_lexicons_too():
    one = "list: a\ncategory: x\nentries: [foo]\n"
    assert [e.list for e in parse_lexicon(one + "---\n" + one.replace("list: a", "list: b"))] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "line", "field", "remedy"),
    [
        ("- list: a\n  category: x\n  severity: 9\n  entries: [foo]\n", 3, "severity", "correct"),
        ("- list: a\n  category: Big Words\n  entries: [foo]\n", 2, "category", "lower-case"),
        ("- list: a\n  category: x\n  entries: []\n", 3, "entries", "correct"),
        ("- list: a\n  category: x\n  entires: [foo]\n", 1, "entries", "add it"),
        ("- list: a\n  category: x\n  match: [fuzzy]\n  entries: [foo]\n", 3, "match", "one of the values"),
        ("- list: a\n  category: x\n  entries:\n    - foo\n    - '...'\n", 5, "entries", "write a word"),
        ("- list: a\n  category: x\n  entries:\n    - {text: '(a+)+$', match: [pattern]}\n", 4, "entries", "4 times"),
        ("- list: a\n  category: x\n  entries: [foo\n", 4, "", "check indentation"),
        ("- list: a\n  list: b\n", 2, "list", "remove one"),
        ("", 1, "", "add a list"),
    ],
)  # fmt: skip
def test_faults_name_line_field_and_remedy(text, line, field, remedy):
    with pytest.raises(LexiconError) as caught:
        parse_lexicon(text, "my.yaml")
    problems = caught.value.problems
    assert any(p.file == "my.yaml" and p.line == line and field in p.field and remedy in p.remedy for p in problems), [
        str(p) for p in problems
    ]


def test_every_fault_is_reported_at_once():
    with pytest.raises(LexiconError) as caught:
        parse_lexicon("- list: a\n  severity: 0\n- list: b\n  category: x\n  entries: ['!']\n")
    assert len(caught.value.problems) >= 3


def test_a_missing_file_is_a_sentence():
    with pytest.raises(LexiconError, match=r"nowhere\.yaml:1: the file cannot be read; check the path"):
        load_lexicon(["nowhere.yaml"])


def test_the_version_follows_the_content():
    assert load_lexicon(GOOD).version == load_lexicon(GOOD).version
    assert load_lexicon(GOOD).version != load_lexicon(GOOD.replace("severity: 2", "severity: 1")).version


def test_the_schema_names_the_fields_of_the_file():
    assert '"list"' in str(lexicon_json_schema()).replace("'", '"')


def test_the_starter_lists_find_their_own_entries_and_use_three_levels():
    lexicon = starter_lexicon()
    assert {e.category.split("/")[0] for e in lexicon.entries} == {
        "abuse", "ads", "drugs", "fraud", "gambling", "minors", "privacy", "self-harm", "sexual", "threat", "weapons",
    }  # fmt: skip
    assert all(e.category.count("/") == 2 for e in lexicon.entries)
    lost = [
        e.text for e in lexicon.entries
        if "pattern" not in e.match and e.text not in {h.entry for h in lexicon.find(e.text)}
    ]  # fmt: skip
    assert lost == []


def test_patterns_are_found_in_the_text_as_written_and_folded():
    lexicon = load_lexicon("- list: a\n  category: x\n  match: [pattern]\n  entries: ['加.{0,3}\\d{5,}']\n")
    (hit,) = lexicon.find("好的加我一123456吧")
    assert (hit.match, hit.span) == ("pattern", (2, 11))
    assert lexicon.find("＋Ｖ：１２３４５６")[0].match == "pattern"


def test_patterns_without_a_literal_are_always_tried():
    assert required_literal(r"\d{5,}") == ""
    lexicon = load_lexicon("- list: a\n  category: x\n  match: [pattern]\n  entries: ['\\d{5,}']\n")
    assert lexicon.find("call 123456")[0].span == (5, 11)


def test_literals_and_costly_patterns_are_recognised():
    assert required_literal("(a|b)微信号?x") == "微信"
    assert pattern_fault("(a*)*b") is not None
    assert pattern_fault("a*") is not None
    assert pattern_fault("(") is not None
    assert pattern_fault("ab{1,3}c+") is None
    assert find_pattern("b+", "aBBc") == [(1, 3)]


@pytest.mark.parametrize(
    "pattern",
    ["(a|a)*b", "(a|aa)+$", "(.*)(.*)(.*)x", r"\w*\w*\w*x", "(?:a?){40}a{40}", "(a{1,60}){1,60}b", "(ab?)*c",
     r"\w+\s*\w+\s*\w+\s*x", "[a-z]+[a-z]+[a-z]+[0-9]", "(?:(?:a|ab)(?:c|bcd)){1,40}x"],
)  # fmt: skip
def test_patterns_that_could_take_very_long_are_refused(pattern):
    assert pattern_fault(pattern) is not None


@pytest.mark.parametrize(
    "pattern",
    ["x*y*z", "加.*微信.*号", r"\w+\s+\w+\s+\w+", "(哈|呵)+x", "(foo|bar){1,3}",
     r"t\.me/\w+", r"加\s*(我|个)?\s*[vw]\s*[:：]?\s*\w{5,}"],
)  # fmt: skip
def test_patterns_that_cannot_are_admitted(pattern):
    assert pattern_fault(pattern) is None


def test_a_pattern_of_punctuation_is_looked_for():
    lexicon = load_lexicon("- list: a\n  category: x\n  match: [pattern]\n  entries: ['t\\.me/\\w+']\n")
    assert lexicon.find("see t.me/abc now")[0].span == (4, 12)


def test_a_process_holds_each_lexicon_once(monkeypatch):
    entries = parse_lexicon(GOOD)
    made = []
    monkeypatch.setattr("models.lexicon.library.Lexicon", lambda of: made.append(1) or Lexicon(of))
    with ThreadPoolExecutor(8) as stages:
        found = list(stages.map(lambda _: compiled(entries), range(8)))
    assert len({id(lexicon) for lexicon in found}) == len(made) == 1
    assert load_lexicon(GOOD) is found[0]
    assert compiled(entries[:-1]) is not found[0]
    gone = weakref.ref(found[0])
    del found
    gc.collect()
    assert gone() is None
