"""SIGTERM, by which schedulers stop a job, ends a command as Ctrl-C does: leases are given back, children and engines stopped."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

#: Exit codes.
INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM
_AGAIN_SECONDS = 30.0
"""Schedulers may send the signal twice within moments, to a process and to its group; the second must not disturb the end."""


class Terminated(KeyboardInterrupt):
    """SIGTERM has come. Logs, metrics and status have its exit code too."""

    exit_code = TERMINATED


class Termination:
    """While it is entered, SIGTERM raises Terminated in the main thread. It stays so after the signal has come, when the
    process is about to end. Where Python drops what is raised (beside a fork, in a finalizer), it is raised again at once."""

    def __init__(self) -> None:
        self.requested = False
        self._at = 0.0
        self._before: Any = None
        self._unraisable: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._terminate)
            self._unraisable, sys.unraisablehook = sys.unraisablehook, self._dropped
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None and not self.requested:
            signal.signal(signal.SIGTERM, self._before)
            sys.unraisablehook = self._unraisable

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.requested or now - self._at > _AGAIN_SECONDS:
            self.requested, self._at = True, now
            raise Terminated

    def _dropped(self, dropped: Any) -> None:
        """Take what Python could not raise: a signal that it was for, by this handler or by Ray's, is sent once more."""
        error = dropped.exc_value
        if isinstance(error, Terminated) or (isinstance(error, SystemExit) and error.code == signal.SIGTERM):
            self.requested = False
            again = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM))
            again.daemon = True
            again.start()
        else:
            self._unraisable(dropped)


def leave(code: int) -> NoReturn:
    """Exit once what is registered for the exit has run, without the destructors of C++: a Ray that was interrupted as it started
    keeps threads that use what those destroy, which ends in a crash of its own."""
    atexit._run_exitfuncs()
    with suppress(OSError):  # of a pipe whose reader has gone
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
