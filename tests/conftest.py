"""What every test shares: no stray settings from the shell, and a property-test profile without timed assertions."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from deploy.brokers import Broker, Kind, missing, open_broker

# A busy machine is no failure: hypothesis' own deadlines are timed assertions.
settings.register_profile("roomwarden", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("roomwarden")


@pytest.fixture(autouse=True)
def _no_settings_from_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's ROOMWARDEN_* variables must not decide what the tests find."""
    for name in list(os.environ):
        if name.startswith("ROOMWARDEN_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def embedded() -> Iterator[Broker]:
    """An embedded broker of the module's own: topics and groups begin empty."""
    reason = missing("embedded")
    if reason is not None:
        pytest.skip(reason)
    with open_broker("embedded") as broker:
        yield broker


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("embedded", marks=pytest.mark.embedded),
        pytest.param("apache", marks=pytest.mark.kafka),
    ],
)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each broker in turn: what is promised holds on both (`make test`: the embedded one, `make test-kafka`: Kafka)."""
    chosen: Kind = request.param
    reason = missing(chosen)
    if reason is not None:
        pytest.skip(reason)
    return chosen


@pytest.fixture(scope="module")
def module_broker(kind: Kind) -> Iterator[Broker]:
    """A broker of the module's own: topics and groups begin empty."""
    with open_broker(kind) as running:
        yield running


@pytest.fixture
def broker(kind: Kind) -> Iterator[Broker]:
    """A broker of the test's own."""
    with open_broker(kind) as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Property tests run without the cyclic collector.

    Hypothesis parses sources and moves the recursion limit; Python 3.11 fails there ("AST constructor recursion depth
    mismatch") when the collector happens to close an earlier property test in mid-parse, which moves the limit back.
    """
    if not getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
        return (yield)
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
