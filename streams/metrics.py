"""Every metric's name, unit and meaning, in one typed table; dashboards and alerts are checked against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

MetricName = Literal[
    "roomwarden_records_total",
    "roomwarden_dead_letters_total",
    "roomwarden_outstanding_records",
    "roomwarden_stage_latency_seconds",
    "roomwarden_batch_size",
    "roomwarden_inference_seconds",
    "roomwarden_partials_skipped_total",
    "roomwarden_audio_seconds_total",
    "roomwarden_takedowns_total",
    "roomwarden_policy_changes_total",
    "roomwarden_loop_lag_seconds",
]

LATENCY_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64)
LAG_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)


@dataclass(frozen=True, slots=True)
class Spec:
    """Kind, labels and meaning of one metric."""

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


SPECS: dict[MetricName, Spec] = {
    "roomwarden_records_total": Spec(
        "counter", "Records read, by stage. Flat while traffic runs: look at /ready.", ("stage",)
    ),
    "roomwarden_dead_letters_total": Spec(
        "counter",
        "Records that could never be read, by stage and reason. Rising: a producer is broken.",
        ("stage", "reason"),
    ),
    "roomwarden_outstanding_records": Spec(
        "gauge", "Records read and not yet acknowledged, by stage. Rising: the stage is too slow.", ("stage",)
    ),
    "roomwarden_stage_latency_seconds": Spec(
        "histogram",
        "Seconds from the capture of an utterance's last sample to the stage's result, by stage and kind of revision.",
        ("stage", "revision"),
        LATENCY_BUCKETS,
    ),
    "roomwarden_batch_size": Spec(
        "histogram", "Utterances in a recogniser batch. Near 1 under load: not batching.", (), BATCH_BUCKETS
    ),
    "roomwarden_inference_seconds": Spec("histogram", "Seconds of one recogniser batch.", (), LATENCY_BUCKETS),
    "roomwarden_partials_skipped_total": Spec(
        "counter", "Partial revisions that were out of date before their turn. Rising: the recogniser is too slow."
    ),
    "roomwarden_audio_seconds_total": Spec("counter", "Seconds of audio by what became of them.", ("stage", "kind")),
    "roomwarden_takedowns_total": Spec("counter", "Takedowns issued, by action and category.", ("action", "category")),
    "roomwarden_policy_changes_total": Spec(
        "counter",
        "Pushed policies, by result: taken or refused. Refused: see the log and the dead letters.",
        ("result",),
    ),
    "roomwarden_loop_lag_seconds": Spec(
        "histogram", "How late the event loop wakes. Above 20 ms: something blocks it.", (), LAG_BUCKETS
    ),
}


class Metrics:
    """The metrics of one worker, on a registry of its own so that tests do not share state."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        for name, spec in SPECS.items():
            if spec.kind == "counter":
                self._counters[name] = Counter(name, spec.help, spec.labels, registry=self.registry)
            elif spec.kind == "gauge":
                self._gauges[name] = Gauge(name, spec.help, spec.labels, registry=self.registry)
            else:
                self._histograms[name] = Histogram(
                    name, spec.help, spec.labels, registry=self.registry, buckets=spec.buckets
                )

    def count(self, name: MetricName, amount: float = 1.0, **labels: str) -> None:
        """Add to a counter."""
        counter = self._counters[name]
        (counter.labels(**labels) if labels else counter).inc(amount)

    def level(self, name: MetricName, value: float, **labels: str) -> None:
        """Set a gauge."""
        gauge = self._gauges[name]
        (gauge.labels(**labels) if labels else gauge).set(value)

    def observe(self, name: MetricName, value: float, **labels: str) -> None:
        """Add one observation to a histogram."""
        histogram = self._histograms[name]
        (histogram.labels(**labels) if labels else histogram).observe(value)
