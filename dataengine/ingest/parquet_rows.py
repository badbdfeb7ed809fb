"""Rows of Parquet tables, in small batches; a cell that has no Python value is dropped, not its row."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from dataengine.errors import DataEngineError, InputError
from dataengine.ingest.rows import Columns, Row, Skip, listed, never
from dataengine.text.bounded_json import SIZE
from dataengine.text.cleaning import Repairs, clean_text, clean_value, decode_text

_BATCH = 1024
#: Rows that any table may have, and rows for each of its bytes: run lengths put billions of equal rows into a few bytes.
_ROWS, _ROWS_PER_BYTE = 1_000_000, 16
#: Bytes of a column in a row group, decompressed, as the file states them.
_CHUNK = 4 << 30
_TEXT = (pa.StringScalar, pa.LargeStringScalar, pa.StringViewScalar)


def parquet_rows(file: BinaryIO, column: str, required: bool, skip: Skip = never) -> Iterator[Row]:
    """Rows of a Parquet file. Raises InputError for the whole table where it is damaged, or lacks ``column`` and it is
    ``required``; where it is damaged later, the rows before are used."""
    table = _opened(file)
    names = _names(table)
    if required and column not in names:
        raise InputError("bad_table", f"no column `{column}`; its columns: {listed(names)}")
    _check_size(table.metadata, file.seek(0, io.SEEK_END))
    batches, number = table.iter_batches(_BATCH), 1
    while (batch := _next(batches, number)) is not None:
        wide = batch.nbytes > SIZE
        media = _media(batch.column(names.index(column)), wide) if column in names else [None] * batch.num_rows
        for index, value in enumerate(media):
            if not skip(number + index):
                yield Row(number + index, value, partial(_load, batch, names, index, wide))
        number += batch.num_rows


def parquet_columns(file: BinaryIO) -> list[str]:
    """Column names in the schema of a Parquet file. Raises InputError."""
    return _names(_opened(file))


def _opened(file: BinaryIO) -> pq.ParquetFile:
    """Texts stay dictionary-encoded where they are stored so: a long one that recurs in every row is held once."""
    try:
        schema = pq.read_schema(file)
        file.seek(0)
        return pq.ParquetFile(file, read_dictionary=[f.name for f in schema if pa.types.is_string(f.type)])
    except DataEngineError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError):
        raise InputError("bad_table", "it is damaged, or no Parquet file") from None


def _names(table: pq.ParquetFile) -> list[str]:
    return [clean_text(name) for name in table.schema_arrow.names]


def _check_size(facts: pq.FileMetaData, size: int) -> None:
    if facts.num_rows > max(_ROWS, _ROWS_PER_BYTE * size):
        raise InputError("bad_table", f"it states {facts.num_rows:,} rows in {size:,} bytes")
    for group in map(facts.row_group, range(facts.num_row_groups)):
        largest = max((group.column(n).total_uncompressed_size for n in range(group.num_columns)), default=0)
        if largest > _CHUNK:
            raise InputError("bad_table", f"it states {largest:,} bytes for a column of a row group, limit {_CHUNK:,}")


def _next(batches: Iterator[pa.RecordBatch], number: int) -> pa.RecordBatch | None:
    try:
        return next(batches, None)
    except DataEngineError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError):
        raise InputError("bad_table", f"it is damaged; of its rows those before row {number:,} are used") from None


def _load(batch: pa.RecordBatch, names: list[str], index: int, wide: bool) -> tuple[Columns, Repairs]:
    cells = [column[index] for column in batch.columns]
    if wide and sum(map(_length, cells)) > SIZE:
        raise InputError("bad_row", f"its texts have more than {SIZE:,} bytes")
    repairs = Repairs()
    values = {name: _value(cell, repairs) for name, cell in zip(names, cells, strict=True)}
    columns = {name: value for name, value in values.items() if value is not _NO_VALUE}
    return clean_value(columns, repairs), repairs


def _media(column: pa.Array[Any], wide: bool) -> list[Any]:
    """Values of a batch's column of paths or URLs; None for one that is longer than any."""
    try:
        values = None if wide else column.to_pylist()
    except (pa.ArrowException, ValueError, OverflowError, KeyError, TypeError):
        values = None
    if values is None:
        values = [_value(cell, Repairs()) if _length(cell) <= SIZE else None for cell in column]
    return [clean_text(value) if isinstance(value, str) else value for value in values]


def _length(cell: pa.Scalar[Any]) -> int:
    """Bytes of a text; 0 for other cells."""
    text = cell.value if isinstance(cell, pa.DictionaryScalar) else cell
    return text.as_buffer().size if isinstance(text, _TEXT) and text.is_valid else 0


_NO_VALUE = object()


def _value(cell: pa.Scalar[Any], repairs: Repairs) -> Any:
    """The Python value of a cell; invalid UTF-8 is replaced, and what has no Python value (a time beyond the calendar) is
    ``_NO_VALUE``."""
    try:
        return cell.as_py()
    except UnicodeDecodeError:
        text = cell.value if isinstance(cell, pa.DictionaryScalar) else cell
        if isinstance(text, _TEXT):
            repairs.cleaned += 1
            return decode_text(text.as_buffer().to_pybytes())
    except (pa.ArrowException, ValueError, OverflowError, KeyError, TypeError):
        pass
    repairs.dropped += 1
    return _NO_VALUE
