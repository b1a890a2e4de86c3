"""Commands about policies: ``policy check``, ``test``, ``schema``, ``push``, ``withdraw``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli_common import Failure, Json, Kafka, emit, run, settings_from

policy = typer.Typer(help="Check a policy, try it on fixtures, put it in force.", no_args_is_help=True)

PolicyFile = Annotated[Path | None, typer.Option("--policy", help="Policy file; the starter policy if none.")]
LexiconFiles = Annotated[
    list[Path] | None, typer.Option("--lexicon", help="Lexicon file, once for each; the starter lists if none.")
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(policy, name="policy")


@policy.command("check")
def check(
    files: Annotated[list[Path], typer.Argument(help="Policy files.")],
    json_output: Json = False,
) -> None:
    """Say what is wrong with a policy, with line, field and remedy; exits 1 when anything is."""
    from models.policy import check as problems_of

    found = 0
    for file in files:
        if not file.is_file():
            raise Failure(f"{file} is no file; name a policy in YAML", 2)
        problems = problems_of(file)
        found += len(problems)
        for problem in problems:
            if json_output:
                emit({"file": str(file), "problem": str(problem)})
            else:
                print(problem)
        if not problems and not json_output:
            print(f"{file}: in order")
    if found:
        raise typer.Exit(1)


@policy.command("test")
def try_out(
    fixtures: Annotated[list[Path] | None, typer.Argument(help="Fixture files; the starter policy's if none.")] = None,
    policy_file: PolicyFile = None,
    lexicon: LexiconFiles = None,
    json_output: Json = False,
) -> None:
    """Judge fixtures, and say where a policy decides otherwise than expected; exits 1 where it does."""
    from agents.judge import load_judge
    from models.lexicon.source import InvalidSourceError
    from models.policy.fixtures import parse_fixtures, starter_fixtures
    from models.policy.load import read_text
    from models.trial import surprises

    try:
        judge = load_judge(policy_file, lexicon or [])
        placed = (
            [item for file in fixtures for item in parse_fixtures(*read_text(file))] if fixtures else starter_fixtures()
        )
        results = [(item, surprises(item, judge)) for item in placed]
    except (InvalidSourceError, LookupError) as problem:
        raise Failure(str(problem), 2) from None
    for item, found in results:
        if json_output:
            emit({"file": item.file, "fixture": item.fixture.fixture, "passed": not found,
                  "surprises": [str(surprise) for surprise in found]})  # fmt: skip
            continue
        print(f"{'ok    ' if not found else 'FAILED'} {item.fixture.fixture}")
        for surprise in found:
            print(f"       {surprise}")
    failed = sum(bool(found) for _, found in results)
    if not json_output:
        print(f"{len(results) - failed} of {len(results)} fixtures as expected")
    if failed:
        raise typer.Exit(1)


@policy.command("schema")
def schema(
    what: Annotated[str, typer.Argument(help="policy, lexicon or fixtures.")] = "policy",
    json_output: Json = False,
) -> None:
    """Print the JSON Schema of a kind of file, for editors and other checkers."""
    from models.lexicon import lexicon_json_schema
    from models.policy import policy_json_schema
    from models.policy.fixtures import fixtures_json_schema

    del json_output  # it is JSON anyway
    known = {"policy": policy_json_schema, "lexicon": lexicon_json_schema, "fixtures": fixtures_json_schema}
    if what not in known:
        raise Failure(f"{what} has no schema; name one of {', '.join(known)}", 2)
    emit(known[what]())


@policy.command("push")
def push(
    file: Annotated[Path, typer.Argument(help="Policy file: a document for each tenant.")],
    lexicon: Annotated[
        list[Path] | None,
        typer.Option("--lexicon", help="Lexicon file, once for each; those of the workers' files if none."),
    ] = None,
    kafka: Kafka = None,
    json_output: Json = False,
) -> None:
    """Put a policy in force on every judge worker, with its lexicons, without a restart."""
    from deploy.pushing import PushError, prepared, publish
    from models.lexicon.source import InvalidSourceError

    try:
        outgoing = prepared(file, lexicon or [])
    except (InvalidSourceError, PushError) as problem:
        raise Failure(str(problem), 2) from None
    run(publish(settings_from(kafka=kafka), outgoing.messages))
    for change in outgoing.policies:
        if json_output:
            emit({"tenant": change.tenant, "version": change.version, "lexicons": change.lexicons})
        else:
            words = ", ".join(f"{name} {sha[:12]}…" for name, sha in change.lexicons.items()) or "those of the workers"
            print(f"{change.tenant}: policy {change.version} pushed; lexicons: {words}")


@policy.command("withdraw")
def withdraw(
    tenant: Annotated[str, typer.Argument(help='Tenant, or "*".')],
    kafka: Kafka = None,
    json_output: Json = False,
) -> None:
    """Take a pushed policy out of force: the workers' files decide again."""
    from deploy.pushing import publish, withdrawal

    run(publish(settings_from(kafka=kafka), [withdrawal(tenant)]))
    if json_output:
        emit({"tenant": tenant, "withdrawn": True})
    else:
        print(f"{tenant}: the workers' own policy applies again")
