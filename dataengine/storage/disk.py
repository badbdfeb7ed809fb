"""A disk that takes no more, as an error of the run: it is neither a bug nor the fault of an input."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from dataengine.errors import RunError

_TAKES_NO_MORE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
#: What ``tempfile`` raises where it can write to no folder.
_NO_TEMPORARY_FOLDER = "No usable temporary directory"


def disk_error(error: BaseException, place: str = "") -> RunError | None:
    """The error to show for an OSError of a full or read-only disk, at its file or else at ``place``; None for other errors."""
    if not isinstance(error, OSError):
        return None
    reason = error.strerror or ""
    if error.errno not in _TAKES_NO_MORE and not reason.startswith(_NO_TEMPORARY_FOLDER):
        return None
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else place
    return RunError(
        f"{where}{': ' if where else ''}{reason}. Committed work is kept: make room on that disk, or let it be written to "
        "(TMPDIR names another folder for temporary files), and rerun to resume"
    )


@contextmanager
def disk_errors(place: str) -> Iterator[None]:
    """Context in which an OSError of a full or read-only disk becomes a RunError that names its file or ``place``."""
    try:
        yield
    except OSError as error:
        run_error = disk_error(error, place)
        if run_error is None:
            raise
        raise run_error from None
