"""SIGTERM, by which schedulers stop a job, ends a command as Ctrl-C does: leases are given back, children and engines stopped."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self

EXIT_CODE = 128 + signal.SIGTERM
_AGAIN_SECONDS = 30.0
"""Schedulers may send the signal twice within moments, to a process and to its group; the second must not disturb the end."""


class Terminated(KeyboardInterrupt):
    """SIGTERM has come. Logs, metrics and status have its exit code too."""

    exit_code = EXIT_CODE


class Termination:
    """While it is entered, SIGTERM raises Terminated in the main thread. It stays so after the signal has come, when the
    process is about to end."""

    def __init__(self) -> None:
        self.requested = False
        self._at = 0.0
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._terminate)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None and not self.requested:
            signal.signal(signal.SIGTERM, self._before)

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.requested or now - self._at > _AGAIN_SECONDS:
            self.requested, self._at = True, now
            raise Terminated
