"""A video is taken down as a whole, however a later recipe cuts it; and released bytes name the sample that they were made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest

from dataengine import contracts
from dataengine.contracts import sample_id
from dataengine.ingest import tombstones
from dataengine.release.reader import Tar
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


class _Release:
    """A release of one shard, whose picture was encoded anew."""

    splits = ("train",)

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self.store.put("shards/a.tar", b"")

    def shards(self, split: str) -> list[Tar]:
        return [Tar("shards/a.tar", "", 0, 1)]

    def read(self, tar: Tar) -> Iterator[tuple[str, dict[str, bytes]]]:
        fields = {"sha256": SHA256, "phash": "00ff00ff00ff00ff"}
        yield VIDEO, {"json": json.dumps({**fields, "media_sha256": "c" * 64}).encode()}
        yield "d" * 32, {"json": json.dumps({**fields, "sha256": "d" * 64}).encode()}


@pytest.mark.parametrize(("digest", "expected"), [("c" * 64, {VIDEO}), ("b" * 64, set())])
def test_the_digest_of_released_bytes_names_their_sample(tmp_path: Path, digest: str, expected: set[str]) -> None:
    known, release = Targets(), cast(Any, _Release(tmp_path))
    targets._stored_as(release, known, {digest})
    assert known.ids == expected and set(known.sha256.values()) == ({SHA256} if expected else set())
