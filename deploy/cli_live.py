"""Commands that watch or make traffic: ``demo``, ``replay``, ``alerts``."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from pydantic import ValidationError

from deploy.cli_common import Failure, Json, Kafka, emit, run, settings_from
from deploy.view import Mode, View

STAGGER_MS = 7
"""Between the openings of two rooms of a replay: rooms in step would send all their chunks in the same moment."""


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("demo")(demo)
    app.command("replay")(replay)
    app.command("record")(record)
    app.command("alerts")(alerts)


def demo(
    seconds: Annotated[float | None, typer.Option(help="Play only the first seconds of the scenario.")] = None,
    scenario: Annotated[str, typer.Option(help="A bundled scenario's name, or a file.")] = "demo",
    plain: Annotated[bool, typer.Option("--plain", help="A line per event instead of the live view.")] = False,
    json_output: Json = False,
    picture: Annotated[Path | None, typer.Option(help="Save the last live view as SVG.", hidden=True)] = None,
) -> None:
    """Embedded broker, all stages, replayed rooms; exits 0 only if every takedown due was issued, and no other."""
    from deploy.demo import DemoResult, run_demo, until
    from deploy.service import ServiceFailed
    from loadtest.scenario import ScenarioError, load

    try:
        chosen = load(scenario)
    except ScenarioError as problem:
        raise Failure(str(problem), 2) from None
    if seconds is not None:
        chosen = until(chosen, seconds)
    mode: Mode = "json" if json_output else "plain" if plain or not sys.stdout.isatty() else "live"
    view = View(mode, f"Roomwarden demo: {len(chosen.rooms)} rooms")
    for note in chosen.notes:
        view.say(note)
    try:
        with view:
            result: DemoResult = run(run_demo(chosen, settings_from(), view))
    except ServiceFailed as problem:
        raise Failure(str(problem)) from None
    if picture is not None:
        view.save(picture)
    _report(result, view, json_output)
    raise typer.Exit(result.verdict.exit_status)


def _report(result: Any, view: View, json_output: bool) -> None:
    from deploy.board import percentile

    latencies = view.board.takedown_latency_ms
    verdict = result.verdict
    if json_output:
        emit(
            {
                "event": "result",
                **verdict.as_dict(),
                "replay": result.replay.as_dict(),
                "start_s": round(result.start_s, 1),
                "run_s": round(result.run_s, 1),
                "takedown_latency_ms": {"p50": percentile(latencies, 0.5), "p95": percentile(latencies, 0.95)},
                "ledger_ms": view.board.milliseconds,
            }
        )
        return
    print("\n".join(verdict.lines()))
    print(
        f"takedown after the end of the heard audio: median {percentile(latencies, 0.5) / 1000:.2f} s, "
        f"worst {max(latencies, default=0.0) / 1000:.2f} s"
    )
    print(f"start-up {result.start_s:.0f} s, run {result.run_s:.0f} s")


def replay(
    sources: Annotated[
        list[str], typer.Argument(help="A scenario (bundled name or .yaml), audio files, or a recording (.rwrec).")
    ],
    rooms: Annotated[int, typer.Option(min=0, help="Play in this many rooms at once; 0 as given.")] = 0,
    speed: Annotated[float, typer.Option(min=0.1, max=100.0, help="Times real time.")] = 1.0,
    tenant: Annotated[str, typer.Option(help="Tenant of files.")] = "demo",
    codec: Annotated[str | None, typer.Option(help="pcm, opus, opus-length16, ogg, flac, mp3, aac (files).")] = None,
    chunk_ms: Annotated[int | None, typer.Option(help="Audio per record, ms (files).")] = None,
    jitter_ms: Annotated[float | None, typer.Option(help="Longest extra delay of a chunk (files).")] = None,
    loss: Annotated[float | None, typer.Option(help="Share of chunks lost, 0 to 1 (files).")] = None,
    seed: Annotated[int | None, typer.Option(help="Another seed, another order of chance.")] = None,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Share the rooms among so many processes.")] = 1,
    kafka: Kafka = None,
    json_output: Json = False,
) -> None:
    """Publish recorded traffic as live chunks."""
    from loadtest.processes import Plan, replay_from
    from loadtest.recording import RecordingError, play_to
    from loadtest.scenario import ScenarioError

    settings = settings_from(kafka=kafka)
    if [Path(source).suffix for source in sources] == [".rwrec"]:
        try:
            count = run(play_to(settings, Path(sources[0]), speed))
        except RecordingError as problem:
            raise Failure(str(problem), 2) from None
        emit({"records": count}) if json_output else print(f"{count} records published")
        return
    changes = {"codec": codec, "chunk_ms": chunk_ms, "jitter_ms": jitter_ms, "loss": loss}
    try:
        scenario = _chosen(
            sources, rooms, tenant, {name: value for name, value in changes.items() if value is not None}
        )
    except ScenarioError as problem:
        raise Failure(str(problem), 2) from None

    # Sessions carry the time, so that a second replay is not taken for a repetition of the first.
    plan = Plan(scenario, f"{scenario.name}-{int(time.time())}", seed, speed, settings, (0, 1))

    async def publish() -> Any:
        return await asyncio.to_thread(replay_from, processes, plan)

    report = run(publish())
    if json_output:
        emit(report.as_dict())
        return
    print(
        f"{report.chunks} chunks, {report.audio_ms / 1000:.0f} s of audio, {report.tracks} tracks in "
        f"{report.rooms} rooms, {report.elapsed_ms / 1000:.1f} s; drift p99 {report.drift.percentile(0.99):.0f} ms"
    )


def record(
    file: Annotated[Path, typer.Argument(help="Where to write; name it .rwrec to replay it.")],
    topic: Annotated[list[str] | None, typer.Option(help="Topics; voice.chunks and voice.rooms if none.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after so long; else at Ctrl-C.")] = None,
    redact: Annotated[bool, typer.Option("--redact", help="Silence for audio; nothing that was said.")] = False,
    since_start: Annotated[bool, typer.Option("--all", help="Begin with everything stored.")] = False,
    kafka: Kafka = None,
    json_output: Json = False,
) -> None:
    """Capture live topics into a file that `replay` plays onto another broker."""
    from loadtest.recording import record as write
    from streams.reading import RawReader
    from streams.topics import BY_NAME, CHUNKS, ROOMS

    unknown = set(topic or []) - set(BY_NAME)
    if unknown:
        raise Failure(f"--topic {', '.join(sorted(unknown))} is unknown; name any of {', '.join(BY_NAME)}", 2)
    rows = [BY_NAME[name] for name in topic] if topic else [CHUNKS, ROOMS]
    settings = settings_from(kafka=kafka)

    async def capture() -> dict[str, int]:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, stop.set)
        begin: Any = "earliest" if since_start else "latest"
        async with RawReader(settings, rows, start=begin) as reader:

            async def messages() -> AsyncIterator[Any]:
                while not stop.is_set():
                    for message in await reader.raw_poll():
                        yield message

            return await write(messages(), file, redact=redact)

    counts = run(capture())
    if json_output:
        emit({"file": str(file), "records": counts})
    else:
        print(f"{file}: " + (", ".join(f"{count} of {name}" for name, count in sorted(counts.items())) or "nothing"))


def _chosen(sources: list[str], rooms: int, tenant: str, changes: dict[str, Any]) -> Any:
    """A scenario by name or file, or one made of audio files; ``changes`` to the way of its chunks."""
    from loadtest.scenario import ScenarioError, from_files, load
    from loadtest.schema import Codec, Impairments

    way = {"name": changes["codec"]} if "codec" in changes else {}
    way |= {"chunk_ms": changes["chunk_ms"]} if "chunk_ms" in changes else {}
    harm = {name: changes[name] for name in ("jitter_ms", "loss") if name in changes}
    try:
        codec, impairments = Codec(**way) if way else None, Impairments(**harm) if harm else None
    except ValidationError as error:
        problem = error.errors()[0]
        raise ScenarioError(f"--{'-'.join(map(str, problem['loc']))}: {problem['msg']}") from None
    if len(sources) > 1 or Path(sources[0]).suffix not in ("", ".yaml", ".yml"):
        return from_files(sources, rooms=max(1, rooms), tenant=tenant, codec=codec, impairments=impairments)
    scenario = load(sources[0])
    scenario = scenario.model_copy(
        update={
            "codec": codec or scenario.codec,
            "impairments": impairments or scenario.impairments,
        }
    )
    return scenario.scaled(rooms, stagger_ms=STAGGER_MS) if rooms else scenario


def alerts(
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C; else print what is there.")
    ] = False,
    since_start: Annotated[bool, typer.Option("--all", help="With --follow: begin with everything stored.")] = False,
    kafka: Kafka = None,
    json_output: Json = False,
) -> None:
    """Print risk events, incidents and takedowns as they arrive."""
    from streams.reading import Reader
    from streams.topics import INCIDENTS, RISKS, TAKEDOWNS

    settings = settings_from(kafka=kafka)

    async def watch() -> None:
        start: Any = "latest" if follow and not since_start else "earliest"
        async with Reader(settings, (RISKS, INCIDENTS, TAKEDOWNS), start=start) as reader:
            if not follow:
                for observed in sorted(await reader.drain(), key=lambda item: item.arrived_ms):
                    _print_alert(observed, json_output)
                return
            async for observed in reader.follow():
                _print_alert(observed, json_output)

    run(watch())


def _print_alert(observed: Any, json_output: bool) -> None:
    from streams.records import Incident, Takedown

    record = observed.record
    if json_output:
        emit({"topic": observed.topic, "record": msgspec.to_builtins(record)})
        return
    when = time.strftime("%H:%M:%S", time.localtime(observed.arrived_ms / 1000.0))
    if isinstance(record, Incident):
        names = ", ".join(room.room for room in record.rooms[:8]) + (" …" if len(record.rooms) > 8 else "")
        print(
            f"{when} INCIDENT {record.category} severity {record.severity} in {len(record.rooms)} rooms ({names}): "
            f"“{record.quote}” [{record.incident_id}, revision {record.revision}]",
            flush=True,
        )
    elif isinstance(record, Takedown):
        who = f"{record.target.room}/{record.target.speaker}"
        mark = " (dry run)" if record.dry_run else ""
        print(
            f"{when} TAKEDOWN {record.action}{mark} {who} {record.category}: {record.reason.get('zh', '')}", flush=True
        )
        print(f"         {record.reason.get('en', '')} [{record.takedown_id}]", flush=True)
    else:
        who = f"{record.room}/{record.speaker}"
        print(
            f"{when} risk {record.category} severity {record.severity} {who}: "
            f"“{record.quote}” ({record.lexicon_list}/{record.entry}, {record.match})",
            flush=True,
        )
