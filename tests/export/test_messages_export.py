"""CoT records as JSONL chats: loaded by Hugging Face datasets, every mark with its file."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pytest
from PIL import Image
from support.command import dataengine

from dataengine.errors import UsageError
from dataengine.export.messages import export


def test_chats_load_and_point_at_their_media(small: Path, tmp_path: Path) -> None:
    dataengine("export", "messages", str(small), str(tmp_path / "out"))
    rows = datasets.load_dataset(
        "json", data_files=str(tmp_path / "out" / "train.jsonl"), split="train", cache_dir=str(tmp_path / "cache")
    )
    told = json.loads((small / "manifest.json").read_bytes())["cot"]["shards"]
    assert len(rows) == sum(s["records"] for s in told if s["split"] == "train") > 5
    assert {"thinking", "video"} <= set(rows["mode"])
    for row in rows:
        text = "".join(m["content"] for m in row["messages"])
        assert [m["role"] for m in row["messages"]] == ["user", "assistant"]
        assert text.count("<image>") == len(row["images"]) and text.count("<video>") == len(row["videos"])
        assert len(row["images"]) + len(row["videos"]) > 0 and 1 <= row["quality"] <= 5
        for name in row["images"]:
            Image.open(tmp_path / "out" / name).load()
        assert all((tmp_path / "out" / name).stat().st_size > 1000 for name in row["videos"])
    info = json.loads((tmp_path / "out" / "dataset_info.json").read_text())
    assert [one["file_name"] for one in info.values()] == ["train.jsonl"]


def test_the_same_release_gives_the_same_files(small: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        export(str(small), str(tmp_path / name))
    a, b = ({p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*.*")} for n in ("a", "b"))
    assert a == b and len(a) > 10


def test_what_cannot_be_exported_says_why(small: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(UsageError, match="is not empty"):
        export(str(small), str(tmp_path / "full"))
    with pytest.raises(UsageError, match="no chain-of-thought records in the split nowhere"):
        export(str(small), str(tmp_path / "out"), "nowhere")
