"""Draw an iterator in a thread of its own, a bounded number of items ahead: encoding never delays the sender."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class ReadAhead(Generic[T]):
    """An iterator over ``items``, drawn up to ``limit`` items ahead once the ``with`` block is entered.

    What the source raises is raised to the reader, after the items before it. Leaving the block ends the thread.
    """

    def __init__(self, items: Iterable[T], limit: int) -> None:
        if limit < 1:
            raise ValueError("limit must be 1 or more")
        self._items = items
        self._limit = limit
        self._held: deque[T] = deque()
        self._change = threading.Condition()
        self._drawn_all = False
        self._closed = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._draw, name="read-ahead", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._change:
            self._closed = True
            self._change.notify_all()
        self._thread.join()

    def wait(self, count: int) -> None:
        """Return when ``count`` items (at most the limit) are held, or there are no more. Blocks: call in a thread."""
        with self._change:
            self._change.wait_for(lambda: self._drawn_all or len(self._held) >= min(count, self._limit))

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with self._change:
            self._change.wait_for(lambda: self._drawn_all or bool(self._held))
            if self._held:
                item = self._held.popleft()
                if len(self._held) == self._limit // 2:
                    self._change.notify_all()  # waking the thread for every item would cost more than the item
                return item
            if self._error is not None:
                raise self._error
            raise StopIteration

    def _draw(self) -> None:
        try:
            for item in self._items:
                with self._change:
                    if len(self._held) >= self._limit:
                        self._change.wait_for(lambda: self._closed or len(self._held) <= self._limit // 2)
                    if self._closed:
                        return
                    self._held.append(item)
                    self._change.notify_all()
        except BaseException as error:
            self._error = error
        finally:
            with self._change:
                self._drawn_all = True
                self._change.notify_all()
