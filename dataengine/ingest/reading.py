"""Bounded reading of one file from disk, S3 or the web: only regular files, only below the folders that the recipe allows."""

from __future__ import annotations

import errno
import io
import os
import posixpath
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from dataengine.config.sources import HttpConfig
from dataengine.errors import DataEngineError, InputError, PartitionError, RunError
from dataengine.ingest.download import fetch_once
from dataengine.media.limits import Limits
from dataengine.storage.store import Store

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_TEMPORARY = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE}
_SHOWN = 200
_BUFFER = 1 << 20
#: Bytes of a key that S3 takes.
_KEY_BYTES = 1024
_PATH_ONLY = getattr(os, "O_PATH", 0) and os.O_PATH | os.O_CLOEXEC
"""Flags that open a path without opening its file; 0 where there are none."""


def scheme_of(location: str) -> str:
    """Scheme of a URL in lower case; "" for a path."""
    match = _SCHEME.match(location)
    return match[1].lower() if match else ""


def local_path(url: str) -> str:
    """The path of a ``file://`` URL. Raises InputError for one of another machine."""
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise InputError("bad_url", "a file:// URL of another machine")
    return unquote(parts.path)


def joined(folder: str, path: str) -> str:
    """``path`` resolved against ``folder``, a path or s3:// prefix, without ``.`` and ``..``."""
    scheme, mark, rest = folder.rpartition("://")
    return f"{scheme}{mark}{posixpath.normpath(posixpath.join(rest, path))}"


def fetch(location: str, limits: Limits, within: tuple[str, ...] = ()) -> bytes:
    """Bytes at a local path, s3:// or http(s):// URL. ``within``: folders that a path must lie in; empty: anywhere. Raises
    InputError: missing, not_allowed, not_a_file, unreadable, too_many_bytes and those of downloads."""
    if scheme_of(location) in ("http", "https"):
        return fetch_once(location, limits, HttpConfig())
    if scheme_of(location):
        return _from_store(location, limits, within)
    with open_file(location, within) as file:
        size = os.fstat(file.fileno()).st_size
        limit_bytes(size, limits)
        try:
            data = file.read(size + 1)
            while len(data) > size and (more := file.read(min(len(data), limits.bytes + 1 - len(data)))):
                data += more
        except OSError as error:
            raise unreadable(location, error) from None
        limit_bytes(len(data), limits)
        return data


def open_file(path: str, within: tuple[str, ...] = ()) -> BinaryIO:
    """A regular file, opened for reading. Raises InputError as ``fetch``."""
    return _open_allowed(path, within) or _open_checked(path, within)


def _open_allowed(path: str, within: tuple[str, ...]) -> BinaryIO | None:
    """The usual case in a third of the time: a file that the kernel itself says is regular and below one of the folders. None for
    all else, which ``_open_checked`` judges."""
    if not _PATH_ONLY:
        return None
    try:
        # Opens no device and waits for no pipe; what is opened again is this very file, whatever the path has become.
        handle = os.open(path, _PATH_ONLY)
        try:
            regular = stat.S_ISREG(os.fstat(handle).st_mode)
            if not regular or (within and not _starts_with_any(_kernel_path(handle), map(_real_folder, within))):
                return None
            return open(f"/proc/self/fd/{handle}", "rb")  # noqa: PTH123  the caller's context
        finally:
            os.close(handle)
    except (OSError, ValueError):
        return None


def _kernel_path(handle: int) -> str:
    """The path of an open file or folder, without links."""
    return os.readlink(f"/proc/self/fd/{handle}")  # noqa: PTH115  a path that is too long for Path


def _real_folder(folder: str) -> str:
    """The folder's path without links; one of no file for a prefix of another scheme."""
    if scheme_of(folder):
        return "\0"
    handle = os.open(folder, _PATH_ONLY)
    try:
        return _kernel_path(handle)
    finally:
        os.close(handle)


def _open_checked(path: str, within: tuple[str, ...]) -> BinaryIO:
    try:
        real = os.path.realpath(path)
        if within and not _is_below(real, within):
            raise outside(path)
        _check_regular(os.lstat(real), path)
        descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        file = open(descriptor, "rb")  # noqa: PTH123, SIM115  the caller's context
        _check_regular(os.fstat(descriptor), path)
        return file
    except FileNotFoundError:
        raise missing(path) from None
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None


