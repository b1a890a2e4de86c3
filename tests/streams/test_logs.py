"""Logs: one line an event, JSON or text, at the level that was asked for; ours and the libraries' alike."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from streams.logs import configure, get_logger
from streams.settings import Settings


@pytest.fixture(autouse=True)
def _logging_is_put_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_json_line_has_the_event_and_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(log_format="json"))
    get_logger("roomwarden.segment").warning("record unreadable", reason="oversized", detail="太大")
    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "record unreadable"
    assert (line["reason"], line["detail"], line["level"]) == ("oversized", "太大", "warning")
    assert line["logger"] == "roomwarden.segment"
    assert line["timestamp"].endswith("Z")


def test_libraries_write_in_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(log_format="json"))
    logging.getLogger("somebody").warning("disk %s", "full")
    assert json.loads(capsys.readouterr().err)["event"] == "disk full"


def test_the_level_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(log_format="json", log_level="warning"))
    get_logger("roomwarden").info("not now")
    logging.getLogger("somebody").info("nor this")
    assert capsys.readouterr().err == ""


def test_kafka_clients_are_quiet_unless_debugging(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(log_format="json"))
    logging.getLogger("aiokafka.consumer").warning("rebalance chatter")
    assert capsys.readouterr().err == ""
    configure(Settings(log_format="json", log_level="debug"))
    logging.getLogger("aiokafka.consumer").warning("rebalance chatter")
    assert "rebalance chatter" in capsys.readouterr().err


def test_an_exception_is_a_field_of_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(log_format="json"))
    try:
        raise RuntimeError("boom")
    except RuntimeError:
        get_logger("roomwarden").exception("crashed")
    line = json.loads(capsys.readouterr().err)
    assert "RuntimeError: boom" in line["exception"]


def test_text_lines_carry_the_fields_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure(Settings(log_format="text"))
    get_logger("roomwarden").info("worker ready", stages=["segment"])
    line = capsys.readouterr().err
    assert "worker ready" in line
    assert "segment" in line
