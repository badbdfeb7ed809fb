"""What a scan looks for: ids in text, digits and tables; bytes of media in any container that stores them as they are."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataengine.storage.row_packs import RowPack
from dataengine.storage.store import CHUNK, Store
from dataengine.takedown.needles import HELD, NAMED, Needles, pieces_of
from dataengine.takedown.scan import look

ID, OTHER = "0123456789abcdef" * 2, "f" * 32
MEDIA = random.Random(3).randbytes(5000)
NEEDLES = Needles(frozenset({ID}), pieces_of([MEDIA]))


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", ""),
        (OTHER.encode() * 3, ""),
        (f'{{"id":"{ID}"}}'.encode(), NAMED),
        ((OTHER + ID + OTHER).encode(), NAMED),
        ((ID + "0" * 32).encode(), NAMED),
        (ID.upper().encode(), ""),
        (ID[1:].encode() + b"z", ""),
        (b"x" * 99 + MEDIA + b"y", HELD),
        (MEDIA[2400:2600], HELD),
        (MEDIA[:300], ""),
    ],
)
def test_what_is_found_in_bytes(tmp_path: Path, data: bytes, expected: str) -> None:
    store = Store(tmp_path)
    store.put("a.bin", data)
    [entry] = store.list()
    assert NEEDLES.in_bytes(data) == look(store, entry, NEEDLES) == expected


@pytest.mark.parametrize("at", [CHUNK - 40, CHUNK - 32, CHUNK - 1, CHUNK])
def test_nothing_is_missed_between_two_requests(tmp_path: Path, at: int) -> None:
    store = Store(tmp_path)
    store.put("a.bin", b"." * at + ID.encode() + b"." * 100)
    [entry] = store.list()
    assert look(store, entry, NEEDLES) == NAMED


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([OTHER, None]), ""),
        (pa.array([OTHER, ID]), NAMED),
        (pa.array([OTHER + "0" * 32, ID + "0" * 32]), NAMED),
        (pa.array([f'{{"sample":"sample:{ID}"}}', None]), NAMED),
        (pa.array(["a" * 64 + ID]), NAMED),
        (pa.array([[{"text": "x", "uri": ID}], None, []]), NAMED),
        (pa.array([{"deep": [[ID]]}]), NAMED),
        (pa.array([OTHER, ID, ID]).dictionary_encode(), NAMED),
        (pa.array([MEDIA, None]), HELD),
        (pa.array([1, 2]), ""),
        (pa.array([], pa.string()), ""),
    ],
)
def test_what_is_found_in_a_table(tmp_path: Path, column: pa.Array, expected: str) -> None:
    store = Store(tmp_path)
    store.put("a.parquet", parquet(pa.table({"n": list(range(len(column))), "c": column})))
    [entry] = store.list()
    assert look(store, entry, NEEDLES) == expected


def test_rows_in_packs_are_read_by_their_places(tmp_path: Path) -> None:
    store, pack = Store(tmp_path), RowPack()
    pack.add("p", [], pa.table({"id": [OTHER]}))
    pack.add("q", [], pa.table({"id": [ID]}))
    store.put("plan.parquet", parquet(pack.publish(store, "packs")))
    found = {entry.key.split("/")[0]: look(store, entry, NEEDLES) for entry in store.list()}
    assert found["plan.parquet"] == NAMED


def test_pieces_are_of_what_no_other_file_has() -> None:
    assert pieces_of([b"\0" * 9000, b"short"]) == ()
    assert len(pieces_of([MEDIA, MEDIA])) == 3 and len(pieces_of([MEDIA[:100]])) == 1
