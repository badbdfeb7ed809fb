"""A bounded cache of what is made on demand, the least recently used given up first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Cached(Generic[K, V]):
    """At most ``most`` values by key. One is made at a time, so that ``make`` may use what only one thread may."""

    def __init__(self, most: int, make: Callable[[K], V]) -> None:
        self._most, self._make = most, make
        self._values: OrderedDict[K, V] = OrderedDict()
        self._lock = Lock()

    def __getitem__(self, key: K) -> V:
        """Raises what ``make`` raises; then nothing is kept."""
        with self._lock:
            if key not in self._values:
                self._values[key] = self._make(key)
                if len(self._values) > self._most:
                    self._values.popitem(last=False)
            self._values.move_to_end(key)
            return self._values[key]
