"""Sequences with release, texts, tokenizer, workspace and output on s3://: the same bytes as in folders, read back from there."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.sequence_release import recipe, run

from dataengine.readers.resume import PackedShards, Resumable
from dataengine.sequence.formats.check import check_set
from dataengine.sequence.formats.reader import open_set
from dataengine.storage.store import Store

FORMATS = ["webdataset", "parquet", "energon", "datasets"]
STAGED = "ws/staging/sequences/sequences"


def copied(folder: str | Path, url: str) -> None:
    store = Store(url)
    for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
        store.put(path.relative_to(folder).as_posix(), path.read_bytes())


def block(root: str) -> dict[str, Any]:
    """Settings whose inputs lie below ``root``."""
    sources = [
        {"type": "samples", "name": "captions", "release": f"{root}/release"},
        {"type": "cot", "name": "reasoning", "release": f"{root}/release"},
        {"type": "text", "name": "books", "path": f"{root}/texts", "weight_column": "w"},
        {"type": "segments", "name": "pages", "path": f"{root}/pages", "release": f"{root}/release"},
    ]
    sets = [{"name": "s", "length": 256, "formats": FORMATS}, {"name": "k", "length": 256, "layout": "keye"}]
    return {"tokenizer": {"path": f"{root}/tokenizer.json", "missing": "append"}, "sources": sources, "sets": sets}


def test_the_same_sequences_as_in_folders(
    tmp_path: Path, release: str, texts: str, trained: bytes, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    inputs = tmp_path / "in"
    shutil.copytree(release, inputs / "release")
    shutil.copytree(texts, inputs / "texts")
    (inputs / "tokenizer.json").write_bytes(trained)
    (inputs / "pages").mkdir()
    (inputs / "pages/a.jsonl").write_text(
        '{"segments": [{"type": "text", "text": "Look:"}, {"type": "image", "image": "pictures/3.jpg"}]}\n'
    )
    copied(inputs, f"{s3}/in")
    run(recipe(tmp_path, block(str(inputs))))
    loaded = recipe(tmp_path, block(f"{s3}/in"), workspace=f"{s3}/ws", lock=f"{s3}/recipe.lock")
    reports = run(loaded)
    assert {r.state for r in reports} == {"done"}
    near, far = Store(tmp_path / STAGED), Store(f"{s3}/{STAGED}")
    keys = [entry.key for entry in near.list()]
    assert len(keys) > 12 and keys == [entry.key for entry in far.list()]
    assert [key for key in keys if near.get(key) != far.get(key)] == []
    assert not (tmp_path / "s3:").exists()
    for name in ("s/webdataset", "s/parquet", "s/datasets"):
        there, here = open_set(f"{s3}/{STAGED}/{name}"), open_set(f"{tmp_path}/{STAGED}/{name}")
        assert check_set(there.store, there.about) == []
        pairs = list(zip(there, here, strict=True))
        assert pairs and all((one.tokens == other.tokens).all() for one, other in pairs)
    data = Resumable(PackedShards.of(f"{s3}/{STAGED}/s/parquet"), seed=3)
    first = next(iter(data))
    again = Resumable(PackedShards.of(f"{s3}/{STAGED}/s/parquet"), seed=3)
    again.load_state_dict(data.state_dict())
    assert not np.array_equal(next(iter(again)).tokens, first.tokens)
    assert {r.state for r in run(loaded)} == {"up to date"}
