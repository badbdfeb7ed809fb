"""Object storage on folders and S3: atomic writes, ranged and verified reads, conditional creation; objects are never renamed.

Everything the engine keeps goes through here (obstore, a Rust client with the same calls for both). A Store pickles as its URL
and connects where it is used. What is retried and what each error means: docs/s3.md.
"""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore

from dataengine.errors import RunError, UsageError
from dataengine.storage import s3
from dataengine.storage.disk import disk_errors
from dataengine.text.uris import without_secrets

_T = TypeVar("_T")

#: Bytes of one request of a stream, and attempts to read bytes that have the expected digest.
CHUNK = 8 << 20
_READS = 3
#: Objects of a listing in memory.
_PAGE = 1000
#: User metadata of an object that records the SHA-256 it was created with.
_SHA256 = "sha256"


_ELSEWHERE = "name another place, for a run as `workspace:` in the recipe or with --workspace"


@dataclass(frozen=True)
class Entry:
    """One object in a listing. ``tag`` (ETag or modification time) changes whenever its bytes may have changed."""

    key: str
    size: int
    tag: str
    modified: float = 0.0
    """Seconds since the epoch, by the store's clock; 0 where it is not known."""


class Store:
    """A folder (``path`` or ``file://…``) or a bucket prefix (``s3://bucket/prefix``).

    S3 is configured by the usual AWS variables (AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and so on) or by a profile.
    """

    def __init__(self, url: str | Path) -> None:
        self.url = str(url).removeprefix("file://").rstrip("/") or "/"
        self._store: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url if self.remote else str(Path(self.url).absolute()), "_store": None}

    def __repr__(self) -> str:
        return f"Store({self.url!r})"

    @property
    def remote(self) -> bool:
        return "://" in self.url

    @property
    def client(self) -> Any:
        if self.remote:
            _no_fork(self.url)
        if self._store is None:
            self._store = _connect(self.url)
        return self._store

    @property
    def _writable(self) -> Any:
        """The client, once the folder exists. Raises RunError where it cannot be made or written."""
        if not self.remote:
            try:
                Path(self.url).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise RunError(f"{self.url}: the folder cannot be made ({error.strerror}): {_ELSEWHERE}") from None
            if not os.access(self.url, os.W_OK):
                raise RunError(f"{self.url}: the folder cannot be written: {_ELSEWHERE}")
        return self.client

    def uri(self, key: str) -> str:
        """Full path or URL of ``key``."""
        return f"{self.url}/{key}"

    def get(self, key: str, sha256: str = "") -> bytes:
        """Bytes of an object, read again if their SHA-256 is not the expected one. Raises FileNotFoundError, RunError."""
        for _ in range(_READS):
            data = self._call(key, lambda: bytes(obstore.get(self.client, key).bytes()), body=True)
            if not sha256 or (actual := hashlib.sha256(data).hexdigest()) == sha256:
                return data
        raise RunError(
            f"checksum mismatch reading {self.uri(key)}: got {actual}, expected {sha256} ({_READS} reads); the object was "
            "changed or damaged after it was written: restore it, or choose another --workspace"
        )

    def stream(self, key: str, size: int) -> Iterator[bytes]:
        """Stream the first ``size`` bytes of an object, each chunk a request that is retried alone. Raises as ``get``; RunError
        if the object is shorter."""
        for start in range(0, size, CHUNK):
            data = self.get_range(key, start, wanted := min(CHUNK, size - start))
            if len(data) < wanted:
                raise RunError(f"{self.uri(key)} ends after {start + len(data):,} of {size:,} bytes")
            yield data

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """``length`` bytes from ``start``. Raises FileNotFoundError, RunError."""
        if not length:
            return b""
        data = self._call(key, lambda: obstore.get_range(self.client, key, start=start, length=length), body=True)
        return bytes(data)

    def get_ranges(self, key: str, starts: Sequence[int], lengths: Sequence[int]) -> list[bytes]:
        """Several byte ranges of one object in one call; neighbouring ranges are coalesced."""
        ranges = self._call(
            key, lambda: obstore.get_ranges(self.client, key, starts=starts, lengths=lengths), body=True
        )
        return [bytes(b) for b in ranges]

    def put(self, key: str, data: bytes | Path, sha256: str = "") -> str:
        """Write an object atomically (a file by multipart upload) and return its SHA-256, ``sha256`` where it is known."""
        self._call(key, lambda: obstore.put(self._writable, key, data), writes=True)
        if sha256:
            return sha256
        if isinstance(data, Path):
            with data.open("rb") as f:
                return hashlib.file_digest(f, "sha256").hexdigest()
        return hashlib.sha256(data).hexdigest()

    @contextmanager
    def new_file(self) -> Iterator[Path]:
        """A path to write a large object to, for ``move``: among the objects of a folder, under a name that no listing shows, so
        that publishing it copies nothing; for S3 in a temporary folder. Raises RunError where the disk takes no more."""
        if self.remote:
            with disk_errors("the temporary folder"), tempfile.TemporaryDirectory() as folder:
                yield Path(folder, "object")
            return
        self._call("", lambda: Path(self.url).mkdir(parents=True, exist_ok=True), writes=True)
        path = Path(self.url, f"{uuid.uuid4().hex}#0")
        try:
            with disk_errors(self.url):
                yield path
        finally:
            path.unlink(missing_ok=True)

    def move(self, path: Path, key: str, sha256: str) -> None:
        """Publish a file of ``new_file``, of known digest, in one step. Raises RunError."""
        if self.remote:
            self.put(key, path, sha256)
            return
        self._call(key, lambda: _rename(path, Path(self.url, key)), writes=True)

    def create(self, key: str, data: bytes, sha256: str = "") -> bool:
        """Create an object if none exists (If-None-Match on S3); False if one did. ``sha256`` is recorded with it. If a response
        was lost, the stored bytes decide whether our attempt succeeded."""
        attributes = {_SHA256: sha256} if sha256 and self.remote else None
        tries = 0

        def write() -> None:
            nonlocal tries
            tries += 1
            obstore.put(self._writable, key, data, mode="create", use_multipart=False, attributes=attributes)

        try:
            self._call(key, write, writes=True)
        except FileExistsError:
            return tries > 1 and self.get(key) == data
        return True

    def copy(self, key: str, to: str) -> None:
        """Copy an object where it lies (a link in a folder), replacing what is there. Raises FileNotFoundError, RunError."""
        if not self.remote and (target := Path(self.url, to)).exists() and target.samefile(Path(self.url, key)):
            return  # renaming a link over the same file would do nothing, and leave the link's temporary name behind
        self._call(key, lambda: obstore.copy(self.client, key, to))

    def recorded(self, key: str) -> str:
        """The SHA-256 recorded when the object was created, "" if none was."""
        if not self.remote:
            return ""
        head = self._call(key, lambda: obstore.get(self.client, key, options={"head": True}))
        return str(head.attributes.get(_SHA256, ""))

    def head(self, key: str) -> Entry | None:
        """Size and tag of an object, None if there is none."""
        try:
            return _entry(self._call(key, lambda: obstore.head(self.client, key)))
        except FileNotFoundError:
            return None

    def exists(self, key: str) -> bool:
        return self.head(key) is not None

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """All objects below ``prefix``, sorted by key; none where the folder does not exist."""
        return iter(sorted(self.entries(prefix), key=lambda e: e.key))

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """As ``list``, in the order of the listing: memory does not grow with the number of objects."""
        if not self.remote and not Path(self.url).is_dir():
            return
        pages, last = None, None

        def page() -> Any:
            nonlocal pages
            if pages is None:  # also after a failure: S3 lists in the order of keys
                pages = obstore.list(self.client, prefix or None, offset=last, chunk_size=_PAGE)
            try:
                return next(pages, None)
            except BaseError:
                pages = None
                raise

        while objects := self._call(prefix, page, writes=True):
            yield from map(_entry, objects)
            last = objects[-1]["path"]

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; missing ones are no error."""
        for key in keys:
            try:
                self._call(key, partial(obstore.delete, self.client, key))
            except FileNotFoundError:
                continue

    def _call(self, key: str, call: Callable[[], _T], writes: bool = False, body: bool = False) -> _T:
        """``call()``, tried again where that may help; an error names the object and what to check. If it ``writes`` or lists,
        404 means that the bucket or folder is missing, not the object. A broken ``body`` is asked for again by the client itself.
        Raises FileExistsError, FileNotFoundError, RunError."""
        uri = self.uri(key).rstrip("/")
        try:
            return _retry(call, s3.broken_refusal if body else s3.transient)
        except AlreadyExistsError:
            raise FileExistsError(uri) from None
        except (BaseError, OSError) as error:
            if isinstance(error, FileNotFoundError) and not writes and not s3.missing_bucket(error):
                raise FileNotFoundError(f"{uri} does not exist") from None
            raise RunError(f"{uri}: {s3.explained(error)}") from None


def _rename(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    path.replace(target)


def _retry(call: Callable[[], _T], transient: Callable[[Exception], bool]) -> _T:
    """Retry with back-off what the client does not retry itself."""
    for number in range(1, s3.attempts()):
        try:
            return call()
        except BaseError as error:
            if isinstance(error, AlreadyExistsError) or not transient(error):
                raise
            time.sleep(min(0.1 * 2**number, 10))
    return call()


#: The process that used S3 first: its client's threads do not exist in a process forked from it.
_used_in: int | None = None


def _no_fork(url: str) -> None:
    global _used_in
    _used_in = _used_in or os.getpid()
    if _used_in != os.getpid():
        raise RunError(
            f"{url}: this process was forked from one that had used S3, where the client would hang. Start workers with "
            'spawn: DataLoader(..., multiprocessing_context="spawn")'
        )


def _entry(meta: Any) -> Entry:
    modified = meta["last_modified"]
    return Entry(meta["path"], meta["size"], meta["e_tag"] or str(modified), modified.timestamp())


def _connect(url: str) -> Any:
    if "://" not in url:
        if not Path(url).is_dir():  # reading makes no folders
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url)
        return LocalStore(Path(url).absolute())
    if not url.startswith("s3://"):
        place, scheme = without_secrets(url), url.partition("://")[0]
        raise UsageError(f"{place}: {scheme}:// is not supported; use a folder or s3://bucket/prefix")
    return s3.connect(url)
