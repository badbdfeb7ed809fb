"""Rows of many parts in few objects: a part's rows are a slice of a pack, so that a worker reads them with one request.

A slice is an Arrow stream of its own, named by digest. Packs are named by their content: writing one twice is harmless.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dataengine.errors import RunError
from dataengine.storage.store import Store

#: Bytes after which a pack is written.
PACK_BYTES = 32 << 20
_FIELDS: list[pa.Field[Any]] = [
    pa.field("part", pa.string()),
    pa.field("digests", pa.list_(pa.string())),
    pa.field("pack", pa.string()),
    pa.field("offset", pa.int64()),
    pa.field("size", pa.int64()),
    pa.field("sha256", pa.string()),
    pa.field("rows", pa.int64()),
]
#: One row a part: digests of some columns of its rows, then sums of others, and the place of the rows.
PARTS = pa.schema(_FIELDS)
_PLACE = ("pack", "offset", "size", "sha256", "rows")
#: The columns that are the place of rows.
PLACES = pa.schema([PARTS.field(name) for name in _PLACE])


@dataclass(frozen=True)
class PackedRows:
    """The place of a part's rows."""

    pack: str
    offset: int
    size: int
    sha256: str
    rows: int

    def read(self, store: Store) -> pa.Table:
        """The rows. Raises RunError where they are missing or damaged."""
        try:
            data = store.get_range(self.pack, self.offset, self.size)
        except FileNotFoundError as error:
            raise RunError(f"{error}: its rows are part of a plan; delete plans/ in the workspace and rerun") from None
        if (actual := hashlib.sha256(data).hexdigest()) != self.sha256:
            raise RunError(
                f"checksum mismatch reading {store.uri(self.pack)}: got {actual}, expected {self.sha256}; delete plans/ in "
                "the workspace and rerun"
            )
        return pa.ipc.open_stream(data).read_all()


class RowPack:
    """A pack while it is made."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._rows: list[dict[str, Any]] = []

    @property
    def full(self) -> bool:
        return len(self._data) >= PACK_BYTES

    def add(self, part: str, digests: Sequence[str], rows: pa.Table) -> None:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as stream:
            stream.write_table(rows.combine_chunks())
        data = sink.getvalue().to_pybytes()
        place = dict(
            zip(_PLACE, ("", len(self._data), len(data), hashlib.sha256(data).hexdigest(), len(rows)), strict=True)
        )
        self._rows.append({"part": part, "digests": list(digests), **place})
        self._data += data

    def publish(self, store: Store, base: str) -> pa.Table:
        """Write the pack, if anything is in it; PARTS."""
        data = bytes(self._data)
        key = f"{base}/{hashlib.sha256(data).hexdigest()[:32]}.bin"
        if data:
            store.put(key, data)
        return pa.Table.from_pylist([{**row, "pack": key} for row in self._rows], PARTS)


def places(parts: pa.Table) -> list[PackedRows]:
    """The place of each row of PARTS or PLACES."""
    return [PackedRows(**row) for row in parts.select(list(_PLACE)).to_pylist()]
