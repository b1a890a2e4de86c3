"""Fixtures of a policy: the starter's hold, surprises are told with their line, bad files name their fault."""

import re
from pathlib import Path

import pytest

from models.judgement import Judge
from models.lexicon import starter_lexicon
from models.policy import PolicyError, load_policy, starter_policy
from models.policy.fixtures import fixtures_json_schema, parse_fixtures, starter_fixtures
from models.trial import surprises

JUDGE = Judge(starter_lexicon(), starter_policy())


@pytest.mark.parametrize("placed", starter_fixtures(), ids=lambda p: p.fixture.fixture)
def test_the_starter_policy_does_as_its_fixtures_say(placed):
    assert [str(s) for s in surprises(placed, JUDGE)] == []


def test_the_example_of_the_documents_holds():
    page = Path(__file__).parents[2].joinpath("docs/policy.md").read_text("utf-8")
    (example,) = re.findall(r"^```yaml\n(- fixture.*?)^```$", page, re.DOTALL | re.MULTILINE)
    for placed in parse_fixtures(example):
        assert surprises(placed, JUDGE) == []


def test_a_surprise_names_line_expected_and_found():
    (placed,) = parse_fixtures(
        "- fixture: f\n  say:\n    - {at_s: 0, text: 加我微信, categories: [], actions: [mute]}\n", "own.yaml"
    )
    categories, actions = surprises(placed, JUDGE)
    assert str(actions) == "own.yaml:3 (f): actions expected mute; found warn"
    assert (categories.field, categories.found) == ("categories", ("ads/contact/off-platform",))


def test_what_is_expected_is_checked_in_a_clean_utterance_too():
    (placed,) = parse_fixtures("fixture: f\nsay: [{at_s: 0, text: 你好, actions: [warn]}]\n")
    assert [(s.expected, s.found) for s in surprises(placed, JUDGE)] == [(("warn",), ())]


def test_standing_and_room_reach_the_judge():
    text = "fixture: f\n{}\nsay: [{{at_s: 0, text: 你这个傻逼, actions: [{}]}}]\n"
    for standing, action in [("role: moderator", "review"), ("room_type: game", ""), ("trusted: true", "")]:
        (placed,) = parse_fixtures(text.format(standing, action))
        assert surprises(placed, JUDGE) == []


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("", 1, ""),
        ("- fixture: f\n  say: []\n", 2, "[0].say"),
        ("- fixture: f\n  say:\n    - {at_s: 0, txt: a}\n", 3, "[0].say[0].text"),
        ("- fixture: f\n  say:\n    - {at_s: 5, text: a}\n    - {at_s: 4, text: b}\n", 4, "say[1].at_s"),
        ("- fixture: f\n  say:\n    - {at_s: 0, text: a, actions: [ban]}\n", 3, "[0].say[0].actions[0]"),
    ],
)
def test_faults_name_line_and_field(text, line, field):
    with pytest.raises(PolicyError) as caught:
        parse_fixtures(text)
    assert (line, field) in [(p.line, p.field) for p in caught.value.problems]
    assert all(p.remedy for p in caught.value.problems)


def test_a_policy_for_somebody_else_is_said_to_be_missing():
    (placed,) = parse_fixtures("fixture: f\nsay: [{at_s: 0, text: 你好}]\n")
    policy = load_policy("policy: p\ntenant: acme\nrules: [{id: r, category: '*', action: warn}]\n")
    with pytest.raises(LookupError, match="no policy for this tenant"):
        surprises(placed, Judge(starter_lexicon(), policy))


def test_the_schema_is_a_json_schema_of_fixtures():
    assert fixtures_json_schema()["type"] == "array"
