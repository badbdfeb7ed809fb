"""Lists a folder or prefix and pairs its media with their sidecars, in memory that does not grow with the number of files.

Files are spooled to disk by a hash of folder and stem, so that a media file and its sidecars are in one bin wherever the listing
has them, and paired a bin at a time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from dataengine.config.selection import Selection
from dataengine.errors import UsageError
from dataengine.ingest.spooled_rows import Spool
from dataengine.storage.store import Store

_SIDECARS = (".txt", ".json")
#: Bins in which files are paired.
_BINS = 256
_ALL = Selection()


@dataclass(frozen=True)
class Media:
    """A media file with its sidecars, a sidecar without media (an ``orphan``), or a folder that cannot be listed (its name ends
    with a slash). ``tags`` change with what they hold."""

    name: str
    text: str | None
    json: str | None
    orphan: bool
    tags: list[str]

    @property
    def row(self) -> list[Any]:
        """As JSON: ``Media(*row)``."""
        return [self.name, self.text, self.json, self.orphan, self.tags]


def shown(name: str) -> str:
    """A file name as text: bytes that are not UTF-8 (Python keeps them as surrogates) are written ``\\xNN``."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def listing(path: str, selection: Selection = _ALL) -> Iterator[tuple[str, str]]:
    """Names of the files below ``path`` with a tag each, in no order; hidden ones are left out, excluded folders not looked
    into. A folder that cannot be listed is a name that ends with a slash, and the reason. Raises UsageError without any."""
    files: Iterator[tuple[str, str]]
    left_out = "hidden and excluded" if selection.exclude else "hidden"
    if "://" in path:
        files = ((e.key, f"{e.size}:{e.tag}") for e in Store(path).entries() if not _hidden(e.key))
        problem = f"{path} is empty or does not exist (hidden files do not count)"
    elif not Path(path).is_dir():
        raise UsageError(f"folder {path} does not exist (relative paths start at {Path.cwd()})")
    else:
        files, problem = _files(path, selection), f"folder {path} holds no files ({left_out} ones do not count)"
    first = next(files, None)
    if first is None:
        raise UsageError(problem)
    yield first
    yield from files


def _files(root: str, selection: Selection) -> Iterator[tuple[str, str]]:
    """As ``os.walk``, which would hold a folder's names: links to folders are neither followed nor files."""
    waiting = [""]
    while waiting:
        below = waiting.pop()
        try:
            with os.scandir(Path(root, below)) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    name = f"{below}{entry.name}"
                    if not _is_folder(entry):
                        yield name, _tag(entry)
                    elif not entry.is_symlink() and not selection.excludes(f"{name}/"):
                        waiting.append(f"{name}/")
        except OSError as error:
            if not below:
                raise UsageError(f"folder {root} cannot be listed: {error.strerror}") from None
            yield below, error.strerror or ""


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """False for links that lead nowhere or round in a circle, whose reading fails."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _tag(entry: os.DirEntry[str]) -> str:
    """Size and time; empty where they are not to be had, as of a file that has just been deleted."""
    try:
        stat = entry.stat(follow_symlinks=False)
        return f"{stat.st_size}:{stat.st_mtime_ns}"
    except OSError:
        return ""


def size_of(tag: str) -> int:
    """Bytes of the file with a tag, 0 where they are not known."""
    size = tag.partition(":")[0]
    return int(size) if size.isascii() and size.isdigit() else 0


def _hidden(name: str) -> bool:
    return "/." in f"/{name}" and any(part.startswith(".") for part in PurePosixPath(name).parts)


class MediaCount:
    """The files of a listing, and how many of those that it has given are ``media`` to be taken."""

    def __init__(self, files: Iterable[tuple[str, str]], selection: Selection = _ALL) -> None:
        self._files, self._selection, self.media = files, selection, 0

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for name, tag in self._files:
            self.media += not name.lower().endswith(_SIDECARS) and self._selection.takes(name)
            yield name, tag


def paired(files: Iterable[tuple[str, str]], selection: Selection = _ALL) -> Iterator[Media]:
    """Each media file with its sidecars (``a.txt``, ``a.jpg.txt`` or ``a.info.txt`` for ``a.jpg``), and the sidecars without
    media, in no order. Of media that are not taken the sidecars are not, either."""
    bins = Spool()
    for name, tag in files:
        bins.add(_bin(name), [name, tag])
    for _, rows in bins.bins():
        yield from _paired(dict(rows), selection)


def _bin(name: str) -> int:
    """By the name up to the first dot of its last part, which media and sidecars share."""
    folder, slash, last = name.rpartition("/")
    stem = folder + slash + last.partition(".")[0]
    return int.from_bytes(hashlib.blake2b(stem.encode("utf-8", "surrogateescape"), digest_size=2).digest()) % _BINS


def _without_suffix(name: str) -> str:
    """As ``PurePath.with_suffix("")``, in a tenth of its time."""
    last = name.rfind("/") + 1
    dot = name.rfind(".")
    return name[:dot] if last < dot < len(name) - 1 else name


def _paired(tags: dict[str, str], selection: Selection) -> Iterator[Media]:
    used: set[str] = set()
    for name in tags:
        if name.lower().endswith(_SIDECARS):
            continue
        stem = _without_suffix(name)
        beside = [[c for c in (f"{stem}{s}", f"{name}{s}", f"{stem}.info{s}") if c in tags] for s in _SIDECARS]
        left_out = [c for some in beside for c in some if selection.excludes(c)]
        text, json = (next((c for c in some if c not in left_out), None) for some in beside)
        own = [file for file in (name, text, json) if file]
        used.update(own)
        if selection.takes(name):
            yield Media(name, text, json, False, [*(tags[file] for file in own), *(f"without {c}" for c in left_out)])
    for name in tags.keys() - used:
        if selection.takes(name):
            yield Media(name, None, None, True, [tags[name]])
