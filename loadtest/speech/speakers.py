"""How many people one machine can follow: more and more speakers in real time, until answers come too late.

Each speaker says utterances of the reference set one after the other, at the pace of speech. Each utterance is queued
when it ends, and goes through the same `Batcher`, planning and recogniser as in `listen`, without Kafka around it.
Latency is from the end of an utterance to its result on the event loop, whose own lag is measured at the same time.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.batching import Batcher, Work
from loadtest.speech.material import Piece, Reference
from models.speech import Recogniser, SpeechJob, SpeechResult
from models.speech.batching import BatchLimits, Pending, plan, readiness
from models.speech.whisper import WhisperRecogniser
from models.weights import Weights
from streams.settings import Settings

SPEAKERS = (1, 2, 4, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128)
LATEST_S = 1.0
"""The climb ends with the first number of speakers whose p95 is above this."""
DEADLINE_MS = 600
PAUSE_S = 0.3
TICK_S = 0.005


@dataclass(slots=True, eq=False)
class _Said:
    """An utterance that has ended, by the monotonic clock."""

    number: int
    piece: Piece
    ended_s: float


class Floor:
    """Speakers, batcher and recogniser for one number of speakers."""

    def __init__(self, recogniser: Recogniser, settings: Settings) -> None:
        self._recogniser = recogniser
        self._limits = BatchLimits(
            max_batch=settings.max_batch,
            max_padded_seconds=settings.batch_seconds,
            fill_ms=int(settings.batch_wait_ms),
        )
        self._batcher: Batcher[_Said, SpeechResult] = Batcher(
            self._choose, self._recognise, self._deliver, lanes=settings.replicas
        )
        self._busy: list[float] = []
        self._audio = 0.0
        self._latencies: list[float] = []
        self._lags: list[float] = []
        self._count = 0

    async def run(self, pieces: Sequence[Piece], speakers: int, seconds: float) -> dict[str, float]:
        """Let so many talk for so long; figures of it."""
        serving = asyncio.create_task(self._batcher.serve())
        ticking = asyncio.create_task(self._tick())
        try:
            until = time.monotonic() + seconds
            await asyncio.gather(*(self._talk(pieces, number, speakers, until) for number in range(speakers)))
            while len(self._latencies) < self._count and not serving.done():
                await asyncio.sleep(0.02)
        finally:
            serving.cancel()
            ticking.cancel()
            await asyncio.gather(serving, ticking, return_exceptions=True)
        return {
            "speakers": speakers,
            "utterances": len(self._latencies),
            "real_time_factor": round(sum(self._busy) / max(1e-9, self._audio), 4),
            "p50_s": round(float(np.quantile(self._latencies, 0.5)), 3),
            "p95_s": round(float(np.quantile(self._latencies, 0.95)), 3),
            "batch": round(len(self._latencies) / max(1, len(self._busy)), 2),
            "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "loop_lag_p99_ms": round(1000 * float(np.quantile(self._lags, 0.99)), 1),
            "loop_lag_worst_ms": round(1000 * max(self._lags), 1),
        }

    async def _talk(self, pieces: Sequence[Piece], number: int, speakers: int, until: float) -> None:
        at = number * len(pieces) // speakers
        # Speakers do not begin together: spread over the first three seconds.
        await asyncio.sleep(3.0 * number / speakers)
        while True:
            piece = pieces[at % len(pieces)]
            at += 1
            end = time.monotonic() + piece.seconds
            if end > until and self._count:
                return
            await asyncio.sleep(piece.seconds)
            self._count += 1
            self._batcher.add(_Said(self._count, piece, end))
            await asyncio.sleep(PAUSE_S)

    async def _tick(self) -> None:
        while True:
            due = time.monotonic() + TICK_S
            await asyncio.sleep(TICK_S)
            self._lags.append(max(0.0, time.monotonic() - due))

    def _choose(self, pending: Sequence[Work[_Said]], now_s: float) -> list[Work[_Said]]:
        queue = [
            Pending(
                str(work.item.number),
                work.item.piece.seconds,
                deadline_ms=int(work.added_at * 1000) + DEADLINE_MS,
                queued_ms=int(work.added_at * 1000),
            )
            for work in pending
        ]
        if readiness(queue, int(now_s * 1000), self._limits) not in ("full", "due"):
            return []
        chosen = set(plan(queue, self._limits).ids)
        return [work for work in pending if str(work.item.number) in chosen]

    def _recognise(self, items: list[_Said]) -> list[SpeechResult]:
        return self._recogniser.transcribe([SpeechJob(str(item.number), item.piece.samples) for item in items])

    async def _deliver(self, pairs: list[tuple[_Said, SpeechResult]], seconds: float) -> None:
        self._busy.append(seconds)
        now = time.monotonic()
        for said, _ in pairs:
            self._audio += said.piece.seconds
            self._latencies.append(now - said.ended_s)


async def climb(
    reference: Reference, weights: Weights, settings: Settings, *, seconds: float, say: Callable[[str], None]
) -> dict[str, Any]:
    """One row for each number of speakers, up to the first that is followed too late."""
    lanes = settings.replicas
    recogniser = WhisperRecogniser(weights, intra_threads=max(1, settings.threads // lanes), inter_threads=lanes)
    recogniser.transcribe([SpeechJob("warm", reference.pieces[0].samples)])
    rows = []
    for speakers in SPEAKERS:
        rows.append(await Floor(recogniser, settings).run(reference.pieces, speakers, seconds))
        say(f"{speakers} speakers: p95 {rows[-1]['p95_s']:.2f} s")
        if rows[-1]["p95_s"] > LATEST_S:
            break
    recogniser.close()
    return {"threads": settings.threads, "replicas": lanes, "seconds": seconds, "rows": rows}


def table(result: dict[str, Any]) -> str:
    """The rows as a Markdown table."""
    lines = [
        f"{result['threads']} threads, {result['replicas']} batches at once, {result['seconds']:g} s for each row",
        "",
        "| speakers | utterances | real-time factor | p50 s | p95 s | batch | peak MiB | loop lag p99, worst ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['speakers']} | {row['utterances']} | {row['real_time_factor']:.3f} | {row['p50_s']:.2f} | "
        f"{row['p95_s']:.2f} | {row['batch']:.1f} | {row['peak_mib']} | "
        f"{row['loop_lag_p99_ms']:.1f}, {row['loop_lag_worst_ms']:.1f} |"
        for row in result["rows"]
    ]
    return "\n".join(lines)


def drawing(result: dict[str, Any]) -> str:
    """Real-time factor, p95 latency and memory over the number of speakers, as SVG."""
    rows = result["rows"]
    panels = (
        ("real-time factor", "real_time_factor", None),
        ("p95 latency, s", "p95_s", LATEST_S),
        ("peak memory, MiB", "peak_mib", None),
    )
    width, height = 260, 190
    box = f'viewBox="0 0 {width * len(panels)} {height}" font-family="sans-serif" font-size="11"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box}>',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, (title, key, limit) in enumerate(panels):
        parts += _panel(number * width, title, [(row["speakers"], row[key]) for row in rows], limit)
    return "\n".join([*parts, "</svg>", ""])


def _panel(left: float, title: str, points: Sequence[tuple[float, float]], limit: float | None) -> list[str]:
    """One line chart of 260 x 190 at `left`; a dashed line at the limit."""
    most_x = max(x for x, _ in points)
    most_y = 1.1 * max([y for _, y in points] + ([limit] if limit else []))

    def place(x: float, y: float) -> tuple[float, float]:
        return left + 45 + 200 * x / most_x, 160 - 125 * y / most_y

    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
    bottom = place(0, 0)[1]
    parts = [
        f'<text x="{left + 45}" y="18" font-weight="bold">{title}</text>',
        f'<path d="M{left + 45} 30V{bottom}H{left + 245}" fill="none" stroke="#888"/>',
        f'<polyline points="{line}" fill="none" stroke="#0a58ca" stroke-width="2"/>',
        f'<text x="{left + 40}" y="40" text-anchor="end">{most_y:.3g}</text>',
        f'<text x="{left + 40}" y="{bottom}" text-anchor="end">0</text>',
        f'<text x="{left + 245}" y="{bottom + 15}" text-anchor="end">{most_x:g} speakers</text>',
    ]
    if limit:
        y = place(0, limit)[1]
        parts.append(f'<path d="M{left + 45} {y:.1f}h200" stroke="#c00" stroke-dasharray="4 3"/>')
    return parts
