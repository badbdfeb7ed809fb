"""How often a server that does not answer is asked again, so that it does not hold up the run that it watches."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

#: A failure that took longer was waited for, and no refusal.
_SECONDS = 1.0
_TIMES = 10


class Patience:
    """A server that kept the run waiting, in vain, is left alone for ten times as long."""

    def __init__(self) -> None:
        self._until = 0.0

    @property
    def lasts(self) -> bool:
        """Whether it may be asked."""
        return time.monotonic() >= self._until

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Around a request, which raises where it fails."""
        begun, answered = time.monotonic(), False
        try:
            yield
            answered = True
        finally:
            took = time.monotonic() - begun
            if not answered and took > _SECONDS:
                self._until = begun + took * (1 + _TIMES)
