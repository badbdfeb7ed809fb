"""An object of a store as a file that is read in pieces, from anywhere in it: memory does not grow with the object."""

from __future__ import annotations

import io
from typing import Any

from dataengine.storage.store import Store

_AT_ONCE = 1 << 20


class _Object(io.RawIOBase):
    def __init__(self, store: Store, key: str, size: int) -> None:
        self._store, self._key, self._size, self._at = store, key, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        data = self._store.get_range(self._key, self._at, max(0, min(len(buffer), self._size - self._at)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def open_object(store: Store, key: str, size: int | None = None, at_once: int = _AT_ONCE) -> io.BufferedReader:
    """The object, of which some ``at_once`` bytes are held; ``size``: where it is known. Raises FileNotFoundError; reading raises
    as ``Store.get_range``."""
    if size is None:
        entry = store.head(key)
        if entry is None:
            raise FileNotFoundError(f"{store.uri(key)} does not exist")
        size = entry.size
    return io.BufferedReader(_Object(store, key, size), at_once)
