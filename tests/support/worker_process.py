"""A worker in a process of its own, to be killed: `python -m tests.support.worker_process segment listen judge`.

Real segment engine, real judge with the starter policy; the recogniser is ``EchoRecogniser``, which is quick and hears
an offence in everything, unless the file that RW_TEST_BREAK names is there: then it breaks. Settings come from
ROOMWARDEN_* variables. RW_TEST_PATIENCE_MS: how long nobody falls silent by the clock. The file that RW_TEST_CLOCK
names holds seconds by which the wall clock is wrong, and may change at any time. RW_TEST_REAL: the real recogniser.
Prints one line when its stages have started.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import time
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


def follow_clock(path: Path) -> None:
    """Let the wall clock jump as the file says, under a running worker; only the monotonic clock goes on as before."""
    offset = [0.0]
    real = time.time
    time.time = lambda: real() + offset[0]

    def follow() -> None:
        while True:
            with contextlib.suppress(OSError, ValueError):
                offset[0] = float(path.read_text())
            time.sleep(0.2)

    threading.Thread(target=follow, daemon=True).start()


async def serve(names: Sequence[StageName]) -> None:
    """Run stages until SIGTERM."""
    settings = Settings()
    configure(settings)
    await apply_topics(settings)
    worker = Worker(settings, names)
    for stage in worker.stages:
        if isinstance(stage, Listen) and "RW_TEST_REAL" not in os.environ:
            stage.recogniser = EchoRecogniser()
        if isinstance(stage, Segment):
            # Nobody falls silent by the clock here, however slow the machine: chunks alone decide what comes out.
            patience_ms = float(os.environ.get("RW_TEST_PATIENCE_MS", "60000"))
            patient = TrackSettings(idle_ms=patience_ms)
            stage.engine = SegmentEngine(SegmentSettings(track=patient, reorder_ms=max(5_000.0, patience_ms / 12)))

    async def ready() -> None:
        print("started", flush=True)  # noqa: T201  # whoever started this process waits for the line

    await worker.run(ready)


if __name__ == "__main__":
    if clock := os.environ.get("RW_TEST_CLOCK"):
        follow_clock(Path(clock))
    asyncio.run(serve(cast("list[StageName]", sys.argv[1:])))
