"""The Grafana dashboard, as JSON, from a table of panels; ``make docs`` writes deploy/grafana/roomwarden.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

_RATE = "[$__rate_interval]"
COLUMNS, WIDTH, HEIGHT = 3, 8, 8
"""Grafana's grid is 24 wide."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph: queries with their legends; ``unit`` is Grafana's name of it."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    text: str
    bound: float | None = None
    """Drawn in red from here on."""


def _quantile(share: float, metric: str, by: str = "", where: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{where}{_RATE})))"


def _outcomes(kinds: str) -> str:
    return f'sum by (category) (rate(roomwarden_outcomes_total{{outcome=~"{kinds}"}}{_RATE}))'


PANELS: tuple[Panel, ...] = (
    Panel(
        "Word to takedown, p95",
        "s",
        ((_quantile(0.95, "roomwarden_stage_latency_seconds", "revision", '{stage="judge"}'), "{{revision}}"),),
        "From the last sample of the utterance to the risk event. Promised: 2 s on final, 1.5 s on partial utterances.",
        2.0,
    ),
    Panel(
        "Latency by stage, p95",
        "s",
        ((_quantile(0.95, "roomwarden_stage_latency_seconds", "stage", '{revision="final"}'), "{{stage}}"),),
        "From capture to the stage's result. The first stage that is late is the one to scale.",
    ),
    Panel(
        "Lag",
        "s",
        (("max by (stage) (roomwarden_lag_seconds)", "{{stage}}"),),
        "Age of the oldest unfinished record. The autoscaler follows it.",
        10.0,
    ),
    Panel(
        "Audio by what became of it",
        "s",
        ((f"sum by (stage, kind) (rate(roomwarden_audio_seconds_total{_RATE}))", "{{stage}} {{kind}}"),),
        "Seconds of audio per second: as many as tracks are open.",
    ),
    Panel(
        "Audio lost",
        "s",
        ((f"sum by (reason) (rate(roomwarden_lost_seconds_total{_RATE}))", "{{reason}}"),),
        "Seconds per second that nobody heard, by reason.",
    ),
    Panel(
        "Degraded findings",
        "short",
        (
            (f"sum by (step) (rate(roomwarden_degraded_total{_RATE}))", "{{step}}"),
            (f"sum(rate(roomwarden_partials_skipped_total{_RATE}))", "partials skipped"),
            (f"sum by (reason) (rate(roomwarden_deferred_total{_RATE}))", "left for later: {{reason}}"),
        ),
        "Findings per second made with less than everything.",
    ),
    Panel(
        "Real-time factor of the recogniser",
        "percentunit",
        (
            (_quantile(0.5, "roomwarden_real_time_factor"), "p50"),
            (_quantile(0.95, "roomwarden_real_time_factor"), "p95"),
        ),
        "Computing per second of audio.",
    ),
    Panel(
        "Batches",
        "short",
        (
            (_quantile(0.5, "roomwarden_batch_size"), "utterances, p50"),
            (_quantile(0.5, "roomwarden_batch_fill_ratio"), "fill, p50"),
            (_quantile(0.95, "roomwarden_inference_seconds"), "seconds, p95"),
        ),
        "Size, fill and time of a batch.",
    ),
    Panel(
        "Deadline slack, p5",
        "s",
        ((_quantile(0.05, "roomwarden_deadline_slack_seconds", "revision"), "{{revision}}"),),
        "Time left when the batch begins; below zero utterances are late.",
    ),
    Panel(
        "Verdicts by category",
        "short",
        ((f"sum by (category) (rate(roomwarden_verdicts_total{_RATE})) * 60", "{{category}}"),),
        "Risk events a minute.",
    ),
    Panel(
        "Verdicts by tenant",
        "short",
        ((f"sum by (tenant) (rate(roomwarden_verdicts_total{_RATE})) * 60", "{{tenant}}"),),
        "Risk events a minute.",
    ),
    Panel(
        "Takedowns by action",
        "short",
        ((f"sum by (action) (rate(roomwarden_takedowns_total{_RATE})) * 60", "{{action}}"),),
        "Takedowns a minute.",
    ),
    Panel(
        "False alarms",
        "percentunit",
        ((f"{_outcomes('overturned')} / {_outcomes('overturned|upheld')}", "{{category}}"),),
        "Share of the appealed takedowns that a person overturned.",
    ),
    Panel(
        "Takedowns without an answer",
        "short",
        (
            (f"sum by (action) (rate(roomwarden_takedowns_repeated_total{_RATE})) * 60", "{{action}} repeated"),
            (f"sum by (action) (rate(roomwarden_takedowns_unanswered_total{_RATE})) * 60", "{{action}} given up"),
        ),
        "A minute. Rising: the platform does not acknowledge.",
    ),
    Panel(
        "Records",
        "short",
        (
            (f"sum by (stage) (rate(roomwarden_records_total{_RATE}))", "{{stage}} read"),
            ("sum by (stage) (roomwarden_outstanding_records)", "{{stage}} outstanding"),
        ),
        "Read per second, and not yet acknowledged.",
    ),
    Panel(
        "Dead letters and refused policies",
        "short",
        (
            (f"sum by (stage, reason) (rate(roomwarden_dead_letters_total{_RATE}))", "{{stage}} {{reason}}"),
            (f'sum(rate(roomwarden_policy_changes_total{{result="refused"}}{_RATE}))', "policies refused"),
        ),
        "Per second. `roomwarden dead-letters list` shows each.",
    ),
    Panel(
        "Event loop and models",
        "short",
        (
            (_quantile(0.99, "roomwarden_loop_lag_seconds", "instance"), "loop lag {{instance}}"),
            ("count by (model, version) (roomwarden_model_info)", "{{model}} {{version}}"),
        ),
        "How late the loop wakes (s, p99); workers by version of their models.",
    ),
)


def dashboard() -> str:
    """The dashboard as Grafana imports it."""
    body = {
        "uid": "roomwarden",
        "title": "Roomwarden",
        "tags": ["roomwarden"],
        "timezone": "",
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [{"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"}]
        },
        "panels": [_panel(number, panel) for number, panel in enumerate(PANELS)],
    }
    return json.dumps(body, indent=1, ensure_ascii=False) + "\n"


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.bound is not None:
        steps.append({"color": "red", "value": panel.bound})
    source = {"type": "prometheus", "uid": "${source}"}
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.text,
        "datasource": source,
        "gridPos": {"x": number % COLUMNS * WIDTH, "y": number // COLUMNS * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "custom": {
                    "lineWidth": 1,
                    "fillOpacity": 8,
                    "thresholdsStyle": {"mode": "line" if panel.bound is not None else "off"},
                },
                "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
        "targets": [
            {"refId": chr(ord("A") + index), "expr": query, "legendFormat": legend, "datasource": source}
            for index, (query, legend) in enumerate(panel.queries)
        ],
    }
