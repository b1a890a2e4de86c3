"""Commands about the broker: ``broker``, ``topics apply``, ``topics asyncapi``."""

from __future__ import annotations

import asyncio
import json
import signal
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.brokers import open_broker
from deploy.cli_common import Failure, Json, Kafka, emit, run, settings_from
from streams.admin import TopicError, apply_topics
from streams.asyncapi import document

topics = typer.Typer(help="Create the topics; print the AsyncAPI document.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("broker")(broker)
    app.add_typer(topics, name="topics")


def broker(
    port: Annotated[int, typer.Option(help="Port on loopback; 0 takes a free one.")] = 9092,
    kind: Annotated[
        str, typer.Option(help="embedded (Tansu, in memory) or apache (Apache Kafka, needs Java).")
    ] = "embedded",
    nodes: Annotated[int, typer.Option(min=1, max=3, help="Nodes of an Apache Kafka cluster.")] = 1,
    directory: Annotated[Path | None, typer.Option(help="Where data and logs live; else temporary.")] = None,
    json_output: Json = False,
) -> None:
    """Run a broker on this machine until Ctrl-C; the embedded one forgets everything at its end."""
    if kind not in ("embedded", "apache"):
        raise Failure(f"--kind {kind} is not a broker; give embedded or apache", 2)
    if kind == "embedded" and nodes != 1:
        raise Failure("--nodes: the embedded broker is one node; use --kind apache for a cluster", 2)
    options: dict[str, Any] = {"directory": directory}
    if kind == "apache":
        options["nodes"] = nodes
    if port:
        options["port"] = port
    run(_serve(kind, options, json_output))


async def _serve(kind: Any, options: dict[str, Any], json_output: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    instance = await asyncio.to_thread(open_broker, kind, **options)
    try:
        await asyncio.to_thread(instance.start)
        await asyncio.to_thread(instance.ready)
        if json_output:
            emit({"kind": kind, "bootstrap": instance.bootstrap, "logs": [str(log) for log in instance.logs]})
        else:
            print(
                f"{kind} broker ready at {instance.bootstrap}; export ROOMWARDEN_KAFKA={instance.bootstrap}", flush=True
            )
        await stop.wait()
    finally:
        await asyncio.to_thread(instance.close)


@topics.command("apply")
def apply(
    kafka: Kafka = None,
    partitions: Annotated[int | None, typer.Option(help="Partitions of each scaled topic.")] = None,
    replication_factor: Annotated[int | None, typer.Option(help="Copies of each partition.")] = None,
    json_output: Json = False,
) -> None:
    """Create every topic that is missing; grow what has too few partitions. Safe to repeat."""
    settings = settings_from(kafka=kafka, partitions=partitions, replication_factor=replication_factor)
    try:
        applied = run(apply_topics(settings))
    except TopicError as problem:
        raise Failure(str(problem)) from None
    for row in applied:
        if json_output:
            emit(asdict(row))
        else:
            print(f"{row.name:<24}{row.partitions:>4} partitions  {row.result}")


@topics.command("asyncapi")
def asyncapi(json_output: Json = False) -> None:
    """Print the AsyncAPI 3.0 document of the wire (YAML, or JSON with --json)."""
    try:
        number = version("roomwarden")
    except PackageNotFoundError:
        number = "0.0.0"
    if json_output:
        print(json.dumps(document(number), indent=2))
        return
    import yaml

    print(yaml.safe_dump(document(number), sort_keys=False, allow_unicode=True), end="")
