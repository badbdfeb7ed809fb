"""Locates the bytes of samples in media tars and reads them, for every stage that touches media."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataengine import contracts
from dataengine.storage.row_packs import PackedRows
from dataengine.storage.store import Store

T = TypeVar("T")

#: Bytes read from a media tar at once.
_READ_AHEAD = 16 << 20
#: Columns that are the facts of a sample.
FACTS = ("width", "height", "frames", "duration")
_COLUMNS = ("id", "kind", "ext", "bytes", "captions", "media", "offset", *FACTS)
#: Columns of contracts.UNIQUE that are read.
READ = pa.schema([contracts.UNIQUE.field(name) for name in _COLUMNS])
_TEXTS: list[pa.Field[Any]] = [
    pa.field(f.name, pa.list_(pa.string()) if f.name == "captions" else f.type) for f in READ
]
#: Rows that a worker gets; captions are texts alone.
LOCATED = pa.schema(_TEXTS)


@dataclass(frozen=True)
class Located:
    """A sample and the place of its bytes."""

    id: str
    kind: str
    ext: str
    bytes: int
    captions: tuple[str, ...]
    media: str
    offset: int
    facts: dict[str, Any]


def locations(unique: pa.Table) -> pa.Table:
    """LOCATED of rows with the columns of READ, of each by itself."""
    captions = unique["captions"].combine_chunks()
    texts = pc.struct_field(pc.list_flatten(captions), "text")
    ends = np.r_[0, np.cumsum(pc.fill_null(pc.list_value_length(captions), 0).to_numpy(zero_copy_only=False))]
    lists = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), texts)
    place = unique.column_names.index("captions")
    return unique.set_column(place, "captions", lists).select(LOCATED.names).cast(LOCATED)


def locate(table: pa.Table) -> list[Located]:
    """Rows of contracts.UNIQUE as objects."""
    return objects(locations(table.select(READ.names)))


def objects(rows: pa.Table) -> list[Located]:
    """Rows of LOCATED as objects."""
    return [
        Located(
            row["id"],
            row["kind"],
            row["ext"],
            row["bytes"],
            tuple(row["captions"]),
            row["media"],
            row["offset"],
            {k: row[k] for k in FACTS},
        )
        for row in rows.to_pylist()
    ]


def unpacked(store: Store, parts: Iterable[PackedRows]) -> Iterator[Located]:
    """The samples of parts, one part in memory at a time."""
    for rows in parts:
        yield from objects(rows.read(store))


def by_media(rows: Sequence[Located]) -> dict[str, list[Located]]:
    """Rows grouped by the tar that holds them, each group ordered by offset."""
    groups: dict[str, list[Located]] = defaultdict(list)
    for row in sorted(rows, key=lambda r: (r.media, r.offset)):
        groups[row.media].append(row)
    return dict(groups)


def payloads(store: Store, rows: Iterable[Located]) -> Iterator[tuple[Located, bytes]]:
    """Media bytes of the rows, in the order given; neighbours in a tar are read together, and the next ones meanwhile."""
    with ThreadPoolExecutor(1, "media-reader") as reader:
        ahead: Future[list[tuple[Located, bytes]]] | None = None
        for batch in _together(rows):
            current, ahead = ahead, reader.submit(_read, store, batch)
            if current is not None:
                yield from current.result()
        if ahead is not None:
            yield from ahead.result()


def _together(rows: Iterable[Located]) -> Iterator[list[Located]]:
    """Neighbours in one tar, of at most ``_READ_AHEAD`` bytes where they are several."""
    batch, size = list[Located](), 0
    for row in rows:
        if batch and (row.media != batch[0].media or size + row.bytes > _READ_AHEAD):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += row.bytes
    if batch:
        yield batch


def _read(store: Store, rows: Sequence[Located]) -> list[tuple[Located, bytes]]:
    contents = store.get_ranges(rows[0].media, [r.offset for r in rows], [r.bytes for r in rows])
    return list(zip(rows, contents, strict=True))


def longest(captions: Sequence[str]) -> int:
    """Index of the caption with most characters, the first of equals; 0 where there is none."""
    return max(range(len(captions)), key=lambda i: (len(captions[i]), -i), default=0)


def chunks(source: Iterator[T], size: int) -> Iterator[list[T]]:
    """Consecutive lists of at most ``size``."""
    held: list[T] = []
    for item in source:
        held.append(item)
        if len(held) == size:
            yield held
            held = []
    if held:
        yield held
