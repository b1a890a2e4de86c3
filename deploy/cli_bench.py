"""Benchmarks: ``bench latency`` and those that later join it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.brokers import Kind
from deploy.cli_common import Failure, Json, emit, recogniser_from, run, settings_from

REFERENCE = Path("tests/data/replay/reference")

bench = typer.Typer(help="The figures in BENCHMARKS.md.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(bench, name="bench")


def _report(
    result: dict[str, Any], table: Callable[[dict[str, Any]], str], json_output: bool, out: Path | None = None
) -> None:
    """Print a result as a table or as JSON; keep it as JSON where a file is named."""
    if out is not None:
        out.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    if json_output:
        emit(result)
    else:
        print(table(result))


@bench.command("latency")
def latency(
    scenario: Annotated[str, typer.Option(help="A bundled scenario's name, or a file.")] = "ten_tracks",
    runs: Annotated[int, typer.Option(min=1, help="Times to play it.")] = 3,
    out: Annotated[Path | None, typer.Option(help="Also write the result as JSON here.")] = None,
    json_output: Json = False,
) -> None:
    """From the end of the offending word as captured to the takedown record, on the embedded broker."""
    from deploy.bench_latency import measure, table
    from deploy.service import ServiceFailed
    from loadtest.scenario import ScenarioError

    try:
        result = run(measure(scenario, runs, settings_from()))
    except (ScenarioError, ServiceFailed) as problem:
        raise Failure(str(problem)) from None
    _report(result, table, json_output, out)


@bench.command("spoken")
def spoken(
    folder: Annotated[Path, typer.Argument(help="Renderings made by python -m loadtest.voices.spoken.")],
    out: Annotated[Path | None, typer.Option(help="Also write every outcome here, a line of JSON each.")] = None,
    json_output: Json = False,
) -> None:
    """The evasion suite as speech: recall and false alarms by kind, language and voice."""
    from deploy.bench_spoken import measure, rates, table_of, written

    try:
        outcomes = measure(folder, recogniser_from(settings_from()))
    except FileNotFoundError:
        raise Failure(
            f"{folder}: no manifest.jsonl; make one with python -m loadtest.voices.spoken --out DIR"
        ) from None
    result = rates(outcomes)
    if out is not None:
        written(outcomes, out)
    if json_output:
        emit(result)
    else:
        print(table_of(result))


@bench.command("speech")
def speech(
    reference: Annotated[
        Path, typer.Option(help="A reference set; made by python -m loadtest.voices.reference.")
    ] = REFERENCE,
    rounds: Annotated[int, typer.Option(min=1, help="Times that all engines take their turn.")] = 3,
    limit: Annotated[int, typer.Option(min=0, help="Only so many files, spread over the set; 0: all.")] = 0,
    padding: Annotated[bool, typer.Option("--padding", help="Compare lengths of added silence instead.")] = False,
    plot: Annotated[bool, typer.Option("--plot", help="Find how many speakers can be followed instead.")] = False,
    seconds: Annotated[float, typer.Option(min=5.0, help="With --plot: how long each number of speakers talks.")] = 30,
    picture: Annotated[Path | None, typer.Option(help="With --plot: also draw it as SVG here.")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the result as JSON here.")] = None,
    json_output: Json = False,
) -> None:
    """Our recogniser against faster-whisper and WhisperLive's way, on the same utterances, weights and threads."""

    from loadtest.speech import compare, material, speakers
    from models.weights import WeightsError, find

    settings = settings_from()
    try:
        chosen = material.load(reference, limit)
        directory = Path(settings.whisper)
        path = directory if directory.is_dir() else None
        weights = find(settings.whisper, path=path, cache=settings.cache, allow_hub=settings.allow_hub)
    except (material.NoReference, WeightsError) as problem:
        raise Failure(str(problem)) from None
    say = (lambda _: None) if json_output else (lambda text: typer.echo(text, err=True))
    if plot:
        result = run(speakers.climb(chosen, weights, settings, seconds=seconds, say=say))
        if picture is not None:
            picture.write_text(speakers.drawing(result), encoding="utf-8")
        text = speakers.table(result)
    else:
        result = compare.compare(
            chosen, weights.directory, rounds=rounds, threads=settings.threads, padding=padding, say=say
        )
        text = compare.table(result)
    if out is not None:
        out.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    if json_output:
        emit(result)
    else:
        print(text)


