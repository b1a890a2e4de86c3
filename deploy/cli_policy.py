"""Commands about policies: ``policy check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli_common import Failure, Json, emit

policy = typer.Typer(help="Check a policy before it is used.", no_args_is_help=True)


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