def _is_below(path: str, folders: tuple[str, ...]) -> bool:
    """True for a path without links that lies below one of ``folders``."""
    return _starts_with_any(path, (os.path.realpath(folder) for folder in folders if not scheme_of(folder)))


def _starts_with_any(path: str, roots: Iterable[str]) -> bool:
    return any(f"{path}/".startswith(root if root.endswith("/") else f"{root}/") for root in roots)


def outside(path: str) -> InputError:
    message = (
        f"{_name(path)} leads outside the folder of its source; if it may, name its folder in the source's `roots`"
    )
    return InputError("not_allowed", message)


def unreadable(path: str, error: OSError | ValueError) -> DataEngineError:
    """The InputError of a file that cannot be read, or a PartitionError where the machine is to blame."""
    if isinstance(error, OSError) and error.errno in _TEMPORARY:
        return PartitionError(f"{path}: {error.strerror}")
    reason = error.strerror if isinstance(error, OSError) else "not a valid path"
    return InputError("unreadable", f"{_name(path)} cannot be read: {reason}")


@contextmanager
def opened(location: str, within: tuple[str, ...] = (), buffer: int = _BUFFER) -> Iterator[BinaryIO]:
    """A file on disk or S3 for reading in order or by range, from S3 at least ``buffer`` bytes at once. Raises InputError as
    ``fetch``, PartitionError."""
    with open_file(location, within) if not scheme_of(location) else _S3File.open(location, buffer) as file:
        yield file


class _S3File(io.RawIOBase):
    """Ranged reading of an object; a buffer around it makes requests few."""

    def __init__(self, store: Store, key: str, size: int) -> None:
        self._store, self._key, self._size, self._place = store, key, size, 0

    @classmethod
    def open(cls, location: str, buffer: int) -> BinaryIO:
        folder, _, name = location.rpartition("/")
        try:
            entry = Store(folder).head(name)
        except RunError as error:
            raise PartitionError(str(error)) from None
        if entry is None:
            raise missing(location)
        return io.BufferedReader(cls(Store(folder), name, entry.size), buffer)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        return self._place

    def readinto(self, buffer: Any, /) -> int:
        wanted = max(0, min(len(buffer), self._size - self._place))
        try:
            data = self._store.get_range(self._key, self._place, wanted)
        except (RunError, FileNotFoundError) as error:
            raise PartitionError(str(error)) from None
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)


def limit_bytes(size: int, limits: Limits) -> None:
    """Raises InputError ``too_many_bytes``."""
    if size > limits.bytes:
        raise InputError("too_many_bytes", f"at least {size:,} bytes, limit {limits.bytes:,}")


def _check_regular(facts: os.stat_result, path: str) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise InputError("not_a_file", f"{_name(path)} is a folder, pipe, socket or device, not a regular file")


def check_prefix(location: str, within: tuple[str, ...]) -> None:
    """Raises InputError ``not_allowed`` for an object that is below none of the prefixes in ``within``, where it names any."""
    if within and not any(location.startswith(f"{f.rstrip('/')}/") for f in within if scheme_of(f)):
        raise outside(location)


def _from_store(location: str, limits: Limits, within: tuple[str, ...]) -> bytes:
    check_prefix(location, within)
    folder, _, name = location.rpartition("/")
    if len(location.encode()) > _KEY_BYTES:
        raise unreadable(location, ValueError())
    try:
        store = Store(folder)
        entry = store.head(name)
        if entry is None:
            raise missing(location)
        limit_bytes(entry.size, limits)
        return store.get_range(name, 0, entry.size)
    except FileNotFoundError:
        raise missing(location) from None
    except ValueError as error:
        raise unreadable(location, error) from None
    except RunError as error:
        raise PartitionError(str(error)) from None


def missing(path: str) -> InputError:
    """The same message for a folder and for S3: the ledger is part of the release and must not depend on where it was made."""
    return InputError("missing", f"no such file: {_name(path)}; the source lists a path that does not exist")


def _name(path: str) -> str:
    name = path.rpartition("/")[2]
    return name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…"
