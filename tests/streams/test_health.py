"""Health is progress: /live, /ready and /metrics answer by the state of the stages."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from streams.health import Health, StageHealth
from streams.metrics import Metrics

FINE = StageHealth("segment", True, "ready", 3, 0.5)
LOADING = StageHealth("listen", False, "loading models", 0, 0.0)
STALLED = StageHealth("judge", True, "ready", 7, 61.0)


def health_of(*stages: StageHealth, port: int = 0) -> Health:
    return Health(lambda: list(stages), Metrics(), stall_s=60.0, host="127.0.0.1", port=port)


@pytest.fixture
async def ask() -> Any:
    """Asks a path of the health of some stages; (status, JSON)."""
    clients: list[TestClient[Any, Any]] = []

    async def get(path: str, *stages: StageHealth) -> tuple[int, Any]:
        health = health_of(*stages)
        app = web.Application()
        app.router.add_get("/live", health.live)
        app.router.add_get("/ready", health.ready)
        app.router.add_get("/metrics", health.metrics)
        client = TestClient(TestServer(app))
        await client.start_server()
        clients.append(client)
        answer = await client.get(path)
        kind = answer.content_type
        return answer.status, await (answer.json() if kind == "application/json" else answer.text())

    yield get
    for client in clients:
        await client.close()


@pytest.mark.parametrize(
    ("path", "stages", "status"),
    [
        ("/live", [], 200),
        ("/live", [FINE], 200),
        ("/live", [FINE, LOADING], 200),  # loading is no reason to be restarted
        ("/live", [FINE, STALLED], 503),
        ("/ready", [FINE], 200),
        ("/ready", [FINE, LOADING], 503),
        ("/ready", [STALLED], 200),
    ],
)
async def test_status_by_state(ask: Any, path: str, stages: list[StageHealth], status: int) -> None:
    found, body = await ask(path, *stages)
    assert found == status
    assert body["ok"] is (status == 200)
    assert [stage["stage"] for stage in body["stages"]] == [stage.stage for stage in stages]


async def test_the_answer_says_which_stage_and_why(ask: Any) -> None:
    _, body = await ask("/ready", LOADING)
    assert body["stages"] == [
        {
            "stage": "listen",
            "ready": False,
            "detail": "loading models",
            "outstanding": 0,
            "stalled_s": 0.0,
            "lag_s": 0.0,
        }
    ]


async def test_metrics_are_prometheus_text_with_the_outstanding_records(ask: Any) -> None:
    status, text = await ask("/metrics", FINE, STALLED)
    assert status == 200
    families = {family.name: family for family in text_string_to_metric_families(text)}
    samples = families["roomwarden_outstanding_records"].samples
    assert {s.labels["stage"]: s.value for s in samples} == {"segment": 3.0, "judge": 7.0}


async def test_the_loop_is_measured_with_and_without_a_port() -> None:
    health = health_of(FINE)
    before = health.ticked_at
    await health.start()
    async with asyncio.timeout(30):
        while health.ticked_at == before:
            await asyncio.sleep(0.01)
    await health.stop()
    count = health._metrics.registry.get_sample_value("roomwarden_loop_lag_seconds_count")
    assert count is not None
    assert count >= 1


async def test_serves_on_its_port_and_gives_it_back() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    health = health_of(FINE, LOADING, port=port)
    await health.start()
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/live") as answer:
            assert answer.status == 200
        async with session.get(f"http://127.0.0.1:{port}/ready") as answer:
            assert answer.status == 503
        async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
            assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        async with session.get(f"http://127.0.0.1:{port}/tables") as answer:
            assert answer.status == 404
    await health.stop()
    again = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
    again.close()
    await again.wait_closed()


async def test_stopping_what_never_started_is_harmless() -> None:
    await health_of(FINE).stop()
