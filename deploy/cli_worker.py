"""Commands about workers: ``worker``, ``doctor``."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from deploy.brokers import missing
from deploy.cli_common import Failure, Json, Kafka, emit, run, settings_from
from streams.settings import Settings


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("worker")(worker)
    app.command("doctor")(doctor)


def worker(
    stages: Annotated[list[str] | None, typer.Argument(help="segment, listen, judge; all if none is named.")] = None,
    kafka: Kafka = None,
    health_port: Annotated[int | None, typer.Option(help="Port of /live, /ready and /metrics.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Log as JSON.")] = False,
) -> None:
    """Run stages against Kafka until SIGTERM or Ctrl-C."""
    from agents.worker import STAGES, StageName, Worker, WorkerFailed
    from models.weights import WeightsError
    from streams.admin import TopicError, apply_topics
    from streams.logs import configure
    from streams.tracing import TracingMissing

    unknown = set(stages or []) - set(STAGES)
    if unknown:
        raise Failure(f"stage {', '.join(sorted(unknown))} is unknown; name any of {', '.join(STAGES)}", 2)
    settings = settings_from(kafka=kafka, health_port=health_port, log_format="json" if json_output else None)
    configure(settings)

    async def serve() -> None:
        # Topics must be there before the first join, or Faust's tables get the broker's default partition count.
        await apply_topics(settings)
        await Worker(settings, cast("list[StageName]", stages or [])).run()

    try:
        run(serve())
    except (WeightsError, TopicError, TracingMissing) as problem:
        raise Failure(str(problem)) from None
    except WorkerFailed as problem:
        cause = type(problem.__cause__).__name__ if problem.__cause__ else "unknown"
        raise Failure(f"{problem} ({cause}: {problem.__cause__})") from None


def doctor(kafka: Kafka = None, json_output: Json = False) -> None:
    """Print the settings in force and what is missing on this machine; exits 1 when a worker could not run."""
    settings = settings_from(kafka=kafka)
    checks = run(_checks(settings))
    if json_output:
        emit({"settings": settings.model_dump(mode="json"), "checks": checks})
    else:
        print("settings in force (flags over ROOMWARDEN_* over the file):")
        for name, value in settings.model_dump(mode="json").items():
            print(f"  {name:<22}{value}")
        print("checks:")
        for check in checks:
            mark = "ok  " if check["ok"] else "MISS" if check["needed"] else "--  "
            print(f"  {mark} {check['name']:<18}{check['detail']}")
    if any(check["needed"] and not check["ok"] for check in checks):
        raise typer.Exit(1)


async def _checks(settings: Settings) -> list[dict[str, Any]]:
    return [
        await _kafka(settings),
        _weights(settings),
        _optional("embedded broker", missing("embedded")),
        _optional("apache broker", missing("apache")),
        _optional(
            "takedown signing",
            None if settings.signing_key else "takedowns are not signed; set ROOMWARDEN_SIGNING_KEY",
        ),
        _optional(
            "record sealing",
            None if settings.audit_key else "the record is chained, but without a key; set ROOMWARDEN_AUDIT_KEY",
        ),
        *([_tracing()] if settings.tracing else []),
        _optional(
            "rocksdb store",
            None if importlib.util.find_spec("rocksdict") else "package rocksdict is missing; tables stay in memory",
        ),
    ]


async def _kafka(settings: Settings) -> dict[str, Any]:
    from streams.connection import KafkaRefused, check_access

    try:
        await check_access(settings)
    except KafkaRefused as problem:
        return {"name": "kafka", "ok": False, "needed": True, "detail": f"{problem}; or start `roomwarden broker`"}
    return {"name": "kafka", "ok": True, "needed": True, "detail": f"{settings.kafka} answers"}


def _tracing() -> dict[str, Any]:
    from streams.tracing import TracingMissing, open_tracer

    try:
        open_tracer(True).close()
    except TracingMissing as problem:
        return {"name": "tracing", "ok": False, "needed": True, "detail": str(problem)}
    return {"name": "tracing", "ok": True, "needed": True, "detail": "OpenTelemetry is installed"}


def _weights(settings: Settings) -> dict[str, Any]:
    from models.weights import WeightsError, find

    directory = Path(settings.whisper)
    try:
        found = find(
            settings.whisper,
            path=directory if directory.is_dir() else None,
            cache=settings.cache,
            allow_hub=settings.allow_hub,
        )
    except WeightsError as problem:
        return {"name": "recogniser", "ok": False, "needed": True, "detail": str(problem)}
    return {
        "name": "recogniser",
        "ok": True,
        "needed": True,
        "detail": f"{settings.whisper}, sha256 {found.fingerprint[:12]}…",
    }


def _optional(name: str, problem: str | None) -> dict[str, Any]:
    return {"name": name, "ok": problem is None, "needed": False, "detail": problem or "ready"}
