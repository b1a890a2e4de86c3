"""What capacity figures mean for a platform: extrapolation with its assumptions, a table, a picture. No measuring."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

TARGETS = (1_000, 10_000, 100_000)


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is not measured here; each is printed beside the figures."""

    headroom: float = 0.7
    """Cores are loaded to this share at peak."""
    replication: int = 3
    broker_mb_s: float = 60.0
    """Written by one broker, copies included; a cautious figure for network disks."""
    partition_mb_s: float = 5.0
    core_hour_usd: float = 0.04
    worker_cores: int = 4

    def sentences(self) -> list[str]:
        """In words."""
        return [
            f"cores loaded to {self.headroom:.0%} at peak; stages share nothing but Kafka, so workers add up",
            f"{self.replication} copies; MB/s: {self.broker_mb_s:g} a broker, {self.partition_mb_s:g} a partition",
            f"a core costs {self.core_hour_usd:g} USD an hour; workers of listen have {self.worker_cores} cores",
            "every track speaks all the time: divide by the share of time in which people really speak",
        ]


def extrapolate(
    per_core: dict[str, float], bytes_per_track_s: float, assumed: Assumptions = Assumptions()
) -> list[dict[str, Any]]:
    """Machines for 1,000, 10,000 and 100,000 speaking tracks, from speaking tracks per core of each stage."""
    rows = []
    for tracks in TARGETS:
        cores = {stage: tracks / (each * assumed.headroom) for stage, each in per_core.items() if each > 0}
        total = sum(cores.values())
        written = tracks * bytes_per_track_s / 1e6
        workers = math.ceil(cores.get("listen", 0.0) / assumed.worker_cores)
        rows.append(
            {
                "tracks": tracks,
                "cores": {stage: math.ceil(value) for stage, value in cores.items()},
                "cores_total": math.ceil(total),
                "listen_workers": workers,
                "mb_s": round(written, 1),
                "partitions": max(2 * workers, math.ceil(written / assumed.partition_mb_s)),
                "brokers": max(assumed.replication, math.ceil(written * assumed.replication / assumed.broker_mb_s)),
                "usd_per_speaking_hour": round(total * assumed.core_hour_usd / tracks, 5),
            }
        )
    return rows


def table(result: dict[str, Any]) -> str:
    """The result as Markdown."""
    bound = result["bound_ms"] / 1000
    lines = [
        f"{result['cores']} cores, {result['seconds']:g} s a step; held: p95 word to takedown up to {bound:g} s",
        "",
        "| who | tracks | p50 s | p95 s | due | found | lag s | held |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for curve in result["curves"]:
        for step in curve["steps"]:
            figures = " | ".join(f"{step[name] / 1000:.2f}" for name in ("p50", "p95"))
            lines.append(
                f"| {curve['name']} | {step['tracks']} | {figures} | {step['due']} | {step['found']} | "
                f"{step['lag_s']:.1f} | {'yes' if step['held'] else 'no'} |"
            )
    lines += ["", *(f"carried by {curve['name']}: {curve['carried']}" for curve in result["curves"])]
    if result["stages"]:
        lines += [
            "",
            "| stage | records/s | CPU share of a core | tracks/core | memory MB | bytes/s |",
            "|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {name} | {row['records_s']:.1f} | {row['cpu']:.2f} | {row['tracks_per_core']:.0f} | "
            f"{row['memory_mb']:.0f} | {row['bytes_s']:.0f} |"
            for name, row in result["stages"].items()
        ]
    alone = result["segment_alone"]
    lines += ["", *(f"segment alone, {name}: {value:.0f} tracks per core" for name, value in alone.items())]
    lines += ["", "| speaking tracks | cores | listen workers | partitions | MB/s | brokers | USD/speaking hour |"]
    lines.append("|---|---|---|---|---|---|---|")
    lines += [
        f"| {row['tracks']:,} | {row['cores_total']:,} | {row['listen_workers']:,} | {row['partitions']:,} | "
        f"{row['mb_s']:,} | {row['brokers']:,} | {row['usd_per_speaking_hour']} |"
        for row in result["extrapolation"]
    ]
    lines += ["", "Assumed: " + "; ".join(result["assumed"]) + "."]
    return "\n".join(lines)


_COLOURS = ("#1f6feb", "#8250df", "#bf8700", "#cf222e", "#1a7f37")


def picture(curves: Sequence[dict[str, Any]], bound_ms: float, size: tuple[int, int] = (640, 360)) -> str:
    """p95 over tracks as SVG, one line each, with the bound; both scales are logarithmic."""
    width, height = size
    left, right, top, bottom = 56, 16, 16, 44
    steps = [step for curve in curves for step in curve["steps"]]
    low_x, high_x = 1.0, float(max([step["tracks"] for step in steps] + [2]))
    low_y, high_y = 200.0, float(max([step["p95"] for step in steps] + [2 * bound_ms]))

    def place(tracks: float, milliseconds: float) -> tuple[float, float]:
        share_x = math.log(max(tracks, low_x) / low_x) / math.log(high_x / low_x)
        share_y = math.log(max(milliseconds, low_y) / low_y) / math.log(high_y / low_y)
        return left + share_x * (width - left - right), height - bottom - share_y * (height - top - bottom)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        "<style>text { font-size: 11px }</style>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for mark in (500, 1000, 2000, 5000, 10_000, 30_000):
        if low_y <= mark <= high_y:
            _, y = place(low_x, mark)
            parts.append(f'<line x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#eee"/>')
            parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{mark / 1000:g} s</text>')
    for mark in (1, 2, 5, 10, 20, 50, 100, 200, 500):
        if mark <= high_x:
            x, _ = place(mark, low_y)
            parts.append(f'<text x="{x:.1f}" y="{height - bottom + 16}" text-anchor="middle">{mark}</text>')
    _, y = place(low_x, bound_ms)
    parts.append(
        f'<line x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#d00" stroke-dasharray="4 3"/>'
    )
    parts.append(
        f'<text x="{width / 2}" y="{height - 8}" text-anchor="middle">speaking tracks; p95 word to takedown</text>'
    )
    for number, curve in enumerate(curves):
        colour = _COLOURS[number % len(_COLOURS)]
        points = [place(step["tracks"], step["p95"]) for step in curve["steps"]]
        parts.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="2" '
            f'points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'
        )
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        parts.append(f'<text x="{left + 8}" y="{top + 14 * (number + 1)}" fill="{colour}">{curve["name"]}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
