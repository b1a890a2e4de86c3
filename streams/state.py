"""Keyed state in Kafka-backed tables that may be written outside a stream's own iteration."""

from __future__ import annotations

import contextvars
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

from faust import streams as faust_streams

from streams.app import StageApp
from streams.delivery import Received


@dataclass
class _Timer:
    """What stands for an event where a timer writes."""

    message: Any

    def ack(self) -> bool:
        """There is nothing to acknowledge."""
        return True


def by_timer(partition: int) -> Received:
    """An event on behalf of which a timer can write to a partition."""
    return _Timer(SimpleNamespace(topic="", partition=partition, offset=-1))


class StateTable:
    """Bytes to bytes, changelogged to the partition of the record that caused the write.

    Faust takes that partition from the event its stream is working on. Our stages finish records later, from a pump
    or a timer, so ``put`` and ``drop`` name the event themselves.
    """

    def __init__(self, app: StageApp, name: str, partitions: int) -> None:
        self._table: Any = app.Table(name, key_type=bytes, value_type=bytes, partitions=partitions)

    def get(self, key: str) -> bytes | None:
        """Value of a key, or None."""
        value: bytes | None = self._table.get(key.encode())
        return value

    def put(self, event: Received, key: str, value: bytes) -> None:
        """Set a key on behalf of ``event``."""
        self._within(event, self._table.__setitem__, key.encode(), value)

    def drop(self, event: Received, key: str) -> None:
        """Delete a key on behalf of ``event``; no error when it is not there."""
        if key.encode() in self._table:
            self._within(event, self._table.__delitem__, key.encode())

    def items(self) -> Iterator[tuple[str, bytes]]:
        """Every key and value held by this worker."""
        for key, value in list(self._table.items()):
            yield key.decode(), value

    def _within(self, event: Received, action: Any, *arguments: Any) -> None:
        def run() -> None:
            # Faust's public API sets this only while a stream yields; copying the context keeps the loop's own clean.
            faust_streams._current_event.set(weakref.ref(cast("Any", event)))  # noqa: SLF001  # no public way
            action(*arguments)

        contextvars.copy_context().run(run)
