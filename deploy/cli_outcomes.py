"""Commands about what became of takedowns: ``precision``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

import typer

from deploy.cli_common import Json, Kafka, emit, run, settings_from
from streams.precision import Verdicts, tally
from streams.reading import Reader
from streams.records import Outcome, Takedown
from streams.topics import OUTCOMES, TAKEDOWNS


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("precision")(precision)


def precision(
    by: Annotated[Literal["category", "rule"], typer.Option(help="Rows of the table.")] = "category",
    tenant: Annotated[str | None, typer.Option(help="Only this tenant.")] = None,
    kafka: Kafka = None,
    json_output: Json = False,
) -> None:
    """Print how many takedowns were upheld and overturned by people, from Kafka alone."""

    async def read() -> dict[str, Verdicts]:
        takedowns: list[Takedown] = []
        outcomes: list[Outcome] = []
        async with Reader(settings_from(kafka=kafka), (TAKEDOWNS, OUTCOMES), start="earliest") as reader:
            for observed in await reader.drain():
                if isinstance(observed.record, Takedown):
                    takedowns.append(observed.record)
                elif isinstance(observed.record, Outcome):
                    outcomes.append(observed.record)
        return tally(takedowns, outcomes, by=by, tenant=tenant)

    for name, row in run(read()).items():
        share, interval = row.precision, row.interval()
        if json_output:
            emit({by: name, **asdict(row), "precision": share, "interval_95": interval})
            continue
        figure = f"{share:.3f} ({interval[0]:.3f} to {interval[1]:.3f})" if share is not None and interval else "-"
        print(
            f"{name}: {row.issued} issued, {row.acknowledged} acknowledged, {row.failed} failed, {row.appealed} "
            f"appealed; {row.upheld} upheld, {row.overturned} overturned; precision {figure}"
        )
