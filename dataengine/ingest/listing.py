"""File listing by path or glob, on disk and on S3."""

from __future__ import annotations

import fnmatch
from glob import glob as local_glob
from pathlib import Path, PurePosixPath

from dataengine.errors import UsageError
from dataengine.storage.store import Entry, Store
from dataengine.storage.workspace import digest

_WILD = "*?["


def glob(pattern: str) -> list[Entry]:
    """Files that match ``pattern``, sorted; ``Entry.key`` is the full path. Raises UsageError if there are none."""
    entries = _remote(pattern) if "://" in pattern else _local(pattern)
    if not entries:
        raise UsageError(
            f"no file matches {pattern}" + ("" if "://" in pattern else f" (relative paths start at {Path.cwd()})")
        )
    return entries


def relative(pattern: str, path: str) -> str:
    """``path`` relative to the folder before the first wildcard of ``pattern``: a file's name within its source, wherever the
    source lies."""
    return PurePosixPath(path).relative_to(folder_of(pattern)).as_posix()


def folder_of(pattern: str) -> str:
    """The folder before the first wildcard of ``pattern``."""
    folder = pattern.rpartition("/")[0] or ("/" if pattern.startswith("/") else ".")
    while is_pattern(folder):
        folder = folder.rpartition("/")[0] or ("/" if pattern.startswith("/") else ".")
    return folder


def is_pattern(path: str) -> bool:
    """True for a path with wildcards."""
    return any(c in path for c in _WILD)


def part_name(source: str, name: str) -> str:
    """Unique name of the part for the file ``name`` of a source."""
    return f"{source}-{PurePosixPath(name).stem}-{digest(name)[:8]}"


def _local(pattern: str) -> list[Entry]:
    paths = [Path(p) for p in sorted(local_glob(pattern, recursive=True))]  # noqa: PTH207  patterns may be absolute
    return [Entry(str(p), p.stat().st_size, str(p.stat().st_mtime_ns)) for p in paths if p.is_file()]


def _remote(pattern: str) -> list[Entry]:
    """List the pattern's fixed prefix and filter: S3 has no glob."""
    fixed = pattern
    while any(c in fixed for c in _WILD):
        fixed = fixed.rpartition("/")[0]
    if fixed == pattern:
        folder, _, name = pattern.rpartition("/")
        entry = Store(folder).head(name)
        return [Entry(pattern, entry.size, entry.tag)] if entry else []
    listed = (Entry(f"{fixed}/{e.key}", e.size, e.tag) for e in Store(fixed).entries())
    return sorted((e for e in listed if fnmatch.fnmatchcase(e.key, pattern)), key=lambda e: e.key)
