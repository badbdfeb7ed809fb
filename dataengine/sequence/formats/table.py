"""Packed sequences as rows of nested lists: the columns of Parquet and Hugging Face ``datasets``, for any reader of Arrow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataengine.sequence.formats.arrays import sequence_of, spans_of
from dataengine.sequence.model import PackedSequence

#: Bytes of tokens after which rows are written.
GROUP_BYTES = 32 << 20
_DOCUMENT = pa.struct(
    [("id", pa.string()), ("source", pa.string()), *((n, pa.int32()) for n in ("start", "stop", "part", "occurrence"))]
)
_MEDIA = pa.struct(
    [
        *((n, pa.string()) for n in ("sample", "member")),
        *((n, pa.int32()) for n in ("start", "stop")),
        ("grid", pa.list_(pa.int32())),
        ("seconds", pa.float64()),
    ]
)


def schema_of(width: int, axes: int) -> pa.Schema:
    """``tokens`` and ``positions`` are lists, of lists where a position has several."""
    ids = pa.list_(pa.int32())
    fields = [
        pa.field("id", pa.string(), False),
        pa.field("tokens", pa.list_(ids) if width > 1 else ids, False),
        pa.field("roles", pa.list_(pa.uint8()), False),
        pa.field("loss_mask", pa.list_(pa.uint8()), False),
        pa.field("positions", pa.list_(ids) if axes > 1 else ids, False),
        pa.field("cu_seqlens", ids, False),
        pa.field("documents", pa.list_(_DOCUMENT), False),
        pa.field("media", pa.list_(_MEDIA), False),
    ]
    return pa.schema(fields)


def tables(rows: Iterable[tuple[str, PackedSequence]]) -> Iterator[pa.Table]:
    """Tables of some 32 MB of tokens each, in order; all sequences have the same width and axes."""
    group: list[tuple[str, PackedSequence]] = []
    size = 0
    for key, sequence in rows:
        group.append((key, sequence))
        size += sequence.tokens.nbytes
        if size >= GROUP_BYTES:
            yield _table(group)
            group, size = [], 0
    if group:
        yield _table(group)


def sequences(table: pa.Table, where: str) -> Iterator[tuple[str, PackedSequence]]:
    """The inverse of ``tables``. Raises RunError for rows that are no sequences."""
    for number in range(table.num_rows):
        row = table.slice(number, 1)
        arrays = {name: _array(row[name].combine_chunks()) for name in row.column_names[1:6]}
        spans = {name: row[name][0].as_py() for name in ("documents", "media")}
        key = row["id"][0].as_py()
        yield key, sequence_of(arrays, spans, f"{where}: {key}")


def _table(group: Sequence[tuple[str, PackedSequence]]) -> pa.Table:
    first = group[0][1]
    schema = schema_of(1 if first.tokens.ndim == 1 else first.tokens.shape[1], first.positions.ndim)
    columns: dict[str, Any] = {"id": [key for key, _ in group]}
    for name in ("tokens", "roles", "loss_mask", "positions", "cu_seqlens"):
        columns[name] = _lists([getattr(sequence, name) for _, sequence in group])
    spans = [spans_of(sequence) for _, sequence in group]
    columns |= {name: [row[name] for row in spans] for name in ("documents", "media")}
    return pa.table(
        [
            pa.array(columns[f.name], f.type) if isinstance(columns[f.name], list) else columns[f.name].cast(f.type)
            for f in schema
        ],
        schema=schema,
    )


def _lists(arrays: Sequence[NDArray[Any]]) -> Any:
    """(n,) lists, or (n, m) lists of lists, without a Python object a number."""
    lists: Any = pa.ListArray.from_arrays
    flat: Any = pa.array(np.concatenate([np.ascontiguousarray(array).reshape(-1) for array in arrays]))
    if arrays[0].ndim == 2:
        widths = np.concatenate([np.full(len(array), array.shape[1], np.int32) for array in arrays])
        flat = lists(pa.array(_offsets(widths)), flat)
    return lists(pa.array(_offsets([len(array) for array in arrays])), flat)


def _offsets(lengths: Sequence[int] | NDArray[np.int32]) -> NDArray[np.int32]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)


def _array(column: Any) -> NDArray[Any]:
    """The value of a list column's only row; rows of a list of lists have one width."""
    inner = column.flatten()
    if not pa.types.is_list(inner.type):
        return np.asarray(inner)
    rows = len(inner)
    return np.asarray(inner.flatten()).reshape(rows, -1)
