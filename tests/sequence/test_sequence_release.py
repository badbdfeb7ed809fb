"""A whole recipe with sequences, as a user runs it: command, manifest, card, verify."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.command import dataengine
from support.small_release import NAME, recipe

from dataengine.release.reader import open_release
from dataengine.shards.json_types import known

SEQUENCE: dict[str, Any] = {
    "tokenizer": {"vocab_size": 600},
    "sources": [
        {"type": "samples", "name": "captions"},
        {"type": "pairs", "name": "pairs"},
        {"type": "cot", "name": "reasoning"},
        {"type": "segments", "name": "pages", "path": "pages.jsonl"},
    ],
    "sets": [
        {"name": "blocks", "length": 2048},
        {"name": "codes", "length": 4096, "layout": "codes", "too_long": "split"},
        {"name": "keye", "length": 8192, "layout": "keye", "positions": "3d"},
    ],
}


@pytest.mark.slow
def test_a_release_with_sequences(workspace: Path, tmp_path: Path) -> None:
    shutil.copytree(workspace.parent, tmp_path / "it")
    folder = tmp_path / "it"
    rows = [[{"type": "text", "text": "Look:"}, {"type": "image", "image": "square.jpg"}]]
    (folder / "pages.jsonl").write_text("".join(json.dumps({"segments": row}) + "\n" for row in rows))
    block = json.loads(json.dumps(SEQUENCE).replace("pages.jsonl", str(folder / "pages.jsonl")))
    path = str(recipe(folder, str(folder / "ws"), sequence=block))
    shown = dataengine("run", path).stdout
    assert "sequence.pack" in shown
    shown = dataengine("sequence", path).stdout
    assert "mix, in tokens" in shown
    release = open_release(str(folder / "ws/releases" / NAME))
    section = known(release.manifest.sequences, None)
    assert section is not None and {one.name: one.layout for one in section.sets} == {
        "blocks": "blocks",
        "codes": "codes",
        "keye": "keye",
    }
    for one in section.sets:
        assert one.sequences * one.length == one.tokens + one.padding and one.outcomes["packed"] > 8
        assert {cell.cell for cell in one.cells} >= {"captions", "pages", "reasoning"}
    assert "## Training sequences" in (folder / "ws/releases" / NAME / "README.md").read_text()
    dataengine("verify", str(folder / "ws/releases" / NAME))
