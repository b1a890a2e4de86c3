"""Policy commands as a person types them, and what a push would send; what needs a broker is in tests/embedded."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from deploy.cli import app, main
from deploy.pushing import PushError, prepared, withdrawal
from models.judgement import Judge
from models.lexicon import starter_lexicon
from models.policy import PolicyError, starter_policy
from models.takeover import Pushed, Takeover
from streams import records
from streams.codec import decode

POLICY = "policy: p\ntenant: acme\nrules: [{id: r, category: '*', action: review}]\n"
WORDS = "- list: own\n  category: ads/own\n  entries: [苹果]\n"
FIXTURE = "- fixture: f\n  tenant: acme\n  say: [{at_s: 0, text: 加我微信, actions: [%s]}]\n"


def written(folder: Path, **texts: str) -> list[Path]:
    """Files of these names (and .yaml) and contents."""
    paths = []
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text, "utf-8")
        paths.append(folder / f"{name}.yaml")
    return paths


def run(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == status, result.output
    return result.stdout


def failing(*arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr("sys.argv", ["roomwarden", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_fixtures_pass_and_surprises_fail(tmp_path: Path) -> None:
    assert "fixtures as expected" in run("policy", "test")
    policy, good, bad = written(tmp_path, policy=POLICY, good=FIXTURE % "review", bad=FIXTURE % "mute")
    assert "1 of 1" in run("policy", "test", str(good), "--policy", str(policy))
    line = json.loads(run("policy", "test", str(bad), "--policy", str(policy), "--json", status=1))
    assert (line["fixture"], line["passed"]) == ("f", False)
    assert line["surprises"] == [f"{bad}:3 (f): actions expected mute; found review"]


@pytest.mark.parametrize(
    ("what", "example"),
    [
        ("policy", yaml.safe_load(POLICY)),
        ("lexicon", yaml.safe_load(WORDS)),
        ("fixtures", yaml.safe_load(FIXTURE % "warn")),
    ],
)
def test_schemas_take_what_the_commands_take(what: str, example: object) -> None:
    schema = json.loads(run("policy", "schema", what))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(example, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate([{"nonsense": 1}], schema)


def test_a_push_of_what_has_faults_sends_nothing_and_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    policy, bad_policy, bad_words = written(
        tmp_path, policy=POLICY, bad=POLICY.replace("review", "ban"), words=WORDS.replace("苹果", "a")
    )
    for arguments in ([str(bad_policy)], [str(policy), "--lexicon", str(bad_words)], [str(tmp_path / "none.yaml")]):
        message = failing("policy", "push", *arguments, monkeypatch=monkeypatch, capsys=capsys)
        assert arguments[-1] in message
        assert ":" in message


def test_what_is_pushed_is_what_a_worker_takes_over(tmp_path: Path) -> None:
    documents = POLICY + "---\n" + POLICY.replace("acme", "b").replace("review", "warn")
    policy, words, more = written(tmp_path, policy=documents, words=WORDS, more=WORDS.replace("苹果", "香蕉"))
    outgoing = prepared(policy, [words, more])
    takeover = Takeover(Judge(starter_lexicon(), starter_policy()))
    kinds = []
    for message in outgoing.messages:
        if message.topic == "policy.sources":
            source = decode(records.Source, message.headers, message.value)
            kinds.append(source.kind)
            assert message.key == source.sha256.encode()
            if source.kind == "lexicon":
                assert takeover.add_lexicon(source.sha256, source.content)
            continue
        change = decode(records.Policy, message.headers, message.value)
        assert message.key == change.tenant.encode()
        takeover.change(Pushed(change.tenant, change.version, change.document, change.lexicons))
    settled = takeover.settle()
    assert kinds == ["lexicon", "lexicon", "policy", "policy"]
    assert [c.tenant for c in settled.taken] == ["acme", "b"]
    assert (settled.refused, settled.waiting) == ((), ())
    for change in outgoing.policies:
        assert settled.judges.of(change.tenant).versions(change.tenant)[0] == change.version
        assert list(change.lexicons) == ["words.yaml", "more.yaml"]


def test_what_does_not_fit_a_record_is_refused_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy, words = written(tmp_path, policy=POLICY, words=WORDS + "  # " + "x" * 2_100_000 + "\n")
    with pytest.raises(PushError, match=r"words\.yaml has \d+ bytes as a record, at most \d+ fit; split it"):
        prepared(policy, [words])
    (tmp_path / "other").mkdir()
    (same,) = written(tmp_path / "other", words=WORDS)
    words.write_text(WORDS)
    with pytest.raises(PushError, match=r"two lexicons are called words\.yaml; rename one"):
        prepared(policy, [words, same])
    policy.write_text("nonsense: [")
    with pytest.raises(PolicyError):
        prepared(policy, [])


def test_a_withdrawal_is_a_tombstone_of_the_tenant() -> None:
    message = withdrawal("acme")
    assert (message.topic, message.key, message.value) == ("policy.changes", b"acme", b"")
