"""Dashboard and alert rules name only metrics and labels that exist; every metric is fed; promtool agrees."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.dashboard import PANELS, dashboard
from streams.metrics import SPECS

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
FROM_PROMETHEUS = {"up"}
ANYWHERE = {"le", "instance", "job", "namespace"}


def rules() -> list[dict[str, Any]]:
    loaded = yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text(encoding="utf-8"))
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def expressions() -> dict[str, str]:
    """Every query that is checked in, by where it stands."""
    panels = json.loads(dashboard())["panels"]
    shown = {f"panel {p['title']} {t['refId']}": t["expr"] for p in panels for t in p["targets"]}
    chart = {
        f"chart {path.name} {n}": query
        for path in (ROOT / "helm/roomwarden").rglob("*.yaml")
        for n, query in enumerate(re.findall(r"^\s*query: (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE))
    }
    return shown | chart | {f"alert {rule['alert']}": rule["expr"] for rule in rules()}


def series(expression: str) -> set[str]:
    """Names that a query selects: words before a selector, a range or an end, that are no function or keyword."""
    return set(re.findall(r"\b(?:roomwarden_[a-z_]+|up)\b(?!\()", expression))


def metric_of(name: str) -> str | None:
    """The entry of the list behind a series; histograms have three series each, other kinds one."""
    if name in SPECS and SPECS[name].kind != "histogram":  # type: ignore[index]  # just asked
        return name
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    return base if base != name and base in SPECS and SPECS[base].kind == "histogram" else None  # type: ignore[index]


@pytest.mark.parametrize(("where", "expression"), expressions().items())
def test_queries_name_metrics_and_labels_of_the_list(where: str, expression: str) -> None:
    names = series(expression) - FROM_PROMETHEUS
    assert names or where.endswith("WorkerGone")
    unknown = {name for name in names if metric_of(name) is None}
    assert not unknown, f"{where} asks for {unknown}, which streams/metrics.py does not have"
    labels = {label for name in names for label in SPECS[metric_of(name)].labels} | ANYWHERE  # type: ignore[index]
    grouped = re.findall(r"\b(?:by|ignoring|on) \(([^)]*)\)", expression)
    selected = re.findall(r'([a-z_]+)\s*(?:=~|!~|!=|=)\s*"', expression)
    used = {label.strip() for group in grouped for label in group.split(",")} | set(selected)
    assert used <= labels, f"{where} uses labels {used - labels}"


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_legends_use_labels_that_the_query_keeps(panel: Any) -> None:
    for query, legend in panel.queries:
        kept = {label.strip() for group in re.findall(r"\bby \(([^)]*)\)", query) for label in group.split(",")}
        assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= kept


def test_a_query_of_a_metric_that_is_not_there_would_be_found() -> None:
    assert metric_of("roomwarden_no_such_total") is None
    assert metric_of("roomwarden_lag_seconds_bucket") is None
    assert metric_of("roomwarden_stage_latency_seconds") is None
    assert series('rate(roomwarden_a_total{stage="x"}[5m]) > up') == {"roomwarden_a_total", "up"}


def test_every_metric_is_fed() -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for package in ("agents", "streams", "deploy")
        for path in (ROOT / package).rglob("*.py")
        if path.name not in ("metrics.py", "dashboard.py")
    )
    assert set(re.findall(r'"(roomwarden_[a-z_]+)"', code)) == set(SPECS)


def test_every_alert_says_what_to_do_and_is_tried() -> None:
    tried = (PROMETHEUS / "alerts_test.yaml").read_text(encoding="utf-8")
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "warn")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["action"]
        assert tried.count(rule["alert"]) == 2 + (rule["alert"] == "RoomwardenLag")


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    binary = os.environ.get("PROMTOOL") or shutil.which("promtool")
    if binary is None:
        pytest.skip("promtool is not on this machine: install the package prometheus, or name it in PROMTOOL")
    return subprocess.run([binary, *words], cwd=PROMETHEUS, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("words", [("check", "config", "prometheus.yml"), ("test", "rules", "alerts_test.yaml")])
def test_promtool_agrees(words: tuple[str, ...]) -> None:
    done = promtool(*words)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_parses_every_query_of_the_dashboard(tmp_path: Path) -> None:
    queries = [query.replace("$__rate_interval", "5m") for panel in PANELS for query, _ in panel.queries]
    file = tmp_path / "queries.yaml"
    named = [{"record": f"query:{n}", "expr": query} for n, query in enumerate(queries)]
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": named}]}))
    done = promtool("check", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
