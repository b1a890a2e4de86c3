"""Every metric's name, unit and meaning, in one typed table; dashboards and alerts are checked against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

MetricName = Literal[
    "roomwarden_records_total",
    "roomwarden_dead_letters_total",
    "roomwarden_outstanding_records",
    "roomwarden_lag_seconds",
    "roomwarden_stage_latency_seconds",
    "roomwarden_batch_size",
    "roomwarden_batch_fill_ratio",
    "roomwarden_deadline_slack_seconds",
    "roomwarden_inference_seconds",
    "roomwarden_real_time_factor",
    "roomwarden_partials_skipped_total",
    "roomwarden_audio_seconds_total",
    "roomwarden_lost_seconds_total",
    "roomwarden_refused_total",
    "roomwarden_degraded_total",
    "roomwarden_deferred_total",
    "roomwarden_verdicts_total",
    "roomwarden_takedowns_total",
    "roomwarden_takedowns_reissued_total",
    "roomwarden_takedowns_repeated_total",
    "roomwarden_takedowns_unanswered_total",
    "roomwarden_outcomes_total",
    "roomwarden_incident_updates_total",
    "roomwarden_policy_changes_total",
    "roomwarden_model_info",
    "roomwarden_loop_lag_seconds",
]

Unit = Literal["records", "seconds", "utterances", "ratio", "takedowns", "verdicts", "policies", "info"]

LATENCY_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64)
SHARE_BUCKETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
FACTOR_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
SLACK_BUCKETS = (-10.0, -5.0, -2.0, -1.0, -0.5, -0.2, 0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
LAG_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)


@dataclass(frozen=True, slots=True)
class Spec:
    """Kind, unit, meaning, and labels of one metric."""

    kind: Literal["counter", "gauge", "histogram"]
    unit: Unit
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


SPECS: dict[MetricName, Spec] = {
    "roomwarden_records_total": Spec(
        "counter", "records", "Records read, by stage. Flat while traffic runs: look at /ready.", ("stage",)
    ),
    "roomwarden_dead_letters_total": Spec(
        "counter",
        "records",
        "Records that could never be read, by stage and reason. Rising: a producer is broken.",
        ("stage", "reason"),
    ),
    "roomwarden_outstanding_records": Spec(
        "gauge",
        "records",
        "Records read and not yet acknowledged, by stage. Rising: the stage is too slow.",
        ("stage",),
    ),
    "roomwarden_lag_seconds": Spec(
        "gauge",
        "seconds",
        "How long the stage's oldest unfinished record has been in Kafka; segment, which holds open utterances on "
        "purpose: its latest record, when read. Rising: scale the stage.",
        ("stage",),
    ),
    "roomwarden_stage_latency_seconds": Spec(
        "histogram",
        "seconds",
        "Seconds from the capture of an utterance's last sample to the stage's result, by stage and kind of revision; "
        "judge counts those that led to risk events.",
        ("stage", "revision"),
        LATENCY_BUCKETS,
    ),
    "roomwarden_batch_size": Spec(
        "histogram",
        "utterances",
        "Utterances in a recogniser batch. Near 1 under load: not batching.",
        (),
        BATCH_BUCKETS,
    ),
    "roomwarden_batch_fill_ratio": Spec(
        "histogram",
        "ratio",
        "Padded audio of a batch as a share of ROOMWARDEN_BATCH_SECONDS. Low under load: utterances of unlike lengths.",
        (),
        SHARE_BUCKETS,
    ),
    "roomwarden_deadline_slack_seconds": Spec(
        "histogram",
        "seconds",
        "Time left until an utterance's deadline when its batch begins. Below 0: it is late before it is heard.",
        ("revision",),
        SLACK_BUCKETS,
    ),
    "roomwarden_inference_seconds": Spec(
        "histogram", "seconds", "Seconds of one recogniser batch.", (), LATENCY_BUCKETS
    ),
    "roomwarden_real_time_factor": Spec(
        "histogram",
        "ratio",
        "Seconds of computing for a second of audio, by batch. Tracks that a lane carries: 1 divided by this, less for "
        "partial revisions.",
        (),
        FACTOR_BUCKETS,
    ),
    "roomwarden_partials_skipped_total": Spec(
        "counter",
        "utterances",
        "Partial revisions that were out of date before their turn. Rising: the recogniser is too slow.",
    ),
    "roomwarden_audio_seconds_total": Spec(
        "counter", "seconds", "Seconds of audio by what became of them, as in the ledger.", ("stage", "kind")
    ),
    "roomwarden_lost_seconds_total": Spec(
        "counter",
        "seconds",
        "Seconds of audio that nobody heard, by reason, as in the ledger. Rising: see the reason.",
        ("stage", "reason"),
    ),
    "roomwarden_refused_total": Spec(
        "counter",
        "records",
        "Chunks above ROOMWARDEN_ADMISSION, by tenant. Rising: it sends too many tracks, or the limit is too low.",
        ("tenant",),
    ),
    "roomwarden_degraded_total": Spec(
        "counter",
        "utterances",
        "Findings made with less than everything, by what was left out. Rising: capacity is short, or a model missing.",
        ("step",),
    ),
    "roomwarden_deferred_total": Spec(
        "counter",
        "utterances",
        "Final utterances left to the catch-up group, by reason: trusted, quiet-room, late. Rising: capacity is short.",
        ("reason",),
    ),
    "roomwarden_verdicts_total": Spec(
        "counter",
        "verdicts",
        "Risk events by tenant, category and severity. A jump of one category: a raid, or a bad lexicon entry.",
        ("tenant", "category", "severity"),
    ),
    "roomwarden_takedowns_total": Spec(
        "counter", "takedowns", "Takedowns issued, by action and category.", ("action", "category")
    ),
    "roomwarden_takedowns_reissued_total": Spec(
        "counter", "takedowns", "Takedowns held up once more, because their target came back, by action.", ("action",)
    ),
    "roomwarden_takedowns_repeated_total": Spec(
        "counter",
        "takedowns",
        "Takedowns sent again for want of an acknowledgement. Rising: the platform does not answer.",
        ("action",),
    ),
    "roomwarden_takedowns_unanswered_total": Spec(
        "counter",
        "takedowns",
        "Takedowns given to a person, because no repeat was acknowledged. Look at the platform.",
        ("action",),
    ),
    "roomwarden_outcomes_total": Spec(
        "counter",
        "takedowns",
        "Outcomes by kind and category of the takedown; upheld and overturned give the precision. Category unknown: "
        "the takedown is more than a week old, or never was.",
        ("outcome", "category"),
    ),
    "roomwarden_incident_updates_total": Spec(
        "counter", "records", "Incidents: a new one, or one that has spread. Rising fast: a raid.", ("category",)
    ),
    "roomwarden_policy_changes_total": Spec(
        "counter",
        "policies",
        "Pushed policies, by result: taken or refused. Refused: see the log and the dead letters.",
        ("result",),
    ),
    "roomwarden_model_info": Spec(
        "gauge",
        "info",
        "1 for each model in use, with the hash of its weights. Two versions at once for long: a half-done rollout.",
        ("stage", "model", "version"),
    ),
    "roomwarden_loop_lag_seconds": Spec(
        "histogram", "seconds", "How late the event loop wakes. Above 20 ms: something blocks it.", (), LAG_BUCKETS
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
