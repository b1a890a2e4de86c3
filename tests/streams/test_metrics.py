"""Metrics: one typed table, and each name written as it says."""

from __future__ import annotations

from typing import get_args

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from streams.metrics import SPECS, MetricName, Metrics


def exposed(metrics: Metrics) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Samples by name and labels, as a scraper would see them."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def test_every_name_has_a_specification() -> None:
    assert set(SPECS) == set(get_args(MetricName))


@pytest.mark.parametrize("name", sorted(SPECS))
def test_names_follow_prometheus_conventions(name: MetricName) -> None:
    spec = SPECS[name]
    assert name.startswith("roomwarden_")
    assert name.endswith("_total") is (spec.kind == "counter")
    assert spec.help.endswith(".")
    assert list(spec.buckets) == sorted(spec.buckets)
    assert bool(spec.buckets) is (spec.kind == "histogram")


@pytest.mark.parametrize("name", sorted(SPECS))
def test_each_metric_can_be_written_with_its_labels(name: MetricName) -> None:
    metrics = Metrics()
    spec = SPECS[name]
    labels = dict.fromkeys(spec.labels, "x")
    write = {"counter": metrics.count, "gauge": metrics.level, "histogram": metrics.observe}[spec.kind]
    write(name, 2.0, **labels)
    if spec.kind == "histogram":  # one that goes below zero has no sum
        assert exposed(metrics)[f"{name}_count"] == {tuple(sorted(labels.items())): 1.0}
    else:
        assert exposed(metrics)[name] == {tuple(sorted(labels.items())): 2.0}


def test_counters_add_and_gauges_replace() -> None:
    metrics = Metrics()
    metrics.count("roomwarden_records_total", stage="segment")
    metrics.count("roomwarden_records_total", 2, stage="segment")
    metrics.level("roomwarden_outstanding_records", 5, stage="segment")
    metrics.level("roomwarden_outstanding_records", 3, stage="segment")
    found = exposed(metrics)
    assert found["roomwarden_records_total"] == {(("stage", "segment"),): 3.0}
    assert found["roomwarden_outstanding_records"] == {(("stage", "segment"),): 3.0}


def test_a_wrong_label_is_an_error() -> None:
    with pytest.raises(ValueError, match="label"):
        Metrics().count("roomwarden_records_total", colour="blue")


def test_two_workers_do_not_share_counts() -> None:
    one, other = Metrics(), Metrics()
    one.count("roomwarden_records_total", stage="judge")
    assert exposed(other).get("roomwarden_records_total", {}) == {}


def test_latency_buckets_resolve_the_promised_bounds() -> None:
    """1.5 s for partial and 2 s for final utterances are promised: a percentile must not be guessed across them."""
    assert {1.5, 2.0} <= set(SPECS["roomwarden_stage_latency_seconds"].buckets)
