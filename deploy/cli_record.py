"""Commands about the record: ``ledger``, ``dead-letters list / show / replay``."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from deploy.cli_common import Failure, Json, Kafka, emit, moment, run, settings_from
from streams.dead_letters import DeadLetter, read_dead_letters, send_again
from streams.ledger import Ledger, LedgerKey, LedgerRow
from streams.reading import Reader
from streams.records import Coverage
from streams.settings import Settings
from streams.topics import COVERAGE

dead_letters = typer.Typer(help="Records that could not be read: list, show, replay after a fix.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("ledger")(ledger)
    app.add_typer(dead_letters, name="dead-letters")


def ledger(
    room: Annotated[str | None, typer.Option(help="Only this room.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant.")] = None,
    begin: Annotated[str | None, typer.Option("--from", help="RFC 3339 time of capture.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="RFC 3339 time of capture.")] = None,
    kafka: Kafka = None,
    json_output: Json = False,
) -> None:
    """Print what became of every received second, per speaker and minute, from Kafka alone."""
    low = moment("--from", begin, 0.0)
    high = moment("--to", end, float("inf"))

    async def read() -> Ledger:
        book = Ledger()
        async with Reader(settings_from(kafka=kafka), (COVERAGE,), start="earliest") as reader:
            for observed in await reader.drain():
                record = observed.record
                if isinstance(record, Coverage) and _wanted(record, room, tenant, low, high):
                    book.add(record)
        return book

    book = run(read())
    for key in sorted(book.rows):
        _print_row(key, book.rows[key], json_output)
    total = book.total()
    if json_output:
        emit({"total": True, **_seconds(total)})
    else:
        figures = ", ".join(f"{name} {value} s" for name, value in _seconds(total).items() if name != "lost_s")
        print(f"total: {figures}; lost {_seconds(total)['lost_s']}")


@dead_letters.command("list")
def list_letters(kafka: Kafka = None, json_output: Json = False) -> None:
    """One line for each dead letter; its number is what show and replay take."""
    for letter in run(read_dead_letters(settings_from(kafka=kafka))):
        if json_output:
            emit(letter.summary())
        else:
            print(f"{letter.number:<10}{letter.reason:<22}{letter.stage:<9}{letter.origin}  {letter.detail}")


@dead_letters.command("show")
def show(
    number: Annotated[str, typer.Argument(help="partition:offset, as list prints it.")],
    kafka: Kafka = None,
    json_output: Json = False,
) -> None:
    """Everything about one dead letter, its headers as received; the value only by size and SHA-256."""
    letter = _find(number, settings_from(kafka=kafka))
    details = {**letter.summary(), "headers": letter.readable_headers()}
    if json_output:
        emit(details)
        return
    for name, value in details.items():
        print(f"{name}: {value}")


@dead_letters.command("replay")
def replay_letters(
    numbers: Annotated[list[str] | None, typer.Argument(help="partition:offset; all if none is named.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only letters of this reason.")] = None,
    kafka: Kafka = None,
    json_output: Json = False,
) -> None:
    """Put dead letters back on the topic that they came from, as received."""
    settings = settings_from(kafka=kafka)
    letters = [_find(number, settings) for number in numbers] if numbers else run(read_dead_letters(settings))
    chosen = [letter for letter in letters if reason in (None, letter.reason)]
    truncated = [letter for letter in chosen if letter.truncated]
    sent = run(send_again(settings, [letter for letter in chosen if not letter.truncated]))
    if json_output:
        emit({"replayed": sent, "truncated": len(truncated)})
    else:
        print(f"{sent} records put back; {len(truncated)} left, because only their beginning was kept")


def _find(number: str, settings: Settings) -> DeadLetter:
    for letter in run(read_dead_letters(settings)):
        if letter.number == number:
            return letter
    raise Failure(f"dead letter {number} is not on the topic; `roomwarden dead-letters list` prints what is")


def _wanted(record: Coverage, room: str | None, tenant: str | None, low: float, high: float) -> bool:
    return room in (None, record.room) and tenant in (None, record.tenant) and low <= record.start_ms < high


def _seconds(row: LedgerRow) -> dict[str, Any]:
    return {
        "received_s": round(row.received / 1000.0, 3),
        "speech_s": round(row.speech / 1000.0, 3),
        "silence_s": round(row.silence / 1000.0, 3),
        "analysed_s": round(row.analysed / 1000.0, 3),
        "degraded_s": round(row.degraded / 1000.0, 3),
        "deferred_s": round(row.deferred / 1000.0, 3),
        "lost_s": {reason: round(value / 1000.0, 3) for reason, value in sorted(row.lost.items())},
        "gap_s": round(row.gap / 1000.0, 3),
        "under_way_s": round(row.under_way / 1000.0, 3),
    }


def _print_row(key: LedgerKey, row: LedgerRow, json_output: bool) -> None:
    minute = time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(key.minute_ms / 1000.0))
    if json_output:
        names = {"tenant": key.tenant, "room": key.room, "speaker": key.speaker, "session": key.session}
        emit({**names, "minute": minute, **_seconds(row)})
        return
    figures = _seconds(row)
    print(
        f"{minute} {key.tenant}/{key.room}/{key.speaker or '(mixed)'}: received {figures['received_s']} s = "
        f"analysed {figures['analysed_s']} + silence {figures['silence_s']} + degraded {figures['degraded_s']} + "
        f"deferred {figures['deferred_s']} + lost {figures['lost_s'] or 0}; under way {figures['under_way_s']}, "
        f"gaps {figures['gap_s']}"
    )
