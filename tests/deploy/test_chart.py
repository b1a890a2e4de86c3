"""The chart with its example values: linted, rendered, checked against Kubernetes' schemas, and what it refuses."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from streams.access import ACCESS, Role, acls
from streams.settings import Settings

CHART = Path(__file__).parents[2] / "helm" / "roomwarden"
EXAMPLES = sorted(path.stem for path in (CHART / "examples").glob("*.yaml"))
STAGES = ("segment", "listen", "judge")
OPERATORS = {"kafka.strimzi.io/v1", "keda.sh/v1alpha1", "monitoring.coreos.com/v1"}
"""Kinds of these have their schemas in the operators, not in Kubernetes."""
OLDEST, NEWEST = "1.27", "1.35"


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    binary = os.environ.get("HELM") or shutil.which("helm")
    if binary is None:
        pytest.skip("helm is not on this machine: `make check-helm` fetches it, or name it in HELM")
    return subprocess.run([binary, *arguments], capture_output=True, text=True, check=False, timeout=60)


def rendered(example: str, *options: str) -> list[dict[str, Any]]:
    given = [word for option in options for word in ("--set", option)]
    done = helm("template", "demo", str(CHART), "--namespace", "rooms", "-f", values(example), *given)
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def values(example: str) -> str:
    return str(CHART / "examples" / f"{example}.yaml")


def refusal(example: str, *options: str) -> str:
    given = [word for option in options for word in ("--set", option)]
    done = helm("template", "demo", str(CHART), "-f", values(example), *given)
    assert done.returncode != 0
    return done.stderr


def of(made: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {item["metadata"]["name"]: item for item in made if item["kind"] == kind}


def container(item: dict[str, Any]) -> dict[str, Any]:
    (only,) = item["spec"]["template"]["spec"]["containers"]
    return dict(only)


def test_there_are_three_examples() -> None:
    assert EXAMPLES == ["cpu-cluster", "gpu-cluster", "laptop"]


@pytest.mark.parametrize("example", EXAMPLES)
def test_lint_is_strict(example: str) -> None:
    done = helm("lint", "--strict", str(CHART), "-f", values(example))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("example", EXAMPLES)
def test_every_manifest_fits_the_schema_of_kubernetes(example: str, version: str) -> None:
    try:
        schemas: Any = importlib.import_module("kubernetes_validate")
    except ImportError:
        pytest.skip("the package kubernetes-validate is not here: `make check-helm` installs it")
    checked = 0
    for item in rendered(example):
        if item["apiVersion"] in OPERATORS:
            assert item["metadata"]["name"]
            assert item["spec"]
        else:
            schemas.validate(item, version, strict=True)
            checked += 1
    assert checked >= 10


@pytest.mark.parametrize("example", EXAMPLES)
def test_pods_run_with_the_least_that_they_need(example: str) -> None:
    made = rendered(example)
    pods = [item["spec"]["template"]["spec"] for item in made if item["kind"] in ("Deployment", "StatefulSet")]
    pods += [item["spec"] for item in of(made, "Pod").values()]
    assert len(pods) == 4
    for pod in pods:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        for each in pod["containers"]:
            assert each["securityContext"]["readOnlyRootFilesystem"] is True
            assert each["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert each["resources"]["requests"]["memory"]
            assert each["resources"]["limits"]["memory"]


@pytest.mark.parametrize("example", EXAMPLES)
def test_settings_of_each_pod_are_taken_by_a_worker(example: str) -> None:
    """ConfigMap and variables together make valid settings, Secrets filled in."""
    made = rendered(example)
    shared = of(made, "ConfigMap")["demo-roomwarden-settings"]["data"]
    for item in [*of(made, "StatefulSet").values(), *of(made, "Deployment").values()]:
        own = {each["name"]: each.get("value", "from a secret") for each in container(item).get("env", [])}
        names = {key.removeprefix("ROOMWARDEN_").lower(): value for key, value in (shared | own).items()}
        settings = Settings.model_validate(names)
        mounts = [mount["mountPath"] for mount in container(item)["volumeMounts"]]
        for file in (settings.kafka_ca, settings.kafka_certificate, settings.kafka_key):
            assert file is None or any(str(file).startswith(f"{mount}/") for mount in mounts)


def test_each_stage_logs_in_as_itself() -> None:
    made = rendered("cpu-cluster")
    for stage in STAGES:
        item = (of(made, "StatefulSet") | of(made, "Deployment"))[f"demo-roomwarden-{stage}"]
        variables = {each["name"]: each for each in container(item)["env"]}
        assert variables["ROOMWARDEN_KAFKA_USERNAME"]["value"] == f"roomwarden-{stage}"
        reference = variables["ROOMWARDEN_KAFKA_PASSWORD"]["valueFrom"]["secretKeyRef"]
        assert reference == {"name": f"roomwarden-{stage}", "key": "password"}
    mutual = of(rendered("gpu-cluster"), "Deployment")["demo-roomwarden-listen"]
    volumes = {each["name"]: each for each in mutual["spec"]["template"]["spec"]["volumes"]}
    assert volumes["kafka-account"]["secret"]["secretName"] == "roomwarden-listen-tls"


def test_users_have_the_access_lists_of_the_code() -> None:
    users = of(rendered("cpu-cluster", "settings.group_prefix=rw"), "KafkaUser")
    assert set(users) == {f"roomwarden-{role}" for role in ACCESS}
    for role in get_args(Role):
        spec = users[f"roomwarden-{role}"]["spec"]
        assert spec["authentication"] == {"type": "scram-sha-512"}
        given = {
            (rule["resource"]["type"], rule["resource"]["name"], rule["resource"]["patternType"], *rule["operations"])
            for rule in spec["authorization"]["acls"]
        }
        wanted = acls(role, "rw")
        assert given == {(w.resource, w.name, "prefix" if w.prefixed else "literal", *w.operations) for w in wanted}


@pytest.mark.parametrize("example", ["cpu-cluster", "gpu-cluster"])
def test_autoscaling_follows_the_lag_and_shrinks_slowly(example: str) -> None:
    made = rendered(example)
    partitions = int(of(made, "ConfigMap")["demo-roomwarden-settings"]["data"]["ROOMWARDEN_PARTITIONS"])
    workloads = of(made, "StatefulSet") | of(made, "Deployment")
    scaled = of(made, "ScaledObject")
    assert scaled
    for name, item in scaled.items():
        spec = item["spec"]
        assert spec["scaleTargetRef"]["kind"] == workloads[name]["kind"]
        assert "replicas" not in workloads[name]["spec"]  # two would pull at it
        assert spec["minReplicaCount"] <= spec["maxReplicaCount"] <= partitions
        (trigger,) = spec["triggers"]
        assert trigger["metricType"] == "Value"
        stage = name.rpartition("-")[2]
        assert trigger["metadata"]["query"] == f'max(roomwarden_lag_seconds{{stage="{stage}", namespace="rooms"}})'
        down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
        assert down["stabilizationWindowSeconds"] >= 600
        assert down["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 300}]


def test_a_gpu_is_asked_for_and_used() -> None:
    made = rendered("gpu-cluster")
    listen = of(made, "Deployment")["demo-roomwarden-listen"]
    assert container(listen)["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert {"name": "ROOMWARDEN_DEVICE", "value": "cuda"} in container(listen)["env"]
    assert container(listen)["image"].endswith("-cuda")
    assert listen["spec"]["template"]["spec"]["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    segment = of(made, "StatefulSet")["demo-roomwarden-segment"]
    assert "nodeSelector" not in segment["spec"]["template"]["spec"]
    assert not container(segment)["image"].endswith("-cuda")


def test_disruptions_networks_and_rules() -> None:
    made = rendered("cpu-cluster")
    assert {item["spec"]["maxUnavailable"] for item in of(made, "PodDisruptionBudget").values()} == {1}
    assert len(of(made, "PodDisruptionBudget")) == 3
    (policy,) = of(made, "NetworkPolicy").values()
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert [port["port"] for port in policy["spec"]["egress"][-1]["ports"]] == [9093]
    (rules,) = of(made, "PrometheusRule").values()
    checked_in = yaml.safe_load((CHART.parents[1] / "deploy/prometheus/alerts.yaml").read_text(encoding="utf-8"))
    assert rules["spec"] == checked_in
    (monitor,) = of(made, "ServiceMonitor").values()
    services = of(made, "Service").values()
    for service in services:
        assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()


@pytest.mark.parametrize(
    ("example", "option", "sentence"),
    [
        ("laptop", "stages.listen.replicas=5", "stages.listen.replicas is 5, but topics.partitions is 4"),
        ("cpu-cluster", "stages.judge.autoscaling.max=65", "judge.autoscaling.max is 65, but topics.partitions is 64"),
        ("cpu-cluster", "stages.segment.autoscaling.min=20", "autoscaling.min is above autoscaling.max"),
        ("cpu-cluster", "autoscaling.prometheus=", "name the Prometheus that has it in autoscaling.prometheus"),
        ("cpu-cluster", "kafka.securityProtocol=PLAINTEXT", "a PLAINTEXT listener knows no users"),
        ("laptop", "topics.strimzi.users=true", "topics.strimzi.users: needs topics.strimzi.enabled"),
        ("laptop", "settings.device=cuda", "settings.device is cuda, but stages.listen.gpus is 0"),
        ("laptop", "kafka.securityProtocol=SASL_SSL", "/kafka/account/secret"),
        ("laptop", "kafka.securityProtocol=TLS", "securityProtocol"),
        ("laptop", "stages.listen.gpus=-1", "gpus"),
        ("laptop", "networkPolicy.kafkaPorts[0]=70000", "kafkaPorts"),
        ("laptop", "autoscaling.downAfterSeconds=5", "downAfterSeconds"),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence(example: str, option: str, sentence: str) -> None:
    assert sentence in refusal(example, option)


# The chart's own test.


@contextmanager
def worker(ready: bool) -> Iterator[int]:
    """A health server that says whether it is ready."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if ready else 503)
            self.end_headers()
            self.wfile.write(json.dumps({"stages": [{"stage": "segment", "detail": "loading models"}]}).encode())

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("ready", "status"), [(True, 0), (False, 1)])
def test_the_test_pod_passes_when_every_stage_is_ready(
    ready: bool, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    space: dict[str, Any] = {"__name__": "ready"}
    exec(compile((CHART / "files/ready.py").read_text(encoding="utf-8"), "ready.py", "exec"), space)  # noqa: S102  # ours
    with worker(ready) as port:
        monkeypatch.setenv("PORT", str(port))
        monkeypatch.setenv("STAGES", "localhost")
        assert space["main"]() == status
        assert "127.0.0.1: segment: loading models" in capsys.readouterr().out
        monkeypatch.setenv("STAGES", "no-such-host.invalid")
        assert space["main"]() == 1


def test_only_judge_gets_the_key_that_seals_the_record() -> None:
    made = rendered("cpu-cluster", "signing.auditKey=audit-key")
    holders = set()
    for kind in ("StatefulSet", "Deployment"):
        for name, item in of(made, kind).items():
            for variable in container(item).get("env", []):
                if variable["name"] == "ROOMWARDEN_AUDIT_KEY":
                    holders.add(name)
                    assert variable["valueFrom"]["secretKeyRef"] == {"name": "roomwarden-signing", "key": "audit-key"}
    assert len(holders) == 1
    assert "judge" in holders.pop()
    assert "ROOMWARDEN_AUDIT_KEY" not in str(rendered("cpu-cluster"))
