"""Parquet files, and Arrow files as Hugging Face ``datasets`` saves them to disk: equal sequences give equal bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.errors import RunError
from dataengine.sequence.formats.description import SequenceShard
from dataengine.sequence.formats.table import schema_of, sequences, tables
from dataengine.sequence.model import PackedSequence
from dataengine.storage.workspace import canonical_json, digest


def write_parquet(folder: Path, name: str, rows: Iterable[tuple[str, PackedSequence]]) -> list[str]:
    """Write ``NAME.parquet`` in row groups of some 32 MB; names of the files."""
    path = Path(folder, f"{name}.parquet")
    writer: pq.ParquetWriter | None = None
    for table in tables(rows):
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd", store_schema=True)
        writer.write_table(table, row_group_size=table.num_rows)
    if writer is None:
        pq.write_table(schema_of(1, 1).empty_table(), path, compression="zstd")
    else:
        writer.close()
    return [path.name]


def read_parquet(path: Path) -> Iterator[tuple[str, PackedSequence]]:
    """Key and sequence of each row. Raises RunError for a file that is damaged."""
    with _arrow(path):
        file = pq.ParquetFile(path, pre_buffer=False)
        for group in range(file.num_row_groups):
            yield from sequences(file.read_row_group(group, use_threads=False), path.name)


def write_datasets(folder: Path, name: str, rows: Iterable[tuple[str, PackedSequence]]) -> list[str]:
    """Write ``NAME.arrow``, a stream as ``Dataset.load_from_disk`` maps it into memory; names of the files."""
    path = Path(folder, f"{name}.arrow")
    writer: Any = None
    with pa.OSFile(str(path), "wb") as sink:
        for table in tables(rows):
            writer = writer or pa.ipc.new_stream(sink, table.schema)
            writer.write_table(table.combine_chunks())
        (writer or pa.ipc.new_stream(sink, schema_of(1, 1))).close()
    return [path.name]


def read_datasets(path: Path) -> Iterator[tuple[str, PackedSequence]]:
    """Key and sequence of each row. Raises RunError for a file that is damaged."""
    with _arrow(path), pa.memory_map(str(path)) as source:
        for batch in pa.ipc.open_stream(source):
            yield from sequences(pa.Table.from_batches([batch]), path.name)


def datasets_metadata(shards: Sequence[SequenceShard], split: str) -> Mapping[str, bytes]:
    """``state.json`` and ``dataset_info.json`` beside the Arrow files; features are read from the files' schema."""
    files = [f"{shard.name}.arrow" for shard in shards]
    state: dict[str, Any] = {
        "_data_files": [{"filename": name} for name in files],
        "_fingerprint": digest([file.sha256 for shard in shards for file in shard.files])[:16],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": split,
    }
    return {"state.json": canonical_json(state), "dataset_info.json": canonical_json({})}


class _arrow:  # noqa: N801 - reads as a statement
    """Turns Arrow's errors into RunError naming the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, pa.ArrowException | KeyError):
            raise RunError(f"{self.path.name} is damaged: {error}") from None
