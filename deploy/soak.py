"""What the samples of a soak say: whether memory grows, how far the stages lag, and a table of it; no Kafka in here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from deploy.board import percentile
from loadtest.endless import Endless

ROW_S = 600.0
STEP_S = 60.0
MOST_LATE = 0.1
"""A ramp's minute is carried while of the finals at most this share begin after their deadline…"""
MOST_LAG_S = 5.0
"""…none waits so long that it would be deferred, and none is."""
COLUMNS = (
    *("minutes", "memory MiB", "most", "cores: worker", "broker", "replayer"),
    *("lag s: segment most", "listen p50", "p95", "most", "judge most", "behind: chunks", "utterances"),
    *("finals", "p50 s", "p95 s", "begun late", "wakes > 20 ms", "deferred s"),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at everything; seconds of CPU, loop wakes and finals count from the start of the processes."""

    at_s: float
    memory_mib: float
    worker_s: float
    broker_s: float
    replayer_s: float
    lag_s: dict[str, float]
    behind: dict[str, int]
    prompt_wakes: tuple[float, float]
    """Wakes of the event loop that were late by 20 ms at most, and all."""
    timely_finals: tuple[float, float]
    """Finals whose batch began by their deadline, and all."""
    deferred_s: float
    lost_s: float


def theil_sen(at: Sequence[float], values: Sequence[float]) -> float:
    """Median of the slopes through all pairs (Theil 1950, Sen 1968), which a few odd samples do not move; 0 of none."""
    x, y = np.asarray(at, float), np.asarray(values, float)
    first, second = np.triu_indices(len(x), 1)
    run = x[second] - x[first]
    rise = (y[second] - y[first])[run > 0] / run[run > 0]
    return float(np.median(rise)) if len(rise) else 0.0


def summary(
    samples: Sequence[Sample], finals: Sequence[tuple[float, float]], begin_s: float, end_s: float
) -> dict[str, Any]:
    """Figures of the steady time between ``begin_s`` and ``end_s``; ``finals``: when each came, and how late (s)."""
    steady = [sample for sample in samples if begin_s <= sample.at_s <= end_s] or list(samples)
    memory = [sample.memory_mib for sample in steady]
    count = max(1, round((end_s - begin_s) / ROW_S))
    edges = [begin_s + (end_s - begin_s) * number / count for number in range(count + 1)]
    before = [0.0, *edges] if begin_s > 0.0 else edges
    return {
        "warm_up_s": begin_s,
        "memory_mib": {
            "first": memory[0],
            "last": memory[-1],
            "most": max(memory),
            "slope_an_hour": 3600.0 * theil_sen([sample.at_s for sample in steady], memory),
        },
        "steady": _row(steady, [late for at, late in finals if begin_s <= at <= end_s]),
        "rows": [
            {"from_s": low, "to_s": high}
            | _row(
                [sample for sample in samples if low <= sample.at_s <= high],
                [late for at, late in finals if low <= at < high],
            )
            for low, high in pairwise(before)
        ],
        "samples": [asdict(sample) for sample in samples],
    }


def _row(samples: Sequence[Sample], late_s: list[float]) -> dict[str, Any]:
    if len(samples) < 2:
        return {}
    first, last = samples[0], samples[-1]
    passed_s = last.at_s - first.at_s

    def share(of: Callable[[Sample], tuple[float, float]]) -> float:
        """Of what came in between, how much was not in time."""
        good, all_ = (b - a for a, b in zip(of(first), of(last), strict=True))
        return 1.0 - good / all_ if all_ else 0.0

    memory = [sample.memory_mib for sample in samples]
    lags = {stage: [sample.lag_s[stage] for sample in samples] for stage in first.lag_s}
    return {
        "memory_mib": {"median": percentile(memory, 0.5), "most": max(memory)},
        "cores": {
            name: (getattr(last, f"{name}_s") - getattr(first, f"{name}_s")) / passed_s
            for name in ("worker", "broker", "replayer")
        },
        "lag_s": {
            stage: {"p50": percentile(values, 0.5), "p95": percentile(values, 0.95), "most": max(values)}
            for stage, values in lags.items()
        },
        "behind": {stage: max(sample.behind[stage] for sample in samples) for stage in first.behind},
        "finals": len(late_s),
        "final_p50_s": percentile(late_s, 0.5),
        "final_p95_s": percentile(late_s, 0.95),
        "late_finals": share(lambda sample: sample.timely_finals),
        "late_wakes": share(lambda sample: sample.prompt_wakes),
        "deferred_s": last.deferred_s - first.deferred_s,
        "lost_s": last.lost_s - first.lost_s,
    }


def climb(samples: Sequence[Sample], finals: Sequence[tuple[float, float]], endless: Endless) -> list[dict[str, Any]]:
    """Rows of a ramp, a minute each: rooms open at its end, what was said a second, and whether it was carried."""
    rows = []
    for low in range(0, int(samples[-1].at_s), int(STEP_S)):
        within = [sample for sample in samples if low <= sample.at_s <= low + STEP_S]
        row = _row(within, [late for at, late in finals if low <= at < low + STEP_S])
        if row:
            rooms = endless.open(low + STEP_S - 1.0)
            lag_s = row["lag_s"]["listen"]["most"]
            held = row["late_finals"] <= MOST_LATE and lag_s <= MOST_LAG_S and row["deferred_s"] <= 0.0
            rows.append({"rooms": rooms, "speech": endless.said(rooms), "held": held} | row)
    return rows


def table(result: dict[str, Any]) -> str:
    """For a terminal."""
    load = f"{result['tracks']} tracks, {result['speech']:.2f} s said a second, {result['steady_s'] / 60.0:.0f} min"
    lines = [
        f"{result['rooms']} rooms of {result['scenario']}: {load}, {result['broker']} broker, {result['cores']} cores",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|" + "---|" * len(COLUMNS),
    ]
    for row in result["rows"]:
        if "lag_s" not in row:
            continue
        lag, cores = row["lag_s"], row["cores"]
        cells = [
            f"{row['from_s'] / 60.0:.0f}–{row['to_s'] / 60.0:.0f}",
            f"{row['memory_mib']['median']:.0f}",
            f"{row['memory_mib']['most']:.0f}",
            *(f"{cores[name]:.2f}" for name in ("worker", "broker", "replayer")),
            f"{lag['segment']['most']:.2f}",
            *(f"{lag['listen'][name]:.2f}" for name in ("p50", "p95", "most")),
            f"{lag['judge']['most']:.2f}",
            f"{row['behind']['segment']}",
            f"{row['behind']['listen']}",
            f"{row['finals']}",
            f"{row['final_p50_s']:.2f}",
            f"{row['final_p95_s']:.2f}",
            f"{row['late_finals']:.1%}",
            f"{row['late_wakes']:.1%}",
            f"{row['deferred_s']:.0f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    if result["ramp"]:
        lines += [
            "",
            "| rooms | said s/s | worker cores | finals | p95 s | begun late | lag s | held |",
            "|" + "---|" * 8,
        ]
    for row in result["ramp"]:
        lines.append(
            f"| {row['rooms']} | {row['speech']:.2f} | {row['cores']['worker']:.2f} | {row['finals']} | "
            f"{row['final_p95_s']:.2f} | {row['late_finals']:.1%} | {row['lag_s']['listen']['most']:.1f} | "
            f"{'yes' if row['held'] else 'no'} |"
        )
    memory, ledger, duties = result["memory_mib"], result["ledger_s"], result["takedowns"]
    stalled = ", ".join(f"{what} for {seconds:.0f} s" for what, seconds in result["stalled"].items()) or "none"
    lost = ", ".join(f"{reason} {seconds:.1f} s" for reason, seconds in ledger["lost"].items()) or "none"
    slope = f"{memory['slope_an_hour']:+.1f} MiB an hour (Theil-Sen)"
    left = f"not accounted for: {ledger['under_way']:.3f} s; deferred at the end: {ledger['deferred']:.1f} s"
    lines.append("")
    lines.append(
        f"memory after {result['warm_up_s'] / 60.0:.0f} min: first {memory['first']:.0f}, last {memory['last']:.0f}, "
        f"most {memory['most']:.0f} MiB, {slope}"
    )
    lines.append(f"partitions on which nothing moved for 60 s: {stalled}")
    lines.append(f"received {ledger['received']:.0f} s; {left}; lost: {lost}")
    lines.append(f"takedowns: {duties['due']} due, {duties['found']} found, {duties['wrong']} wrongly")
    return "\n".join(lines)
