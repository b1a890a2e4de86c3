"""Commands that need no broker: ``transcribe``, ``score``, ``judge``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli_common import Failure, Json, emit, recogniser_from, settings_from


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("transcribe")(transcribe)
    app.command("score")(score)
    app.command("judge")(judge)


def transcribe(
    files: Annotated[list[Path], typer.Argument(help="Audio files of any common format.")],
    json_output: Json = False,
) -> None:
    """Print what listen would say of each file: text, language, times."""
    from deploy.hearing import hear
    from loadtest.clips import NoRecordingError, UnreadableClipError

    recogniser = recogniser_from(settings_from())
    failed = False
    for file in files:
        try:
            heard = hear(recogniser, file)
        except (UnreadableClipError, NoRecordingError, FileNotFoundError) as problem:
            failed = True
            _bad_file(file, problem, json_output)
            continue
        segments = [
            {
                "start": round(part.start_s, 2),
                "end": round(part.end_s, 2),
                "language": part.result.language,
                "text": "" if part.result.guard else part.result.text,
                "guard": part.result.guard,
            }
            for part in heard
        ]
        if json_output:
            text = " ".join(str(segment["text"]) for segment in segments if segment["text"])
            emit({"file": str(file), "text": text, "segments": segments})
            continue
        print(file)
        for segment in segments:
            words = segment["text"] or f"({segment['guard']})"
            print(f"  {segment['start']:7.2f} – {segment['end']:7.2f} s  {segment['language'] or '--'}  {words}")
        if not segments:
            print("  no speech")
    if failed:
        raise typer.Exit(1)


def score(
    files: Annotated[list[Path], typer.Argument(help="Audio files of any common format.")],
    json_output: Json = False,
) -> None:
    """Print for each file whether its voice is synthetic; the score is that of the whole file, however short."""
    from deploy import hearing
    from loadtest.clips import NoRecordingError, UnreadableClipError
    from models.synthetic import DetectorError
    from models.synthetic.head import SyntheticHead

    try:
        settings = settings_from()
        head = SyntheticHead(settings.synthetic_detectors, settings.threads)
    except DetectorError as problem:
        raise Failure(str(problem)) from None
    failed = False
    for file in files:
        try:
            found, declared = hearing.score(head, file), hearing.declared(file)
        except (UnreadableClipError, NoRecordingError, FileNotFoundError) as problem:
            failed = True
            _bad_file(file, problem, json_output)
            continue
        if json_output:
            emit(
                {
                    "file": str(file),
                    "verdict": found.verdict,
                    "llr": round(found.llr, 4),
                    "probability": round(found.probability, 4),
                    "speech_seconds": round(found.speech_seconds, 2),
                }
                | ({"scores": {name: round(llr, 4) for name, llr in found.scores}} if found.scores else {})
                | ({"declared": declared} if declared else {})
            )
            continue
        print(
            f"{file}: {found.verdict}, log-likelihood ratio {found.llr:+.2f}, probability {found.probability:.2f}, "
            f"{found.speech_seconds:.2f} s of speech" + (f", declared synthetic ({declared})" if declared else "")
        )
    if failed:
        raise typer.Exit(1)


def judge(
    texts: Annotated[list[str], typer.Argument(help="Texts, or - to read one a line.")],
    lexicon: Annotated[
        list[Path] | None, typer.Option("--lexicon", help="Lexicon file; the starter lists if none.")
    ] = None,
    policy: Annotated[Path | None, typer.Option("--policy", help="Policy file; the starter policy if none.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show how each hit came about.")] = False,
    json_output: Json = False,
) -> None:
    """Print what judge would say of each text."""
    from models.judgement import judge_text
    from models.lexicon import LexiconError, load_lexicon
    from models.policy import PolicyError, load_policy

    try:
        words, rules = load_lexicon(lexicon or None), load_policy(policy)
    except (LexiconError, PolicyError, FileNotFoundError) as problem:
        raise Failure(str(problem), 2) from None
    source = (line.rstrip("\n") for line in sys.stdin) if texts == ["-"] else iter(texts)
    for text in source:
        result = judge_text(text, words, rules, explain=explain)
        if json_output or texts == ["-"]:
            emit(result)
            continue
        print(f"{text}\n  action: {result['action'] or 'none'}")
        for hit in result["hits"]:
            print(f"  {hit['category']}: {hit['list']} / {hit['entry']}, {hit['match']}, at {hit['span']}")
            for step in hit.get("explain", ()):
                print(f"    {step}")
        for proposal in result.get("proposals", ()):
            print(f"  {proposal['category']}: proposed by the text model, probability {proposal['probability']}")
            for step in proposal.get("explain", ()):
                print(f"    {step}; the policy: {proposal['action'] or 'none'}")


def _bad_file(file: Path, problem: Exception, json_output: bool) -> None:
    if json_output:
        emit({"file": str(file), "error": str(problem)})
    else:
        print(f"roomwarden: {file}: {problem}", file=sys.stderr)