@bench.command("load")
def load(
    scenario: Annotated[str, typer.Option(help="A bundled scenario's name, or a file.")] = "platform",
    rooms: Annotated[int, typer.Option(min=1, help="Rooms at once; the scenario's are repeated.")] = 50,
    seconds: Annotated[float | None, typer.Option(help="Play only the first seconds.")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the result as JSON here.")] = None,
    json_output: Json = False,
) -> None:
    """Many rooms on this machine: the histogram of latencies, and what was due, found, missed and wrongly found."""
    from deploy.bench_load import measure, table
    from deploy.service import ServiceFailed
    from loadtest.scenario import ScenarioError

    try:
        result = run(measure(scenario, rooms, seconds, settings_from()))
    except (ScenarioError, ServiceFailed) as problem:
        raise Failure(str(problem)) from None
    _report(result, table, json_output, out)
    raise typer.Exit(0 if result["verdict"]["passed"] else 1)


@bench.command("capacity")
def capacity(
    seconds: Annotated[float, typer.Option(min=10, help="Audio of each step.")] = 30.0,
    bound_ms: Annotated[float, typer.Option(min=100, help="p95 from word to takedown, ms.")] = 2_000.0,
    most_rooms: Annotated[int, typer.Option(min=1, help="Stop at so many rooms (two tracks each).")] = 100,
    processes: Annotated[str, typer.Option(help="Processes of each stage, a curve for each.")] = "1,2",
    peers: Annotated[bool, typer.Option(help="Also measure the peers.")] = True,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or auto.")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the result as JSON here.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Also draw the curves as SVG here.")] = None,
    json_output: Json = False,
) -> None:
    """Speaking tracks until takedowns come late, per stage and against peers; what that means for a platform."""
    from deploy.bench_capacity import Wanted, measure
    from deploy.capacity import picture as draw
    from deploy.capacity import table
    from deploy.service import ServiceFailed
    from loadtest.scenario import ScenarioError
    from models.weights import WeightsError

    try:
        counts = tuple(int(part) for part in processes.split(","))
    except ValueError:
        raise Failure(f"--processes {processes} must be numbers and commas, like 1,2", 2) from None
    if min(counts) < 1:
        raise Failure("--processes must be 1 or more", 2)
    wanted = Wanted(seconds, bound_ms, most_rooms, counts, peers)
    try:
        result = run(measure(wanted, settings_from(device=device)))
    except (ScenarioError, ServiceFailed, WeightsError) as problem:
        raise Failure(str(problem)) from None
    if out is not None:
        out.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    if picture is not None:
        picture.write_text(draw(result["curves"], bound_ms))
    _report(result, table, json_output)


@bench.command("overload")
def overload(
    seconds: Annotated[float, typer.Option(min=10, help="How long one tenant floods.")] = 600.0,
    times: Annotated[float, typer.Option(min=1, help="Load in the flood, in times what is carried.")] = 3.0,
    patience: Annotated[float, typer.Option(min=1, help="Wait so many seconds at most until all is caught up.")] = 1800,
    out: Annotated[Path | None, typer.Option(help="Also write the result as JSON here.")] = None,
    json_output: Json = False,
) -> None:
    """One tenant sends too much: what becomes of its speech, and how long the other tenant waits."""
    from deploy.bench_overload import Wanted, measure, table
    from deploy.service import ServiceFailed

    try:
        result = run(measure(Wanted(seconds, times, patience), settings_from()))
    except ServiceFailed as problem:
        raise Failure(str(problem)) from None
    _report(result, table, json_output, out)


