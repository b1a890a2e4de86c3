"""Settings: file, environment and flags in rising precedence; a bad value is refused by the name of its field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from streams.settings import Settings, load


def refused(**flags: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        load(**flags)
    return str(caught.value)


def test_defaults_run_on_one_machine_without_a_hub() -> None:
    settings = load()
    assert settings.kafka == "127.0.0.1:9092"
    assert settings.allow_hub is False
    assert settings.health_port == 0


def test_every_setting_says_what_it_is_for() -> None:
    silent = [name for name, info in Settings.model_fields.items() if not info.description]
    assert set(silent) <= {"log_level", "log_format"}  # their names say it all


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOMWARDEN_KAFKA", "k1:9092,k2:9092")
    monkeypatch.setenv("ROOMWARDEN_PARTITIONS", "24")
    monkeypatch.setenv("ROOMWARDEN_LEXICONS", '["a.yaml", "b.yaml"]')
    settings = load()
    assert settings.kafka == "k1:9092,k2:9092"
    assert settings.partitions == 24
    assert settings.lexicons == [Path("a.yaml"), Path("b.yaml")]


def test_flags_over_environment_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "roomwarden.yaml"
    file.write_text("kafka: file:1\npartitions: 3\nmax_batch: 5\n")
    monkeypatch.setenv("ROOMWARDEN_CONFIG", str(file))
    monkeypatch.setenv("ROOMWARDEN_KAFKA", "env:1")
    monkeypatch.setenv("ROOMWARDEN_PARTITIONS", "4")
    settings = load(kafka="flag:1")
    assert (settings.kafka, settings.partitions, settings.max_batch) == ("flag:1", 4, 5)


def test_a_flag_may_name_the_file(tmp_path: Path) -> None:
    file = tmp_path / "roomwarden.yaml"
    file.write_text("threads: 7\n")
    assert load(config=file).threads == 7


def test_flags_that_were_not_given_do_not_hide_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOMWARDEN_THREADS", "9")
    assert load(threads=None, kafka=None).threads == 9


def test_a_settings_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.yaml.*ROOMWARDEN_CONFIG"):
        load(config=tmp_path / "nowhere.yaml")


def test_a_misspelt_name_in_the_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "roomwarden.yaml"
    file.write_text("partitons: 3\n")
    assert "partitons" in refused(config=file)


@pytest.mark.parametrize("text", ["- kafka\n", "just words\n"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "roomwarden.yaml"
    file.write_text(text)
    with pytest.raises((ValidationError, ValueError)):
        load(config=file)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("partitions", 0),
        ("partitions", "many"),
        ("replication_factor", 0),
        ("fetch_max_wait_ms", 0),
        ("session_timeout_ms", 10),
        ("commit_interval_ms", 1),
        ("buffer_records", 1),
        ("offset_reset", "middle"),
        ("store", "postgres"),
        ("device", "abacus"),
        ("threads", 0),
        ("batch_wait_ms", -1),
        ("max_batch", 0),
        ("max_chunk_bytes", 1),
        ("max_clock_skew_ms", 0),
        ("window", 1),
        ("dead_letter_share", 0),
        ("dead_letter_share", 1.5),
        ("dead_letter_minimum", 0),
        ("health_port", 70_000),
        ("stall_ms", 5),
        ("log_level", "loud"),
        ("log_format", "xml"),
    ],
)
@pytest.mark.parametrize("way", ["flag", "environment", "file"])
def test_a_bad_value_is_refused_by_the_name_of_its_field(
    name: str, value: Any, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "flag":
        assert name in refused(**{name: value})
    elif way == "environment":
        monkeypatch.setenv(f"ROOMWARDEN_{name.upper()}", str(value))
        assert name in refused()
    else:
        file = tmp_path / "roomwarden.yaml"
        file.write_text(f"{name}: {value}\n")
        assert name in refused(config=file)


def test_the_signing_key_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOMWARDEN_SIGNING_KEY", "s3cret")
    settings = load()
    assert settings.signing_key is not None
    assert settings.signing_key.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in settings.model_dump_json()


def test_a_dotenv_in_the_working_directory_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("ROOMWARDEN_KAFKA=dotenv:1\n")
    monkeypatch.chdir(tmp_path)
    assert load().kafka == "127.0.0.1:9092"
