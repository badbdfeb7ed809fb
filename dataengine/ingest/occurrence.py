"""Occurrences of media files in a source, their sidecars, and bounded reading of their bytes."""

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
class Occurrence:
    """One occurrence of a media file in a source: where its bytes are (or the bytes themselves), and the source's metadata."""

    uri: str
    location: str = ""
    captions: tuple[str, ...] = ()
    license: str | None = None
    meta: str | None = None
    data: bytes | None = None
    error: InputError | None = None
    """Set where the source itself is damaged (a bad row, a truncated tar)."""

    def read(self, limits: Limits) -> bytes:
        """The media bytes. Raises InputError (missing, unreadable, empty, too_many_bytes, and those of downloads)."""
        if self.error:
            raise self.error
        data = self.data if self.data is not None else fetch(self.location, limits)
        if not data:
            raise InputError("empty", "the file has no bytes")
        _bound(len(data), limits)
        return data


class SourceReader(Protocol):
    """Lists a source's parts on the driver, and a part's occurrences on a worker."""

    def parts(self) -> list[Part]:
        """Raises UsageError where the source does not exist."""

    def occurrences(self, spec: Any) -> Iterator[Occurrence]:
        """Occurrences of one part, ordered by uri."""


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
    """The same message for a folder and for S3: the ledger is part of the release and must not depend on where it was made."""
    return InputError("missing", f"no such file: {name}; the source lists a path that does not exist")


def _bound(size: int, limits: Limits) -> None:
    if size > limits.bytes:
        raise InputError("too_many_bytes", f"at least {size:,} bytes, limit {limits.bytes:,}")


@dataclass(frozen=True)
class Sidecar:
    """Captions, licence and metadata that a source holds for a media file."""

    captions: tuple[str, ...] = ()
    license: str | None = None
    meta: str | None = None


def read_sidecars(text: bytes | None, json_bytes: bytes | None) -> Sidecar:
    """Parse a .txt (one caption a line) and a .json sidecar; an unreadable JSON is noted in ``meta`` as ``sidecar_error``."""
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
    """``captions`` and those among ``facts``, deduplicated in order; the rest of ``facts`` becomes ``meta``."""
    for key in CAPTION_KEYS:
        value = facts.pop(key, None)
        captions += [str(v) for v in (value if isinstance(value, list) else [value]) if v is not None]
    license_ = facts.pop(license_key, None)
    meta = json.dumps(facts, sort_keys=True, ensure_ascii=False, default=str) if facts else None
    unique = tuple(dict.fromkeys(c.strip() for c in captions if c.strip()))
    return Sidecar(unique, str(license_) if license_ else None, meta)
