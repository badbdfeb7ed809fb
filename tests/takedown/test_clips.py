"""A video is taken down as a whole: its clips, and itself, however a later recipe cuts it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dataengine import contracts
from dataengine.contracts import sample_id
from dataengine.ingest import tombstones
from dataengine.storage.store import Store
from dataengine.storage.workspace import Workspace
from dataengine.takedown import targets
from dataengine.takedown.asked import Asked
from dataengine.takedown.ingested import split
from dataengine.takedown.targets import Targets

VIDEO, SHA256 = sample_id(b"a video")
CLIPS = [sample_id(f"clip {n}".encode()) for n in range(2)]


def clips() -> pa.Table:
    """Two clips of a video, and a picture."""
    rows = [
        {"uri": f"film.mp4#t={n}.000,{n + 1}.000", "id": id_, "sha256": sha256, "parent": VIDEO}
        for n, (id_, sha256) in enumerate(CLIPS)
    ]
    rows.append({"uri": "1.jpg", "id": "e" * 32, "sha256": "e" * 64, "parent": None})
    whole: dict[str, Any] = {field.name: None for field in contracts.SAMPLES}
    fixed = {"source": "s", "bytes": 9, "frame_hashes": []}
    # a schema without required fields: what is not looked at here is null
    schema = pa.schema([field.with_nullable(True) for field in contracts.SAMPLES])
    return pa.Table.from_pylist([{**whole, **fixed, **row} for row in rows], schema)


@pytest.mark.parametrize("line", [SHA256, f"id:{VIDEO}"])
def test_a_video_on_the_list_is_one_failure(tmp_path: Path, line: str) -> None:
    """As for an ingest that reads it: it is refused before it is cut."""
    store = Store(tmp_path)
    tombstones.add(store, tombstones.LIST, [line])
    refused = split(clips(), tombstones.of_workspace(store))
    assert refused.samples["uri"].to_pylist() == ["1.jpg"]
    assert [(row["uri"], row["failure"], row["bytes"]) for row in refused.failures] == [
        ("film.mp4", "taken_down", None)
    ]


@pytest.mark.parametrize(
    ("line", "ids", "videos"),
    [
        (VIDEO, [id_ for id_, _ in CLIPS], [VIDEO]),
        ("film.mp4", [id_ for id_, _ in CLIPS], [VIDEO]),
        ("/data/film.mp4", [id_ for id_, _ in CLIPS], [VIDEO]),
        ("film.mp4#t=0.000,1.000", [CLIPS[0][0]], []),
        (CLIPS[1][0], [CLIPS[1][0]], []),
        ("1.jpg", ["e" * 32], []),
    ],
)
def test_a_video_that_is_named_is_on_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, ids: list[str], videos: list[str]
) -> None:
    monkeypatch.setattr(targets, "sample_files", lambda store: [None])
    monkeypatch.setattr(Workspace, "read_table", lambda self, files, schema, columns: clips().select(columns))
    known = Targets()
    targets._from_samples(Asked((line,)), Workspace(str(tmp_path)), known, ())
    assert known.ids == set(ids) and known.videos == set(videos)
    assert {f"id:{id_}" for id_ in videos} <= set(known.tombstones())
    assert Targets.from_json(known.to_json()) == known
