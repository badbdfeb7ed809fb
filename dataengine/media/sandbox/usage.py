"""Counts what the decode children of this process do: files that they have answered for, and CPU seconds."""

from __future__ import annotations

import os
import resource
import threading
from contextlib import suppress
from pathlib import Path

_lock = threading.Lock()
_running: set[int] = set()
_files = 0


def started(pid: int) -> None:
    with _lock:
        _running.add(pid)


def ended(pid: int) -> None:
    """Of a child that has been waited for."""
    with _lock:
        _running.discard(pid)


def answered() -> None:
    global _files
    with _lock:
        _files += 1


def total() -> tuple[int, float]:
    """Files, and CPU seconds of children that have ended and, on Linux, of those that run."""
    with _lock:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return _files, used.ru_utime + used.ru_stime + sum(map(_seconds, _running))


def _seconds(pid: int) -> float:
    with suppress(OSError, ValueError, IndexError):
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return 0.0
