"""``bench load``: a scenario in many rooms on this machine; the histogram of latencies, and the verdict."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from deploy.board import percentile
from deploy.demo import run_demo, until
from deploy.view import View
from loadtest.scenario import load
from streams.settings import Settings

POLICIES = Path(__file__).resolve().parent.parent / "loadtest" / "policies"
EDGES_MS = (250, 500, 750, 1000, 1500, 2000, 3000, 5000, 10_000)
STAGGER_MS = 137
"""Between the openings of two rooms, so that copies do not speak in step."""
_BAR = 40


async def measure(scenario_name: str, rooms: int, seconds: float | None, settings: Settings) -> dict[str, Any]:
    """Play a scenario in ``rooms`` rooms with the policies of its tenants, and compare with what was due.

    Raises:
        ScenarioError, ServiceFailed: when a part cannot start.
    """
    scenario = load(scenario_name)
    if seconds is not None:
        scenario = until(scenario, seconds)
    scenario = scenario.scaled(rooms, stagger_ms=STAGGER_MS)
    policy = POLICIES / f"{scenario.name}.yaml"
    if settings.policy is None and policy.is_file():
        settings = settings.model_copy(update={"policy": policy})
    view = View("silent", "load")
    result = await run_demo(scenario, settings, view)
    latencies = sorted(view.board.takedown_latency_ms)
    return {
        "scenario": scenario.name,
        "rooms": rooms,
        "tracks": sum(len(room.speakers) for room in scenario.rooms),
        "seconds": scenario.duration_s,
        "cores": len(os.sched_getaffinity(0)),
        "verdict": result.verdict.as_dict(),
        "replay": result.replay.as_dict(),
        "takedown_latency_ms": {
            "n": len(latencies),
            **{f"p{round(100 * share)}": percentile(latencies, share) for share in (0.5, 0.95, 0.99)},
            "worst": max(latencies, default=0.0),
        },
        "histogram": histogram(latencies),
        "ledger_ms": view.board.milliseconds,
    }


def histogram(latencies_ms: list[float]) -> list[tuple[str, int]]:
    """Label and number of the latencies up to each edge, and above the last."""
    rows, low = [], 0.0
    for edge in EDGES_MS:
        rows.append((f"{edge / 1000:g} s", sum(low < value <= edge for value in latencies_ms)))
        low = float(edge)
    return [*rows, ("more", sum(value > low for value in latencies_ms))]


def table(result: dict[str, Any]) -> str:
    """Histogram and verdict for a terminal."""
    most = max((count for _, count in result["histogram"]), default=0) or 1
    lines = [
        f"{result['rooms']} rooms, {result['tracks']} tracks, {result['seconds']:g} s, {result['cores']} cores",
        "from the end of the heard audio to the takedown:",
    ]
    lines += [
        f"  up to {label:>6} {count:>5} {'#' * round(_BAR * count / most)}" for label, count in result["histogram"]
    ]
    figures = result["takedown_latency_ms"]
    lines.append("  " + ", ".join(f"{name} {figures[name] / 1000:.2f} s" for name in ("p50", "p95", "p99", "worst")))
    drift = result["replay"]["drift_ms"]
    lines.append(
        f"replayer: {result['replay']['chunks']} chunks, drift p50 {drift['p50']} ms, p99 {drift['p99']} ms, "
        f"most {drift['max']} ms"
    )
    verdict = result["verdict"]
    lines += [f"missed: {m['action']} of {m['speaker']} in {m['room']} for {m['category']}" for m in verdict["missed"]]
    lines += [f"wrong: {w['action']} of {w['speaker']} in {w['room']} for {w['category']}" for w in verdict["wrong"]]
    word = "passed" if verdict["passed"] else "FAILED"
    lines.append(
        f"{word}: {verdict['due']} due, {verdict['found']} found, {len(verdict['missed'])} missed, "
        f"{len(verdict['wrong'])} wrongly found"
    )
    return "\n".join(lines)
