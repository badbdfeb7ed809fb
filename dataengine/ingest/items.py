"""One mention of a media file in a source, and how its bytes are read, within bounds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from dataengine.config.sources import HttpConfig
from dataengine.errors import InputError, PartitionError, RunError
from dataengine.ingest.download import fetch_once
from dataengine.media.limits import Limits
from dataengine.stage import Part
from dataengine.storage.store import Store

CAPTION_KEYS = ("caption", "captions", "text")


@dataclass(frozen=True)
class Item:
    """A mention: where its bytes lie (or the bytes themselves), and what the source says of them."""

    uri: str
    location: str = ""
    captions: tuple[str, ...] = ()
    license: str | None = None
    meta: str | None = None
    data: bytes | None = None
    error: InputError | None = None
    """Set where the source itself is at fault (a bad row, a tar that ends early)."""

    def read(self, limits: Limits) -> bytes:
        """The media bytes. Raises InputError (missing, unreadable, empty, too_many_bytes, and those of downloads)."""
        if self.error:
            raise self.error
        data = self.data if self.data is not None else fetch(self.location, limits)
        if not data:
            raise InputError("empty", "the file holds no bytes")
        _bound(len(data), limits)
        return data


class SourceReader(Protocol):
    """Lists a source as parts on the driver, and a part's items on a worker."""

    def parts(self) -> list[Part]:
        """Raises UsageError where the source does not exist."""

    def items(self, spec: Any) -> Iterator[Item]:
        """Items of one part, ordered by uri."""


def fetch(location: str, limits: Limits) -> bytes:
    """Bytes at a local path, s3:// or http(s):// URL. Raises InputError."""
    if location.startswith(("http://", "https://")):
        return fetch_once(location, limits, HttpConfig())
    if "://" in location:
        return _from_store(location, limits)
    try:
        path = Path(location)
        _bound(path.stat().st_size, limits)
        return path.read_bytes()
    except FileNotFoundError:
        raise _missing(path.name) from None
    except (OSError, ValueError) as error:
        raise InputError(
            "unreadable", f"{path.name} cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from None


def _from_store(location: str, limits: Limits) -> bytes:
    folder, _, name = location.rpartition("/")
    try:
        store = Store(folder)
        entry = store.head(name)
        if entry is None:
            raise _missing(name)
        _bound(entry.size, limits)
        return store.get(name)
    except RunError as error:
        raise PartitionError(str(error)) from None


def _missing(name: str) -> InputError:
    """The same words for a folder and for S3: the ledger is part of the release and must not tell where it was made."""
    return InputError("missing", f"there is no file {name}; the source names a path that does not exist")


def _bound(size: int, limits: Limits) -> None:
    if size > limits.bytes:
        raise InputError("too_many_bytes", f"{size:,} bytes or more, the limit is {limits.bytes:,}")


@dataclass(frozen=True)
class Sidecar:
    """Captions and facts that stand beside a media file."""

    captions: tuple[str, ...] = ()
    license: str | None = None
    meta: str | None = None


def read_sidecars(text: bytes | None, json_bytes: bytes | None) -> Sidecar:
    """Captions of a .txt (one a line) and a .json sidecar; a JSON that cannot be read is noted in ``meta``."""
    captions = [line.strip() for line in (text or b"").decode("utf-8", "replace").splitlines()]
    facts: dict[str, Any] = {}
    if json_bytes is not None:
        try:
            loaded = json.loads(json_bytes)
            facts = loaded if isinstance(loaded, dict) else {"value": loaded}
        except ValueError as error:
            facts = {"sidecar_error": str(error)}
    return sidecar(captions, facts)


def sidecar(captions: list[str], facts: dict[str, Any], license_key: str = "license") -> Sidecar:
    """Captions given and those among ``facts``, in order and once each; the rest of ``facts`` becomes ``meta``."""
    for key in CAPTION_KEYS:
        value = facts.pop(key, None)
        captions += [str(v) for v in (value if isinstance(value, list) else [value]) if v is not None]
    license_ = facts.pop(license_key, None)
    meta = json.dumps(facts, sort_keys=True, ensure_ascii=False, default=str) if facts else None
    unique = tuple(dict.fromkeys(c.strip() for c in captions if c.strip()))
    return Sidecar(unique, str(license_) if license_ else None, meta)
