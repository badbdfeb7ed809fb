"""Lets the readers that trainers have read s3:// as the engine does: same endpoint, profile, credentials and retries.

``register()`` once a process. webdataset knows no s3:// itself (its documentation pipes a command line tool), and fsspec,
which Hugging Face's datasets reads by, only through a further package. Reads go forward in large ranges, the next one
fetched while this one is used. What reads by a release's card or description: ``dataengine.readers.loaders``.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from dataengine.storage.store import CHUNK, Store


class Stream(io.RawIOBase):
    """An object from its start to its end; cannot seek. Raises FileNotFoundError where there is none."""

    def __init__(self, url: str) -> None:
        super().__init__()
        folder, _, self._key = url.rpartition("/")
        self._store = Store(folder)
        entry = self._store.head(self._key)
        if entry is None:
            raise FileNotFoundError(f"{url} does not exist")
        self._size, self._asked = entry.size, 0
        self._piece = memoryview(b"")
        self._pool = ThreadPoolExecutor(1)
        self._next: Future[bytes] | None = self._ask()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._piece and self._next is not None:
            self._piece = memoryview(self._next.result())
            self._next = self._ask()
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        super().close()

    def _ask(self) -> Future[bytes] | None:
        if self._asked >= self._size:
            return None
        start, length = self._asked, min(CHUNK, self._size - self._asked)
        self._asked += length
        return self._pool.submit(self._store.get_range, self._key, start, length)


def open_url(url: str, mode: str = "rb", bufsize: int = 1 << 20, **_: Any) -> io.BufferedReader:
    """A buffered reader of ``s3://bucket/key``, as webdataset asks for it. Raises ValueError for anything but reading."""
    if mode != "rb":
        raise ValueError(f"{url}: can only be read")
    return io.BufferedReader(Stream(url), max(bufsize, 1 << 16))


def register() -> None:
    """Teach ``s3://`` to webdataset and fsspec, whichever are installed."""
    from importlib.util import find_spec

    if find_spec("webdataset") is not None:
        from webdataset import gopen_schemes

        gopen_schemes["s3"] = open_url
    if find_spec("fsspec") is not None:
        import fsspec

        fsspec.register_implementation("s3", _filesystem(), clobber=True)


def shards(release: str, split: str = "train", family: str = "image") -> list[str]:
    """Paths or URLs of a release's shards of samples, by name. Raises as ``open_release``; UsageError where there are none."""
    from dataengine.errors import UsageError
    from dataengine.release.reader import open_release

    published = open_release(release)
    found = [s.name for s in published.manifest.shards if (s.split, s.family) == (split, family)]
    if not found:
        there = sorted({f"{s.split} {s.family}" for s in published.manifest.shards})
        raise UsageError(f"{release} has no shards of {split} {family}; it has {', '.join(there)}")
    return [published.store.uri(f"shards/{name}.tar") for name in sorted(found)]


def _filesystem() -> type:
    """fsspec's face of a bucket, to read from."""
    from fsspec import AbstractFileSystem
    from fsspec.spec import AbstractBufferedFile

    class File(AbstractBufferedFile):  # type: ignore[misc]
        def _fetch_range(self, start: int, end: int) -> bytes:
            store, key = _place(self.path)
            return store.get_range(key, start, end - start)

    class FileSystem(AbstractFileSystem):  # type: ignore[misc]
        protocol = ("s3", "s3a")

        def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
            found = list(self._entries(self._strip_protocol(path)))
            return found if detail else [f["name"] for f in found]

        def _entries(self, path: str) -> Iterator[dict[str, Any]]:
            store, key = _place(path)
            folders = set()
            for entry in store.list(key):
                name = f"{path}/{entry.key[len(key) :].strip('/')}".rstrip("/")
                child = name[len(path) + 1 :].split("/")[0]
                if "/" not in name[len(path) + 1 :]:
                    yield {"name": name, "size": entry.size, "type": "file", "ETag": entry.tag}
                elif child not in folders:
                    folders.add(child)
                    yield {"name": f"{path}/{child}", "size": 0, "type": "directory"}
            if key and (at := store.head(key)) is not None:
                yield {"name": path, "size": at.size, "type": "file", "ETag": at.tag}

        def info(self, path: str, **_: Any) -> dict[str, Any]:
            path = self._strip_protocol(path)
            store, key = _place(path)
            at = store.head(key) if key else None
            if at is not None:
                return {"name": path, "size": at.size, "type": "file", "ETag": at.tag}
            if next(self._entries(path), None) is None:
                raise FileNotFoundError(f"s3://{path} does not exist")
            return {"name": path, "size": 0, "type": "directory"}

        def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **kwargs: Any) -> File:
            if mode != "rb":
                raise ValueError(f"s3://{path}: can only be read")
            return File(self, path, mode, block_size or CHUNK, **kwargs)

    return FileSystem


def _place(path: str) -> tuple[Store, str]:
    bucket, _, key = path.partition("/")
    return Store(f"s3://{bucket}"), key
