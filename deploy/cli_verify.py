"""Commands about the chains of the record: ``audit verify``, ``audit anchor``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from deploy.cli_common import Failure, Json, Kafka, emit, moment, run, settings_from
from streams.breaks import MEANINGS, Anchor, Break, Place, Report, Scope
from streams.codec import Message
from streams.reading import RawReader
from streams.settings import Settings
from streams.topics import TOPICS
from streams.verification import Verifier

CHAINED = tuple(row for row in TOPICS if row.chained)
_MOST_SHOWN = 3

Files = Annotated[list[Path] | None, typer.Argument(help="Files of `roomwarden record`; Kafka if none is named.")]


def register(audit: typer.Typer) -> None:
    """Add these commands to ``audit``."""
    audit.command("verify")(verify)
    audit.command("anchor")(anchor)


def verify(
    files: Files = None,
    begin: Annotated[str | None, typer.Option("--from", help="RFC 3339; Kafka timestamp of the records.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="RFC 3339; Kafka timestamp of the records.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only records of this tenant.")] = None,
    anchors: Annotated[
        list[Path] | None, typer.Option("--anchor", help="What `audit anchor` printed, once for each file.")
    ] = None,
    kafka: Kafka = None,
    json_output: Json = False,
) -> None:
    """Check that no decision or takedown was altered, removed, reordered or put in; exits 1 if one was.

    Chains are read whole in any case; --from, --to and --tenant choose what is counted and told.
    """
    scope = Scope(tenant, moment("--from", begin, 0.0), moment("--to", end, float("inf")))
    held = [each for file in anchors or [] for each in _anchors(file)]
    checked = _read(settings_from(kafka=kafka), files or [])
    strays = [each for each in checked.strays if scope.reports(each)]
    reports = checked.reports(scope, held)
    for each in strays:
        _print_break(each, json_output)
    for report in reports:
        _print(report, json_output)
    broken = len(strays) + sum(len(report.breaks) for report in reports)
    totals = {"chains": len(reports), "records": sum(report.records for report in reports),
              "anchors": len(held), "older": checked.older, "broken": broken}  # fmt: skip
    if json_output:
        emit({"total": True, **totals})
    else:
        older = f"; {checked.older} records are older than chains" if checked.older else ""
        against = f", {len(held)} anchors" if held else ""
        print(f"{totals['chains']} chains, {totals['records']} records{against}: {broken or 'nothing'} broken{older}")
    if broken:
        raise typer.Exit(1)


def anchor(files: Files = None, kafka: Kafka = None) -> None:
    """Print the head of each whole chain, a JSON object a line, for `audit verify --anchor`; exits 1 if one is broken.

    Keep them where nobody can change them who can change the record.
    """
    checked = _read(settings_from(kafka=kafka), files or [])
    reports = checked.reports()
    for report in reports:
        if not report.breaks:
            emit(msgspec.to_builtins(report.head))
    if checked.strays or any(report.breaks for report in reports):
        raise Failure(
            "the record is broken: `roomwarden audit verify` says where; chains that are not whole are left out"
        )


def _read(settings: Settings, files: list[Path]) -> Verifier:
    """Everything on record, taken in."""
    keys = [*([settings.audit_key] if settings.audit_key else []), *settings.audit_old_keys]
    secrets = [key.get_secret_value().encode() for key in keys]
    return _from_files(files, secrets) if files else run(_from_kafka(settings, secrets))


async def _from_kafka(settings: Settings, secrets: list[bytes]) -> Verifier:
    async with RawReader(settings, CHAINED, start="earliest") as reader:
        verifier = Verifier(secrets, expired=await reader.expired())
        async for message in reader.raw_all():
            headers = [(name, bytes(value or b"")) for name, value in message.headers]
            sealed = Message(message.topic, message.key or b"", message.value or b"", headers)
            verifier.feed(sealed, Place(message.topic, message.partition, message.offset), float(message.timestamp))
    return verifier


def _from_files(files: list[Path], secrets: list[bytes]) -> Verifier:
    from loadtest.recording import RecordingError, read

    verifier = Verifier(secrets, partial=True)
    names = {row.name for row in CHAINED}
    try:
        for file in files:
            for number, kept in enumerate(read(file)):
                if kept.topic in names:
                    sealed = Message(kept.topic, kept.key, kept.value, kept.headers)
                    verifier.feed(sealed, Place(kept.topic, -1, number), float(kept.timestamp_ms))
    except RecordingError as problem:
        raise Failure(str(problem), 2) from None
    return verifier


def _anchors(file: Path) -> list[Anchor]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        return [msgspec.json.decode(line, type=Anchor) for line in lines if line.strip()]
    except FileNotFoundError:
        raise Failure(f"no file {file}; `roomwarden audit anchor` prints what belongs there", 2) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Failure(f"{file} does not hold what `roomwarden audit anchor` printed, a JSON object a line", 2) from None


def _print(report: Report, json_output: bool) -> None:
    if json_output:
        plain: dict[str, Any] = asdict(report) | {"whole": not report.breaks}
        plain["breaks"] = len(report.breaks)
        emit(plain | {"head": report.head.hash})
    else:
        notes = [f"begins at {report.first}, because older records are gone"] if report.truncated else []
        notes += [f"{report.repeated} published again"] if report.repeated else []
        notes += [f"{report.forks} forks, where a worker was killed or lost its partition"] if report.forks else []
        notes += [f"{report.diverged} decided otherwise the second time"] if report.diverged else []
        state = f"{len(report.breaks)} broken" if report.breaks else "whole"
        figures = f"{report.records} records, positions {report.first} to {report.last}"
        print("; ".join([f"{report.topic} {report.chain}: {figures}: {state}", *notes]))
    for found in report.breaks if json_output else report.breaks[:_MOST_SHOWN]:
        _print_break(found, json_output)
    if not json_output and len(report.breaks) > _MOST_SHOWN:
        print(f"  and {len(report.breaks) - _MOST_SHOWN} more; --json prints all")


def _print_break(found: Break, json_output: bool) -> None:
    if json_output:
        place = asdict(found.place) if found.place else {}
        emit({"broken": found.kind, **place, "chain": found.chain, "position": found.position, "id": found.id,
              "tenant": found.tenant, "arrived_ms": found.arrived_ms, "detail": found.detail})  # fmt: skip
        return
    where = f"{found.place} " if found.place else ""
    link = f"position {found.position}" if found.chain else "no link"
    meaning = f"{MEANINGS[found.kind]}{f' ({found.detail})' if found.detail else ''}"
    print(f"  {found.kind}: {where}({link}, id {found.id or 'unknown'}): {meaning}")
