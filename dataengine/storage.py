"""One face for folders and S3: objects are put whole or not at all, and never renamed.

Everything the engine keeps goes through here (obstore, a Rust client with the same calls for both). Objects carry no
pickled connection: a Store pickles as its URL and connects where it is used.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, S3Store

from dataengine.errors import RunError


@dataclass(frozen=True)
class Entry:
    """One object in a listing. ``tag`` changes whenever its bytes may have."""

    key: str
    size: int
    tag: str


class Store:
    """A folder (``path`` or ``file://…``) or a bucket prefix (``s3://bucket/prefix``).

    S3 is set up by the usual AWS variables: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION,
    AWS_ENDPOINT_URL.
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
    def _client(self) -> Any:
        if self._store is None:
            self._store = _connect(self.url)
        return self._store

    def uri(self, key: str) -> str:
        """What to show or hand to another tool for ``key``."""
        return f"{self.url}/{key}"

    def get(self, key: str) -> bytes:
        """Bytes of an object. Raises FileNotFoundError, RunError."""
        with _named(self, key):
            return bytes(obstore.get(self._client, key).bytes())

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """``length`` bytes from ``start``. Raises FileNotFoundError, RunError."""
        if not length:
            return b""
        with _named(self, key):
            return bytes(obstore.get_range(self._client, key, start=start, length=length))

    def get_ranges(self, key: str, starts: Sequence[int], lengths: Sequence[int]) -> list[bytes]:
        """Several ranges of one object, in one go (neighbours are read together)."""
        with _named(self, key):
            return [bytes(b) for b in obstore.get_ranges(self._client, key, starts=starts, lengths=lengths)]

    def put(self, key: str, data: bytes | Path) -> str:
        """Write an object in one step (a file by multipart upload); its SHA-256."""
        with _named(self, key):
            obstore.put(self._client, key, data)
        if isinstance(data, Path):
            with data.open("rb") as f:
                return hashlib.file_digest(f, "sha256").hexdigest()
        return hashlib.sha256(data).hexdigest()

    def create(self, key: str, data: bytes) -> bool:
        """Write an object only if there is none (If-None-Match on S3); False if there was one."""
        try:
            with _named(self, key):
                obstore.put(self._client, key, data, mode="create", use_multipart=False)
        except FileExistsError:
            return False
        return True

    def head(self, key: str) -> Entry | None:
        """Size and tag of an object, None if there is none."""
        try:
            with _named(self, key):
                return _entry(obstore.head(self._client, key))
        except FileNotFoundError:
            return None

    def exists(self, key: str) -> bool:
        return self.head(key) is not None

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """All objects below ``prefix``, ordered by key."""
        with _named(self, prefix):
            found = [_entry(o) for page in obstore.list(self._client, prefix or None) for o in page]
        return iter(sorted(found, key=lambda e: e.key))

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are gone already are no error."""
        for key in keys:
            try:
                with _named(self, key):
                    obstore.delete(self._client, key)
            except FileNotFoundError:
                continue


class _named:  # noqa: N801  a context manager, used as a verb
    """Turns a client's error into one that names the object and what to check."""

    def __init__(self, store: Store, key: str) -> None:
        self.store, self.key = store, key

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, AlreadyExistsError):
            raise FileExistsError(self.store.uri(self.key)) from None
        if isinstance(error, FileNotFoundError):
            raise FileNotFoundError(f"{self.store.uri(self.key)} does not exist") from None
        if isinstance(error, BaseError | OSError):
            reason = str(error).split("\n\n")[0]
            raise RunError(f"{self.store.uri(self.key)}: {reason}{_hint(reason)}") from None


def _hint(reason: str) -> str:
    if "403" in reason or "credentials" in reason.lower() or "PermissionDenied" in reason:
        return "\nCheck AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the rights on the bucket."
    return "\nCheck AWS_ENDPOINT_URL and the bucket's name." if "NoSuchBucket" in reason else ""


def _entry(meta: Any) -> Entry:
    return Entry(meta["path"], meta["size"], meta["e_tag"] or str(meta["last_modified"]))


def _connect(url: str) -> Any:
    if "://" not in url:
        return LocalStore(Path(url).absolute(), mkdir=True)
    scheme, _, rest = url.partition("://")
    if scheme != "s3":
        raise RunError(f"{url}: cannot store on {scheme}://; use a folder or s3://bucket/prefix")
    bucket, _, prefix = rest.partition("/")
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    options: dict[str, Any] = {"client_options": {"timeout": "300s"}}
    if endpoint:
        options["endpoint"] = endpoint
        options["client_options"]["allow_http"] = endpoint.startswith("http://")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return S3Store(bucket, prefix=prefix or None, region=region, **options)
