"""Reads the vectors of a table of the user's own: Parquet in a file or on s3://, some row groups at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dataengine.config.index import BehaviourSequences, ItemTable
from dataengine.errors import RunError, UsageError
from dataengine.index.vectors import LEFT_OUT, SHOWN, VECTORS, left_out_table, publish, table_of, unit
from dataengine.index.worker import VectorsWorker
from dataengine.stage import Part
from dataengine.storage.object_file import open_object
from dataengine.storage.store import Store
from dataengine.storage.workspace import Output, digest

#: Rows of a part, where row groups are smaller.
_ROWS = 1 << 16


def place(path: str) -> tuple[Store, str]:
    """The store and the key of a file."""
    folder, _, name = path.rpartition("/")
    return Store(folder or "."), name


def tag(path: str) -> str:
    """Changes whenever the bytes of a table may have changed. Raises UsageError where there is none."""
    store, name = place(path)
    entry = store.head(name)
    if entry is None:
        raise UsageError(f"{path}: no such file, or a folder: name a Parquet file")
    return digest(entry.size, entry.tag)


def opened(path: str, columns: Iterable[str | None]) -> pq.ParquetFile:
    """A table that has ``columns`` (None: one that the recipe does not name). Raises UsageError."""
    store, name = place(path)
    entry = store.head(name)
    if entry is None:
        raise UsageError(f"{path}: no such file, or a folder: name a Parquet file")
    try:
        file = pq.ParquetFile(open_object(store, name, entry.size), pre_buffer=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UsageError(f"{path} is damaged, or no Parquet file ({error})") from None
    if missing := [c for c in columns if c is not None and c not in file.schema_arrow.names]:
        raise UsageError(f"{path} has no column `{missing[0]}`; its columns: {', '.join(file.schema_arrow.names)}")
    return file


def opened_items(table: ItemTable) -> pq.ParquetFile:
    """The table with the columns that the recipe names. Raises UsageError."""
    file = opened(table.path, (table.id, table.vector, table.title, table.model))
    require_vectors(file, table.path, table.vector)
    for column in (table.id, table.title, table.model):
        if column is not None and not textual(file.schema_arrow.field(column).type):
            kind = file.schema_arrow.field(column).type
            raise UsageError(f"{table.path}: column `{column}` is {kind}; it must be text or numbers")
    return file


def require_vectors(file: pq.ParquetFile, path: str, column: str) -> None:
    """Raises UsageError where a column cannot hold vectors."""
    kind = file.schema_arrow.field(column).type
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not lists or not (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
        raise UsageError(f"{path}: column `{column}` is {kind}; it must be a list of numbers")


def textual(kind: pa.DataType) -> bool:
    """Whether every value of this type has a text."""
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    return not (binary or pa.types.is_nested(kind))


def opened_sequences(sequences: BehaviourSequences) -> pq.ParquetFile:
    """The table of sequences. Raises UsageError."""
    file = opened(sequences.path, [sequences.column])
    kind = file.schema_arrow.field(sequences.column).type
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not lists or not textual(kind.value_type):
        raise UsageError(f"{sequences.path}: column `{sequences.column}` is {kind}; it must be a list of ids")
    return file


def groups(file: pq.ParquetFile) -> list[tuple[int, int]]:
    """Neighbouring row groups that are read together: (first, number)."""
    together: list[tuple[int, int]] = []
    rows = _ROWS
    for n in range(file.metadata.num_row_groups):
        if rows >= _ROWS:
            together.append((n, 0))
            rows = 0
        rows += file.metadata.row_group(n).num_rows
        together[-1] = (together[-1][0], together[-1][1] + 1)
    return together


@dataclass
class ItemWorker(VectorsWorker):
    """Reads row groups; a row without a usable vector is left out, with the reason."""

    table: ItemTable
    dim: int

    def process(self, part: Part) -> Output:
        first, count = part.spec
        columns = [c for c in (self.table.id, self.table.vector, self.table.title, self.table.model) if c is not None]
        rows = opened_items(self.table).read_row_groups(list(range(first, first + count)), columns, use_threads=False)
        table, left_out = self._usable(rows)
        files = publish(self.workspace, f"index/vectors/{part.name}-{part.key[:16]}", table, left_out)
        models = sorted({str(m) for m in rows[self.table.model].to_pylist()}) if self.table.model else [""]
        return Output(files, {"samples": len(table), "left_out": len(left_out)}, {"dim": self.dim, "models": models})

    def _usable(self, rows: pa.Table) -> tuple[pa.Table, pa.Table]:
        ids = rows[self.table.id].cast(pa.string()).to_pylist()
        vectors, bad = rectangular(rows[self.table.vector].combine_chunks(), self.dim)
        bad = [why if id_ is not None else ("no_id", "it has no id") for id_, why in zip(ids, bad, strict=True)]
        good = np.flatnonzero([why is None for why in bad])
        left_out = left_out_table([(ids[n], *why) for n, why in enumerate(bad) if why is not None])
        titles = rows[self.table.title].cast(pa.string()) if self.table.title else pa.nulls(len(rows), pa.string())
        columns = {"id": pa.array(ids, pa.string()), "caption": titles}
        shown = pa.table([columns.get(f, pa.nulls(len(rows), VECTORS.field(f).type)) for f in SHOWN], names=list(SHOWN))
        table, more = table_of(shown.take(good), unit(vectors[good]))
        return table, pa.concat_tables([LEFT_OUT.empty_table(), left_out, more]).sort_by("id")


def dim_of(file: pq.ParquetFile, path: str, column: str) -> int:
    """Length of the vectors: of the first that is not null. Raises UsageError where there is none."""
    for batch in file.iter_batches(1024, columns=[column], use_threads=False):
        for value in batch.column(0):
            if value.as_py():
                return len(value)
    raise UsageError(f"{path}: column `{column}` has no vector in any row")


def rectangular(lists: Any, dim: int) -> tuple[NDArray[np.float32], list[tuple[str, str] | None]]:
    """``(n, dim)`` float32 of a list column, and of each row the class and message of why it is not usable; that row is zero."""
    counted: Any = pc.list_value_length(lists)
    lengths: list[int | None] = counted.to_pylist()
    out = np.zeros((len(lists), dim), np.float32)
    bad: list[tuple[str, str] | None] = [
        None if n == dim else ("no_vector", "it has no vector") if n is None else _wrong(n, dim) for n in lengths
    ]
    good = np.flatnonzero([n == dim for n in lengths])
    if len(good):
        values = lists.take(pa.array(good)).flatten()
        out[good] = np.asarray(values.cast(pa.float32(), safe=False).to_numpy(zero_copy_only=False)).reshape(
            len(good), dim
        )
    return out, bad


def _wrong(length: int, dim: int) -> tuple[str, str]:
    return "wrong_dimension", f"its vector has {length} components, that of the first row {dim}"


def one_model(parts: Iterable[Output]) -> str:
    """The model that the vectors of all parts are of. Raises RunError where they are of several."""
    models = sorted({str(m) for out in parts for m in out.facts.get("models", [])})
    if len(models) > 1:
        raise RunError(
            f"the table of items has vectors of {len(models)} models ({', '.join(models[:5])}): vectors of two models cannot be "
            "compared; index each in a recipe of its own"
        )
    return models[0] if models else ""
