"""What a take-down deletes from a workspace beside the rows that name a sample, and what it leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dataengine.storage.store import Store
from dataengine.takedown.needles import Needles
from dataengine.takedown.purge import delete, find
from dataengine.takedown.written import to_parquet

ID, OTHER = "0123456789abcdef" * 2, "f" * 32
ABOUT, ELSE = "1" * 32, "2" * 32

LOST = f"cot/pictures/{'f' * 32}.bin"


def rows(**columns: list[Any]) -> bytes:
    return to_parquet(pa.table(columns))


def part(*keys: str) -> bytes:
    files = {key: {"key": key, "sha256": "", "bytes": 1, "rows": 1} for key in keys}
    return json.dumps({"files": files, "counts": {}, "facts": {}, "key": "k"}).encode()


@pytest.fixture
def workspace(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    objects = {
        "cot/items-1.parquet": rows(rid=[ABOUT, ELSE], parents=[[ID], [OTHER]]),
        f"cot/decisions/demo/{ABOUT}/ab-000000.json": b"{}",
        f"cot/decisions/demo/{ELSE}/ab-000000.json": b"{}",
        LOST: b"pixels",
        "cot/pictures/their-own.bin": b"somebody's",
        "cot/pictures/named.bin": b"pixels",
        "cot/questions/a.parquet": rows(id=[OTHER], pack=["cot/pictures/named.bin"]),
        "dedup/fingerprints/named.bin": b"thumbnails",
        "stages/dedup.fingerprint/parts/a.json": part("dedup/fingerprints/named.bin"),
        "tokenizers/corpus/a.parquet": rows(id=[ID]),
        "tokenizers/corpus/b.parquet": rows(id=[OTHER]),
        "tokenizers/features/a.npz": b"rows without names",
        f"tokenizers/{OTHER}/model.safetensors": b"weights",
    }
    for key, data in objects.items():
        store.put(key, data)
    return store


def test_what_goes(workspace: Store) -> None:
    """Decisions about its questions, packs that nothing names, rows and features that a tokenizer was fitted on."""
    gone, _ = find(workspace, Needles(frozenset({ID})))
    assert sorted(entry.key for entry in gone) == [
        f"cot/decisions/demo/{ABOUT}/ab-000000.json",
        "cot/items-1.parquet",
        LOST,
        "tokenizers/corpus/a.parquet",
        "tokenizers/features/a.npz",
    ]


def test_what_killed_processes_were_writing_goes(workspace: Store) -> None:
    """Media may be in it, and no listing shows it."""
    half = [Path(workspace.url, f"{OTHER}#0"), Path(workspace.url, f"media/{OTHER}.tar#3")]
    for path in (*half, Path(workspace.url, "media/mine#1.txt")):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"pixels")
    gone, _ = find(workspace, Needles(frozenset({"e" * 32})))
    assert {entry.key for entry in gone} == {LOST, f"{OTHER}#0", f"media/{OTHER}.tar#3"}
    delete(workspace, gone, lambda: None)
    assert not any(path.exists() for path in half) and Path(workspace.url, "media/mine#1.txt").exists()


def test_nothing_that_is_named_goes_for_a_sample_that_is_not_there(workspace: Store) -> None:
    gone, _ = find(workspace, Needles(frozenset({"e" * 32})))
    assert [entry.key for entry in gone] == [LOST]
