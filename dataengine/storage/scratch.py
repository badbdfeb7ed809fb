"""Temporary folders of a run on the local disk: gone when it ends; those that a killed run left go when the next one starts.

A folder is locked (``flock``) for as long as its process lives, so that a process id used twice, or one of another container that
shares the disk, is never mistaken for its owner. It gets its name once it is locked: what has a name and no lock is left over.
Machines that share a TMPDIR whose locks hold on one machine only (Lustre with ``localflock``) need a TMPDIR each.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PREFIX = "dataengine-tmp-"
#: What such a folder is for: the session and logs of a local Ray, the temporary files of its workers, Spark, DuckDB.
KINDS = ("ray", "work", "spark", "duckdb")
_TRIES, _PAUSE = 10, 0.2


class Scratch:
    """A new folder in ``parent`` (the system's folder for temporary files), for one of KINDS; deleted with this object."""

    def __init__(self, kind: str, parent: str | Path | None = None) -> None:
        parent = Path(parent or tempfile.gettempdir())
        for folder in left_over(parent):
            _delete(folder, tries=1)
        hidden = Path(tempfile.mkdtemp(prefix=f".{PREFIX}{kind}-", dir=parent))
        lock = os.open(hidden, os.O_RDONLY | os.O_DIRECTORY)
        with suppress(OSError):  # a file system without locks, such as NFS for folders: nothing is swept there
            fcntl.flock(lock, fcntl.LOCK_EX)
        self.path = hidden.rename(parent / hidden.name.removeprefix("."))
        self._finalizer = weakref.finalize(self, _end, self.path, lock, os.getpid())

    @property
    def name(self) -> str:
        return str(self.path)

    def folder(self, name: str) -> Path:
        """A folder in it."""
        path = self.path / name
        path.mkdir(exist_ok=True)
        return path

    def cleanup(self) -> None:
        """Delete it; for two seconds again and again, if processes that are about to end still write to it."""
        self._finalizer()


def _end(folder: Path, lock: int, owner: int) -> None:
    if os.getpid() == owner:  # and not its fork
        _delete(folder, _TRIES)
        os.close(lock)


def left_over(parent: Path) -> Iterator[Path]:
    """Folders of this user in ``parent`` whose process is no more."""
    names = tuple(f"{PREFIX}{kind}-" for kind in KINDS)
    with os.scandir(parent) as entries:
        folders = sorted(entry.path for entry in entries if entry.name.startswith(names))
    yield from (Path(folder) for folder in folders if _is_left_over(Path(folder)))


def _is_left_over(folder: Path) -> bool:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(descriptor).st_uid == os.getuid() and stat.S_ISDIR(os.fstat(descriptor).st_mode)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _delete(folder: Path, tries: int) -> None:
    for _ in range(tries):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(_PAUSE)