@bench.command("soak")
def soak(
    minutes: Annotated[float, typer.Option(min=1, help="How long.")] = 60.0,
    rooms: Annotated[int, typer.Option(min=1, help="Rooms at once.")] = 6,
    scenario: Annotated[str, typer.Option(help="A bundled scenario's name, or a file.")] = "platform",
    kind: Annotated[str, typer.Option(help="Broker: apache or embedded.")] = "apache",
    ramp: Annotated[bool, typer.Option("--ramp", help="Open the rooms one by one: how many can be carried?")] = False,
    out: Annotated[Path | None, typer.Option(help="Also write the result, with every sample, as JSON here.")] = None,
    json_output: Json = False,
) -> None:
    """All stages under a steady load for long: whether memory grows, a stage lags, or a partition stops."""
    from deploy.bench_soak import Wanted, measure
    from deploy.service import ServiceFailed
    from deploy.soak import table
    from loadtest.scenario import ScenarioError

    if kind not in ("apache", "embedded"):
        raise Failure(f"--kind is {kind!r}; give apache or embedded", 2)
    chosen: Kind = "apache" if kind == "apache" else "embedded"
    try:
        result = run(measure(Wanted(minutes, rooms, scenario, chosen, ramp), settings_from()))
    except (ScenarioError, ServiceFailed) as problem:
        raise Failure(str(problem)) from None
    _report(result, table, json_output, out)


@bench.command("guard")
def guard(
    half: Annotated[str, typer.Option(help="Which half of the sounds: judge, or fit.")] = "judge",
    scale: Annotated[float, typer.Option(min=0.01, help="Times the usual minutes.")] = 1.0,
    out: Annotated[Path | None, typer.Option(help="Also write the result as JSON here.")] = None,
    json_output: Json = False,
) -> None:
    """Words heard in sound without words: an hour of noise, laughter, music and singing through the guard."""
    if half not in ("judge", "fit"):
        raise Failure(f"half is {half!r}; give judge or fit")
    from loadtest.bench_guard import measure, summary, table
    from loadtest.nonspeech.collection import Half, collection, missing
    from models.sounds.head import SoundsHead

    which: Half = "judge" if half == "judge" else "fit"
    recogniser = recogniser_from(settings_from())
    result = summary(measure(collection(which, scale=scale), recogniser, SoundsHead()), which, missing(which))
    _report(result, table, json_output, out)


@bench.command("lexicon")
def lexicon(
    entries: Annotated[int, typer.Option(min=1, help="Size of the lexicon.")] = 100_000,
    sentences: Annotated[int, typer.Option(min=100, max=50_000, help="Distinct sentences to look through.")] = 10_000,
    json_output: Json = False,
) -> None:
    """Sentences a second with a large lexicon, against pyahocorasick, flashtext and a regular expression."""
    from deploy.bench_lexicon import measure, table

    result = measure(entries, sentences)
    _report(result, table, json_output)


@bench.command("synthetic")
def synthetic(
    data: Annotated[Path, typer.Option(help="Folder with manifest.csv and the labelled clips.")] = Path("voices"),
    cache: Annotated[Path, typer.Option(help="Where the clips' statistics are kept.")] = Path(".roomwarden/training"),
    conditions: Annotated[list[str] | None, typer.Option("--condition", help="clean, opus24, opus, room.")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the result as JSON here.")] = None,
    json_output: Json = False,
) -> None:
    """Synthetic voices: error rates on sources held out, by source, system, language, codec, length; and the cost."""
    import importlib.util

    from deploy.bench_synthetic import available, cost, measure, table
    from models.speech.loading import load_recogniser
    from models.weights import WeightsError

    if not available(data):
        raise Failure(f"no labelled clips in {data}: name the folder that holds manifest.csv with --data")
    if importlib.util.find_spec("onnx") is None:
        raise Failure("bench synthetic needs the package onnx: install roomwarden[train]")
    settings = settings_from()
    try:
        recogniser = load_recogniser(settings.whisper, cache=settings.cache, threads=1, allow_hub=settings.allow_hub)
        result = measure(data, cache, conditions or ["clean", "opus24"]) | {"cost": cost(recogniser)}
    except (WeightsError, ValueError, OSError) as problem:
        raise Failure(str(problem)) from None
    _report(result, table, json_output, out)
