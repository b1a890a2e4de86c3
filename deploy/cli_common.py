"""What the commands share: settings from flags, output as text or JSON, errors as one sentence."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from aiokafka.errors import KafkaError

from deploy.brokers import BrokerFailed, BrokerMissing
from streams import settings as streams_settings
from streams.connection import KafkaRefused
from streams.envelope import parse_time
from streams.settings import Settings

if TYPE_CHECKING:  # models load at use
    from models.speech import Recogniser

T = TypeVar("T")

Kafka = Annotated[str | None, typer.Option("--kafka", help="Bootstrap servers; else ROOMWARDEN_KAFKA.")]
Json = Annotated[bool, typer.Option("--json", help="JSON, one object a line.")]


class Failure(RuntimeError):
    """An expected error: one sentence for the user, and the exit status."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


def settings_from(**flags: Any) -> Settings:
    """Settings in force; a missing settings file is a Failure."""
    try:
        return streams_settings.load(**flags)
    except FileNotFoundError as missing:
        raise Failure(str(missing), 2) from None


def recogniser_from(settings: Settings) -> Recogniser:
    """The recogniser of the settings; missing weights are a Failure."""
    from models.speech.loading import load_recogniser
    from models.weights import WeightsError

    try:
        return load_recogniser(
            settings.whisper,
            cache=settings.cache,
            device=settings.device,
            threads=settings.threads,
            allow_hub=settings.allow_hub,
        )
    except WeightsError as problem:
        raise Failure(str(problem)) from None


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run to the end; an unreachable or missing broker is one sentence, Ctrl-C exit status 130."""
    try:
        return asyncio.run(coroutine)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except (BrokerMissing, BrokerFailed, KafkaRefused) as problem:
        raise Failure(str(problem)) from None
    except KafkaError as problem:
        raise Failure(f"Kafka: {problem}; is ROOMWARDEN_KAFKA (or --kafka) right, and the broker up?") from None


def moment(option: str, text: str | None, default: float) -> float:
    """Unix ms of an option that takes a time; ``default`` where it is not given."""
    if text is None:
        return default
    try:
        return parse_time(text)
    except ValueError:
        raise Failure(f"{option} must be RFC 3339 with an offset, like 2026-01-31T08:00:00Z", 2) from None


def emit(value: Any) -> None:
    """One JSON object on a line of its own, at once."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()
