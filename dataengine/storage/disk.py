"""A disk that takes no more, told as an error of the run: it is neither a bug nor the fault of an input."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from dataengine.errors import RunError

_TAKES_NO_MORE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def disk_error(error: BaseException, place: str = "") -> RunError | None:
    """What to tell of an OSError because of a full or read-only disk, at its file or else at ``place``; None for other errors."""
    if not isinstance(error, OSError) or error.errno not in _TAKES_NO_MORE:
        return None
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else place
    told = f"{where}: {os.strerror(error.errno)}" if where else os.strerror(error.errno)
    return RunError(
        f"{told}. Committed work is kept: make room (temporary files are in {tempfile.gettempdir()}) and rerun to resume"
    )


@contextmanager
def disk_errors(place: str) -> Iterator[None]:
    """Raises RunError for those that are raised within."""
    try:
        yield
    except OSError as error:
        told = disk_error(error, place)
        if told is None:
            raise
        raise told from None
