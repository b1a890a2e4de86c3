"""A worker in a process of its own, to be killed: `python -m tests.support.worker_process segment listen judge`.

Real segment engine, real judge with the starter policy; the recogniser is ``EchoRecogniser``, which is quick and hears
an offence in everything, unless the file that RW_TEST_BREAK names is there: then it breaks. Settings come from
ROOMWARDEN_* variables. Prints one line when its stages have started.
"""

from __future__ import annotations

import asyncio
import os
import sys
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from agents.listen import Listen
from agents.segment import Segment
from agents.worker import StageName, Worker
from models.segmenting import SegmentEngine, SegmentSettings, TrackSettings
from models.speech.types import SpeechJob, SpeechResult
from streams.admin import apply_topics
from streams.logs import configure
from streams.settings import Settings
from tests.support.fakes import heard

PHRASE = "加我微信"


def echo(audio: bytes) -> str:
    """What ``EchoRecogniser`` says of s16le audio: an offence, and proof that not one sample differs."""
    return f"{PHRASE} {zlib.crc32(audio):08x}"


class EchoRecogniser:
    """Hears an offer of contact in all audio, with the audio's checksum."""

    name = "echo"
    versions: Mapping[str, str] = {"echo": "cd" * 32}

    def transcribe(self, jobs: Sequence[SpeechJob], *, thorough: bool = True) -> list[SpeechResult]:
        """One confident result a job."""
        del thorough
        if (marker := os.environ.get("RW_TEST_BREAK")) and Path(marker).exists():
            raise RuntimeError("the model broke")
        return [heard(job, echo(job.samples.tobytes())) for job in jobs]

    def word_times(self, job: SpeechJob, result: SpeechResult) -> list[Any]:
        """None are known."""
        del job, result
        return []

    def close(self) -> None:
        """Nothing to free."""


async def serve(names: Sequence[StageName]) -> None:
    """Run stages until SIGTERM."""
    settings = Settings()
    configure(settings)
    await apply_topics(settings)
    worker = Worker(settings, names)
    for stage in worker.stages:
        if isinstance(stage, Listen):
            stage.recogniser = EchoRecogniser()
        if isinstance(stage, Segment):
            # Nobody falls silent by the clock here, however slow the machine: chunks alone decide what comes out.
            patient = TrackSettings(idle_ms=60_000.0)
            stage.engine = SegmentEngine(SegmentSettings(track=patient, reorder_ms=5_000.0))

    async def ready() -> None:
        print("started", flush=True)  # noqa: T201  # whoever started this process waits for the line

    await worker.run(ready)


if __name__ == "__main__":
    asyncio.run(serve(cast("list[StageName]", sys.argv[1:])))
