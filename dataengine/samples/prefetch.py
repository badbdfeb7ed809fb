"""Reads a source in a thread and hands it on in lists of one size, so that decoding goes on while a model works.

What waits is bounded by number and bytes; a reader that has nothing to do gets what it waits for all the same. A reader and its
thread meet once a list, not once an item: at 10,000 pictures a second that is most of what they cost.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TypeVar

from dataengine.timings import ready

T = TypeVar("T")


class Prefetch(Iterator[list[T]]):
    """Consecutive lists of ``size`` items of ``source``, the last may be shorter; at most ``ahead`` items, of at most ``bytes_``
    by ``weigh``, are read ahead. Close it; a source that is a generator is closed, too, in the thread that reads it."""

    def __init__(self, source: Iterator[T], size: int, ahead: int, bytes_: int, weigh: Callable[[T], int]) -> None:
        self._source, self._size, self._ahead, self._bytes, self._weigh = source, size, ahead, bytes_, weigh
        self._change = threading.Condition()
        self._lists: deque[tuple[list[T], int]] = deque()
        self._items = self._held = 0
        """Items that wait, and their bytes, those of a list that is not yet full included."""
        self._starved = self._closed = self._ended = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __next__(self) -> list[T]:
        ready(self._items)
        with self._change:
            if not self._lists and not self._ended:
                self._starved = True
                self._change.notify_all()
                self._change.wait_for(lambda: self._lists or self._ended)
            self._starved = False
            if self._lists:
                items, weight = self._lists.popleft()
                self._items -= len(items)
                self._held -= weight
                self._change.notify_all()
                return items
            if self._error is not None:
                raise self._error
            raise StopIteration

    def close(self) -> None:
        """Stop reading; what waits is dropped."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    def _read(self) -> None:
        try:
            self._fill()
        except BaseException as error:  # handed to the reader, which raises it
            self._error = error
        with self._change:
            self._ended = True
            self._change.notify_all()

    def _fill(self) -> None:
        items, weight = list[T](), 0
        try:
            for item in self._source:
                items.append(item)
                weight += (one := self._weigh(item))
                with self._change:
                    self._items += 1
                    self._held += one
                    if len(items) == self._size:
                        self._lists.append((items, weight))
                        items, weight = [], 0
                        self._change.notify_all()
                    self._change.wait_for(self._may_read)
                    if self._closed:
                        return
        finally:
            if isinstance(self._source, Iterator) and (close := getattr(self._source, "close", None)):
                close()
        if items:
            with self._change:
                self._lists.append((items, weight))

    def _may_read(self) -> bool:
        room = self._items < self._ahead and self._held < self._bytes
        return room or self._closed or (self._starved and not self._lists)
