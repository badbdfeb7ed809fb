"""fsspec filesystem for s3://, to read from: obstore's own, connected as the engine is (endpoint, profile, credentials, retries).

Import it only where fsspec is installed. obstore's filesystem does the listing, the ranges and the requests in parallel.
Six things are mended, without which readers of releases go wrong:

- ``info`` of a file has its name with the bucket, and its tag as ``ETag``: obstore says ``e_tag``, which Hugging Face's
  datasets do not know, so they would go on using their cache after a shard has changed;
- ``cat`` of one path is its bytes, as fsspec has it, and not a dict;
- ``get_file`` fetches in pieces, where obstore's holds the whole object in memory;
- errors of the server say what to check, and not how the client is built;
- files are read in requests of ``CHUNK``, not of 1 MiB, and a process that is forked after S3 was used is refused (it would
  wait for ever);
- writing is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fsspec.asyn import AsyncFileSystem
from fsspec.callbacks import DEFAULT_CALLBACK
from obstore.exceptions import BaseError
from obstore.fsspec import BufferedFile, FsspecStore

from dataengine.errors import RunError
from dataengine.storage import s3
from dataengine.storage.store import CHUNK, Store


class S3FileSystem(FsspecStore):
    """Raises FileNotFoundError for what does not exist, RunError for other errors of the server, and ValueError for writing."""

    protocol = "s3"
    _cat = AsyncFileSystem._cat

    def _construct_store(self, bucket: str) -> Any:
        return Store(f"s3://{bucket}").client

    async def _ls(self, path: str, detail: bool = False, **options: Any) -> Any:
        listing: Any = super()._ls  # whose overloads take no plain bool
        with _explained(path):
            return await listing(path, detail, **options)

    async def _info(self, path: str, **options: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        with _explained(path):
            info = dict(await super()._info(path, **options))
        return {**info, "name": path, "ETag": info.get("e_tag")} if info["type"] == "file" else info

    async def _get_file(self, rpath: str, lpath: str, callback: Any = DEFAULT_CALLBACK, **_: Any) -> None:
        target = Path(lpath)
        if target.is_dir():  # the place of a prefix, whose files are fetched one by one
            return
        bucket, key = self._split_path(rpath)
        store, size = self._construct_store(bucket), (await self._info(rpath))["size"]
        callback.set_size(size)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file, _explained(rpath):
            for start in range(0, size, CHUNK):
                data = await store.get_range_async(key, start=start, length=min(CHUNK, size - start))
                callback.relative_update(file.write(data))

    def _open(self, path: str, mode: str = "rb", *_: Any, size: int | None = None, **__: Any) -> BufferedFile:
        if mode != "rb":
            raise ValueError(f"s3://{path}: can only be read")
        Store(f"s3://{self._split_path(path)[0]}").client  # noqa: B018  refuses forked processes
        return BufferedFile(self, path, "rb", buffer_size=CHUNK, size=size)


@contextmanager
def _explained(path: str) -> Iterator[None]:
    """Errors of the server with the path and what to check, as the engine's."""
    try:
        yield
    except FileNotFoundError:
        raise
    except BaseError as error:
        raise RunError(f"s3://{path.removeprefix('s3://')}: {s3.explained(error)}") from None
