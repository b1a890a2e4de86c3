"""``bench latency``: from the end of the offending word, as captured, to the takedown record, on this machine."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from typing import Any

from deploy.board import Board, percentile
from deploy.demo import DemoResult, run_demo
from deploy.view import View
from loadtest.scenario import DueTakedown, load
from streams.settings import Settings

EARLY_MS = 400.0
"""A phrase may be recognised before its last sound has died away."""
LATEST_MS = 15_000.0


async def measure(scenario_name: str, runs: int, settings: Settings) -> dict[str, Any]:
    """Play the scenario ``runs`` times and collect the latencies of the takedowns due.

    Raises:
        ScenarioError, ServiceFailed: when a part cannot start.
    """
    scenario = load(scenario_name)
    samples: list[tuple[float, bool]] = []
    missed, due_count, medians = 0, 0, []
    for _ in range(runs):
        view = View("silent", "bench")
        result = await run_demo(scenario, settings, view)
        found = latencies(scenario.dues(), result, view.board)
        due_count += len(scenario.dues())
        missed += len(scenario.dues()) - len(found)
        samples.extend(found)
        medians.append(statistics.median([ms for ms, _ in found] or [0.0]))
    return {
        "scenario": scenario_name,
        "tracks": sum(len(room.speakers) for room in scenario.rooms),
        "cores": len(os.sched_getaffinity(0)),
        "runs": runs,
        "due": due_count,
        "missed": missed,
        "median_of_each_run_ms": [round(value) for value in medians],
        # One that never came was later than all that did.
        "all": _summary([ms for ms, _ in samples] + [LATEST_MS] * missed),
        "partial": _summary([ms for ms, final in samples if not final]),
        "final": _summary([ms for ms, final in samples if final]),
    }


def latencies(dues: Sequence[DueTakedown], result: DemoResult, board: Board) -> list[tuple[float, bool]]:
    """Latency (ms) of each due takedown that came, and whether a final revision brought it."""
    free = sorted(board.takedowns, key=lambda takedown: board.arrivals_ms[takedown.takedown_id])
    found = []
    for due in dues:
        said_ms = result.replay.start_unix_ms + due.spoken_ms
        for takedown in free:
            delay = board.arrivals_ms[takedown.takedown_id] - said_ms
            here = (takedown.target.room, takedown.target.speaker) == (due.room, due.speaker)
            if here and takedown.category.startswith(due.category) and -EARLY_MS < delay < LATEST_MS:
                free.remove(takedown)
                found.append((delay, (takedown.utterance_id, takedown.revision) in board.finals))
                break
    return found


def table(result: dict[str, Any]) -> str:
    """The result as a Markdown table."""
    counts = f"{result['tracks']} tracks, {result['cores']} cores, {result['runs']} runs"
    lines = [
        f"{counts}: {result['due']} takedowns due, {result['missed']} missed",
        f"median of each run: {result['median_of_each_run_ms']} ms",
        "",
        "| decided on | n | p50 s | p95 s | p99 s | worst s |",
        "|---|---|---|---|---|---|",
    ]
    for kind in ("partial", "final", "all"):
        row = result[kind]
        figures = " | ".join(f"{row[name] / 1000:.2f}" for name in ("p50", "p95", "p99", "worst"))
        lines.append(f"| {kind} | {row['n']} | {figures} |")
    if result["missed"]:
        lines.append(f"\n`all` counts each of the {result['missed']} missed as {LATEST_MS / 1000:.0f} s.")
    return "\n".join(lines)


def _summary(values: list[float]) -> dict[str, float]:
    return {
        "n": len(values),
        "p50": percentile(values, 0.50),
        "p95": percentile(values, 0.95),
        "p99": percentile(values, 0.99),
        "worst": max(values, default=0.0),
    }
