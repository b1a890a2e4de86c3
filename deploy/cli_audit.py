"""Commands about the record of decisions: ``audit replay``, and those of ``cli_verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deploy import cli_verify
from deploy.cli_common import Failure, Json, Kafka, emit, run, settings_from
from streams.reading import Reader
from streams.records import Decision, Source
from streams.settings import Settings
from streams.topics import DECISIONS, SOURCES

audit = typer.Typer(help="Check the record: are decisions what they say they are?", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    cli_verify.register(audit)
    app.add_typer(audit, name="audit")


@audit.command("replay")
def replay_decisions(
    events: Annotated[
        list[str] | None, typer.Argument(help="Takedown, risk or decision ids; all decisions if none is named.")
    ] = None,
    policy: Annotated[
        list[Path] | None, typer.Option("--policy", help="A policy that was not pushed, once for each.")
    ] = None,
    lexicon: Annotated[
        list[Path] | None, typer.Option("--lexicon", help="A lexicon that was not pushed, once for each.")
    ] = None,
    kafka: Kafka = None,
    json_output: Json = False,
) -> None:
    """Compute recorded decisions again, by the policy and lexicon of then; exits 1 unless all come out equal."""
    from agents.auditing import replay
    from agents.sources import Archive, Files
    from models.lexicon.source import InvalidSourceError

    try:
        sources = Files.read(None, []).records()
        given: list[Path | None] = [*(policy or [])] or [None]
        for file in given:
            sources += Files.read(file, lexicon or []).records()
    except InvalidSourceError as problem:
        raise Failure(str(problem), 2) from None
    decisions = _chosen(run(_recorded(settings_from(kafka=kafka), sources)), set(events or []))
    counts = {"equal": 0, "different": 0, "missing": 0}
    for each in replay(decisions, Archive(sources)):
        counts[each.result] += 1
        if json_output:
            emit({"decision": each.decision.decision_id, "result": each.result, "why": each.why,
                  "outline": each.decision.outline})  # fmt: skip
        elif each.result != "equal" or events:
            print(f"{each.decision.decision_id}: {each.result}{': ' if each.why else ''}{each.why}")
            print("".join(f"  {line}\n" for line in each.decision.outline), end="")
    if json_output:
        emit({"total": True, **counts})
    else:
        figures = f"{counts['equal']} equal, {counts['different']} different"
        print(f"{sum(counts.values())} decisions computed again: {figures}, {counts['missing']} without their versions")
    if counts["different"] or counts["missing"]:
        raise typer.Exit(1)


async def _recorded(settings: Settings, sources: list[Source]) -> list[Decision]:
    """Decisions on record, each once; pushed texts are added to ``sources``."""
    found: dict[str, Decision] = {}
    async with Reader(settings, (SOURCES, DECISIONS), start="earliest") as reader:
        for observed in await reader.drain():
            if isinstance(observed.record, Source):
                sources.append(observed.record)
            elif isinstance(observed.record, Decision):
                found[observed.record.decision_id] = observed.record
    return list(found.values())


def _chosen(decisions: list[Decision], wanted: set[str]) -> list[Decision]:
    """The decisions that have one of these ids; all, if none is named."""
    names = {d.decision_id: {d.decision_id, *d.risk_ids, *d.takedown_ids} for d in decisions}
    unknown = wanted - set().union(*names.values())
    if unknown:
        raise Failure(f"no decision is on record for {', '.join(sorted(unknown))}")
    return [d for d in decisions if not wanted or names[d.decision_id] & wanted]
