"""Packs the rows of each part, in whichever process holds them, and digests columns of them without a loop over rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataengine.engines.tables import in_order, runs
from dataengine.storage.row_packs import RowPack
from dataengine.storage.workspace import Workspace
from dataengine.table_engine import PART, Packing


def pack(workspace: Workspace, packing: Packing, batches: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """PARTS of rows that come ordered by part and then by ``packing.order``, a table a pack. Raises RunError for rows of a part
    that are equal in all of the order."""
    packer = _Packer(workspace, packing)
    for part, rows in runs(batches, PART):
        yield from packer.add(part, rows.drop_columns([PART]))
    yield from packer.flush()


@dataclass
class _Packer:
    workspace: Workspace
    packing: Packing

    def __post_init__(self) -> None:
        self._pack = RowPack()

    def add(self, part: str, rows: pa.Table) -> Iterator[pa.Table]:
        ordered = in_order(rows, self.packing.order, part).combine_chunks()
        digests = [column_digest(ordered[name]) for name in self.packing.digests]
        self._pack.add(part, [*digests, *(thousandths(ordered[name]) for name in self.packing.sums)], ordered)
        if self._pack.full:
            yield from self.flush()

    def flush(self) -> Iterator[pa.Table]:
        table = self._pack.publish(self.workspace.store, self.packing.base)
        self._pack = RowPack()
        if table.num_rows:
            yield table


def column_digest(values: pa.ChunkedArray[Any]) -> str:
    """128 bits of SHA-256 over strings, or lists of strings, and their lengths, in hex: other values give another digest.

    Nulls count as empty. Lengths and text are taken from Arrow's buffers as a whole: no value becomes a Python object."""
    hashed = hashlib.sha256()
    whole: Any = values.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], values.type)
    for block in _blocks(whole):
        hashed.update(len(block).to_bytes(8, "little"))
        hashed.update(block)
    return hashed.hexdigest()[:32]


def thousandths(values: pa.ChunkedArray[Any]) -> str:
    """The sum of numbers, each rounded to a thousandth, in thousandths: the same in any order. Nulls count as 0."""
    numbered: Any = pc.cast(values, pa.float64())
    filled: Any = pc.fill_null(numbered, 0.0)
    numbers = filled.to_numpy()
    return str(int(np.rint(1000 * numbers).astype(np.int64).sum()))


def _blocks(values: Any) -> Iterator[bytes | memoryview]:
    """Lengths of each level of nesting, outermost first, then the text."""
    while pa.types.is_list(values.type):
        yield _lengths(pc.list_value_length(values))
        values = values.flatten()
    yield _lengths(pc.binary_length(values))
    _, offsets, text = values.buffers()
    if text is not None:
        ends = np.frombuffer(offsets, np.int32)[[values.offset, values.offset + len(values)]]
        yield memoryview(text)[int(ends[0]) : int(ends[1])]


def _lengths(values: Any) -> bytes:
    return bytes(pc.fill_null(values, 0).to_numpy(zero_copy_only=False).astype("<i4").tobytes())
