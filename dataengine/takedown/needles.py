"""Looks for samples in any object: by their ids, which every digest of their bytes begins with, and by pieces of their bytes.

An id is found inside longer text and inside longer digits, for columns of strings lie in memory one value after the other. Pieces
are of the media alone and long enough that no other file has them; a copy inside any container that stores bytes as they are has
them, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

pc: Any = pyarrow.compute  # whose stubs admit less than its functions do

_DIGITS = re.compile(rb"[0-9a-f]{32,}")
_INSIDE = "[^0-9a-f][0-9a-f]{32}|[0-9a-f]{65}"
_ID, _PIECE = 32, 64
#: Bytes of the end of a piece of an object that are looked at again with the next, so that nothing is missed in between.
OVERLAP = 2 * _PIECE
HELD, NAMED = "bytes", "id"


@dataclass(frozen=True)
class Needles:
    """``pieces`` of media by sample id."""

    ids: frozenset[str]
    pieces: tuple[bytes, ...] = ()

    def in_bytes(self, data: bytes | memoryview) -> str:
        """HELD where a piece of the media is in ``data``, NAMED where an id is, else ""."""
        whole = bytes(data)
        if any(piece in whole for piece in self.pieces):
            return HELD
        return NAMED if self.named_in(whole) else ""

    def named_in(self, data: bytes) -> set[str]:
        """Ids in ``data``."""
        return {id_ for match in _DIGITS.finditer(data) for id_ in _windows(match[0].decode()) if id_ in self.ids}

    def in_table(self, table: pa.Table) -> str:
        """As ``in_bytes``, of all columns."""
        found = {self._in_array(leaf) for column in table.columns for leaf in _leaves(column)}
        return HELD if HELD in found else NAMED if NAMED in found else ""

    def _in_array(self, array: Any) -> str:
        if pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type):
            return self.in_bytes(b"".join(value for value in array.to_pylist() if value))
        wanted = pa.array(sorted(self.ids), pa.string())
        text = array.cast(pa.large_string()).cast(pa.string()) if len(array) < 1 << 20 else array.cast(pa.string())
        if pc.any(pc.is_in(pc.utf8_slice_codeunits(text, 0, _ID), value_set=wanted)).as_py():
            return NAMED
        longer = text.filter(pc.match_substring_regex(text, _INSIDE))
        return NAMED if any(self.named_in(value.encode()) for value in longer.unique().to_pylist()) else ""

    def rows(self, table: pa.Table) -> list[dict[str, Any]]:
        """The rows that name an id."""
        return [row for row in table.to_pylist() if self.named_in(repr(row).encode())]


def _windows(digits: str) -> Iterator[str]:
    return (digits[start : start + _ID] for start in range(len(digits) - _ID + 1))


def _leaves(column: Any) -> Iterator[Any]:
    """Arrays of strings and bytes in a column, however deep they lie; without nulls."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        yield from _leaves(column.cast(kind.value_type))
    elif pa.types.is_struct(kind):
        for chunk in _chunks(column):
            for part in chunk.flatten():
                yield from _leaves(part)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        for chunk in _chunks(column):
            yield from _leaves(chunk.flatten())
    elif any(test(kind) for test in _TEXT):
        for chunk in _chunks(column):
            if len(chunk):
                yield chunk.drop_null()


def _chunks(column: Any) -> list[Any]:
    return list(column.chunks) if isinstance(column, pa.ChunkedArray) else [column]


_TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)


def tables(data: bytes) -> Iterator[pa.Table]:
    """The rows of a Parquet file, a row group at a time. Raises pa.ArrowException."""
    file = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False)
    for group in range(file.num_row_groups):
        yield file.read_row_group(group, use_threads=False)


def pieces_of(media: Iterable[bytes]) -> tuple[bytes, ...]:
    """Three pieces of each file, of its first, middle and last third; of a small file itself. Pieces of few different bytes
    (zeros, padding) say nothing, and are left out."""
    pieces = set[bytes]()
    for data in media:
        for at in (len(data) // 4, len(data) // 2, 3 * len(data) // 4) if len(data) > 4 * _PIECE else (0,):
            piece = bytes(data[at : at + _PIECE])
            if len(piece) == _PIECE and len(set(piece)) >= _PIECE // 4:
                pieces.add(piece)
    return tuple(sorted(pieces))
