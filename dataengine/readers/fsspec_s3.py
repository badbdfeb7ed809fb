"""Lets trainers' readers read s3:// as the engine does: same endpoint, profile, credentials and retries.

``register()`` once a process. webdataset knows no s3:// itself (its documentation pipes a command line tool), and fsspec,
which Hugging Face's datasets reads by, only through a further package. To read by a release's card or Croissant
description: ``dataengine.readers.loaders``.
"""

from __future__ import annotations

import io
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from dataengine.storage.store import CHUNK, Store


class Stream(io.RawIOBase):
    """Reads an object from its start to its end, in large ranges, the next one fetched while this one is used; cannot seek.

    obstore's own readers either fetch nothing ahead (``open_reader``) or keep one request open for the whole object
    (``get().stream()``), which a training loop that is slower than the network would run into its timeout. Raises
    FileNotFoundError where there is none."""

    def __init__(self, url: str) -> None:
        super().__init__()
        folder, _, self._key = url.rpartition("/")
        self._store = Store(folder)
        entry = self._store.head(self._key)
        if entry is None:
            raise FileNotFoundError(f"{url} does not exist")
        self._size, self._requested = entry.size, 0
        self._piece = memoryview(b"")
        self._pool = ThreadPoolExecutor(1)
        self._next: Future[bytes] | None = self._request()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._piece and self._next is not None:
            self._piece = memoryview(self._next.result())
            self._next = self._request()
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        super().close()

    def _request(self) -> Future[bytes] | None:
        if self._requested >= self._size:
            return None
        start, length = self._requested, min(CHUNK, self._size - self._requested)
        self._requested += length
        return self._pool.submit(self._store.get_range, self._key, start, length)


def open_url(url: str, mode: str = "rb", bufsize: int = 1 << 20, **_: Any) -> io.BufferedReader:
    """A buffered reader of ``s3://bucket/key``, in the form of webdataset's ``gopen``. Raises ValueError for writing."""
    if mode != "rb":
        raise ValueError(f"{url}: can only be read")
    return io.BufferedReader(Stream(url), max(bufsize, 1 << 16))


def register() -> None:
    """Register ``s3://`` with webdataset and fsspec, whichever are installed."""
    from importlib.util import find_spec

    if find_spec("webdataset") is not None:
        from webdataset import gopen_schemes

        gopen_schemes["s3"] = open_url
    if find_spec("fsspec") is not None:
        import fsspec

        from dataengine.readers.s3_filesystem import S3FileSystem

        fsspec.register_implementation("s3", S3FileSystem, clobber=True)


def shards(release: str, split: str = "train", family: str = "image") -> list[str]:
    """Paths or URLs of a release's shards of samples, by name. Raises as ``open_release``; UsageError where there are none."""
    from dataengine.errors import UsageError
    from dataengine.release.reader import open_release

    published = open_release(release)
    names = sorted(s.name for s in published.manifest.shards if (s.split, s.family) == (split, family))
    if not names:
        kinds = sorted({f"{s.split} {s.family}" for s in published.manifest.shards})
        raise UsageError(f"{release} has no shards of {split} {family}; it has {', '.join(kinds)}")
    return [published.store.uri(f"shards/{name}.tar") for name in names]
