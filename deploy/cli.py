"""The command line, ``roomwarden``. Each command takes ``--json``; errors are one sentence on standard error."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer
from pydantic import ValidationError

from deploy import (
    cli_audit,
    cli_bench,
    cli_broker,
    cli_files,
    cli_live,
    cli_outcomes,
    cli_policy,
    cli_record,
    cli_worker,
)
from deploy.cli_common import Failure

app = typer.Typer(
    name="roomwarden",
    help="Hears live voice rooms on Kafka and issues explainable takedowns within seconds.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for module in (cli_live, cli_broker, cli_worker, cli_files, cli_policy, cli_outcomes, cli_record, cli_audit, cli_bench):
    module.register(app)


def _version(value: bool) -> None:
    if value:
        try:
            print(f"roomwarden {version('roomwarden')}")
        except PackageNotFoundError:
            print("roomwarden (not installed as a package)")
        raise typer.Exit


@app.callback()
def _root(
    show: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Live voice rooms, heard and judged."""


def main() -> None:
    """Entry point; turns expected errors into one sentence and exit status 1 or 2."""
    try:
        app()
    except Failure as failure:
        print(f"roomwarden: {failure}", file=sys.stderr)
        sys.exit(failure.status)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            field = "".join(f"{part}: " for part in problem["loc"])  # a check of several settings names them itself
            print(f"roomwarden: setting {field}{problem['msg']}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
