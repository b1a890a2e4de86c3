"""Policies: what they may say, what is wrong with those that cannot be used, and what is in force where."""

import pytest

from models.policy import PolicyError, check, load_policy, policy_json_schema, starter_policy

RULE = "rules:\n  - {id: a, category: fraud, action: warn}\n"


def faults(text: str) -> set[tuple[int, str]]:
    return {(p.line, p.field) for p in check(text)}


@pytest.mark.parametrize(
    ("text", "line", "field", "words"),
    [
        ("policy: p\nrules:\n  - id: a\n    category: fraud\n    action: mute\n", 3, "rules[0]", "add ttl_s"),
        ("policy: p\nrules:\n  - id: a\n    category: fraud\n    action: ban\n", 5, "rules[0].action", "use one of"),
        ("policy: p\nrules:\n  - id: a\n    categroy: fraud\n    action: warn\n", 4, "rules[0].categroy", "spelling"),
        ("policy: p\nmin_score: 3\n" + RULE, 2, "min_score", "less than or equal to 1"),
        ("policy: p\nrules: []\n", 2, "rules", "at least 1"),
        ("rules:\n  - {id: a, category: fraud, action: warn}\n", 1, "policy", "add it"),
        ("policy: p\n" + RULE + "  - {id: b, category: fraud/x, action: warn}\n", 4, "rules[1]", "move it before a"),
        ("policy: p\n" + RULE + "  - {id: a, category: drugs, action: warn}\n", 4, "rules[1].id", "rename it"),
        ("policy: p\n" + RULE + "rooms:\n  x:\n    rules:\n      z: {action: warn}\n", 7, "rooms.x.rules.z", "no rule"),
        ("policy: p\n" + RULE + "rooms:\n  game: {rules: {a: {action: kick}}}\n", 5, "rooms.game", "add ttl_s"),
        (
            "policy: p\nstrikes: {ladder: [{strikes: 2, action: warn}, {strikes: 1, action: warn}]}\n" + RULE,
            2,
            "strikes",
            "order its steps",
        ),
        ("policy: p\nevidence: {3: sometimes}\n" + RULE, 2, "evidence.3", "use one of"),
        ("policy: p\n" + RULE + "---\npolicy: q\n" + RULE, 5, "tenant", "merge them"),
        ("policy: p\n  rules: x\n", 2, "", "check indentation"),
        ("\n", 1, "", "at least one rule"),
    ],
)  # fmt: skip
def test_faults_name_line_field_and_remedy(text, line, field, words):
    found = check(text)
    assert any(p.line == line and p.field == field and words in str(p) for p in found), [str(p) for p in found]
    with pytest.raises(PolicyError):
        load_policy(text)


def test_the_starter_policy_has_no_fault():
    assert [p.version for p in starter_policy()] == [starter_policy().version]


def test_the_version_follows_meaning_not_layout():
    one = load_policy("policy: p\n" + RULE)
    assert one.version == load_policy("# a comment\n" + RULE + "policy: p\n").version
    assert one.version != load_policy("policy: p\n" + RULE.replace("warn", "review")).version


def test_each_tenant_has_its_own_policy_and_others_the_general_one():
    both = load_policy("policy: general\n" + RULE + "---\npolicy: own\ntenant: acme\n" + RULE)
    assert both.for_tenant("acme").policy == "own"
    assert both.for_tenant("other").policy == "general"
    with pytest.raises(LookupError, match="tenant"):
        load_policy("policy: own\ntenant: acme\n" + RULE).for_tenant("other")


def test_a_new_policy_replaces_its_tenant_s_only():
    old = load_policy("policy: general\n" + RULE)
    (new,) = load_policy("policy: own\ntenant: acme\n" + RULE)
    changed = old.with_policy(new)
    assert changed.for_tenant("acme").policy == "own"
    assert changed.for_tenant("x").policy == "general"
    assert old.for_tenant("acme").policy == "general"
    assert changed.version != old.version


def test_room_then_role_overrides_apply():
    policy = load_policy("""
policy: p
rules:
  - {id: a, category: fraud, action: escalate, at_least: mute}
  - {id: b, category: "*", action: warn}
rooms:
  kids: {severity_shift: 1, min_score: 0.3, rules: {a: {action: kick, ttl_s: 60}}}
roles:
  host: {dry_run: true, rules: {a: {ttl_s: 90}}}
""")
    plain, kids = policy.rules("t", "other", "x"), policy.rules("t", "kids", "host")
    assert (plain.severity(2, minor=True), kids.severity(2, minor=True)) == (3, 4)
    assert (plain.rules[0].action, kids.rules[0].action, kids.rules[0].ttl_s) == ("escalate", "kick", 90)
    assert (plain.dry_run, kids.dry_run, kids.min_score) == (False, True, 0.3)
    assert plain.rule_for("fraud/task/x", 1, 1.0).id == "a"
    assert plain.rule_for("other/x", 1, 1.0).id == "b"


def test_quiet_rooms_are_named():
    (policy,) = starter_policy()
    assert policy.is_quiet("study")
    assert not policy.is_quiet("game")


def test_the_schema_is_exportable_and_accepts_the_starter_policy():
    import jsonschema
    import yaml

    schema = policy_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    from importlib.resources import files

    data = yaml.safe_load(files("models.policy").joinpath("data/starter.yaml").read_text(encoding="utf-8"))
    data["evidence"] = {str(k): v for k, v in data["evidence"].items()}
    jsonschema.validate(data, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data | {"rules": []}, schema)
