"""The browse page of a release on S3: media, pictures, codes and records by ranged reads, no shard as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataengine.browse.page.content import content
from dataengine.browse.page.filters import Filters
from dataengine.contracts import sample_id
from dataengine.release.publish import publish
from dataengine.storage.store import Store

pytestmark = pytest.mark.slow


def test_a_release_on_s3_is_shown(small: Path, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(str(small), s3, unconditional=True)
    ranges: list[tuple[str, int]] = []
    whole: list[str] = []
    get_range, get = Store.get_range, Store.get

    def counted(self: Store, key: str, start: int, length: int) -> bytes:
        ranges.append((key, length))
        return get_range(self, key, start, length)

    def noted(self: Store, key: str, sha256: str = "") -> bytes:
        whole.append(key)
        return get(self, key, sha256)

    monkeypatch.setattr(Store, "get_range", counted)
    monkeypatch.setattr(Store, "get", noted)
    with content(s3) as shown:
        kept = shown.table.page(Filters({"outcome": ("kept",)}), "", False, 0, 200)["rows"]
        assert kept
        for row in kept:
            kind, data, size = shown.pictures.media(row["id"])
            assert sample_id(data)[0] == row["id"] and size == len(data) and kind.startswith(("image/", "video/"))
            assert shown.pictures.media(row["id"], 10, 20)[1] == data[10:30]
            assert shown.pictures.thumbnail(row["id"]).startswith(b"\xff\xd8")
        video = next(row["id"] for row in kept if shown.pictures.place(row["id"]).kind == "video")
        visuals = shown.visuals(video)
        assert visuals["frames"] and "tokenizer" in visuals["sampled"]
        assert shown.frame(video, 0).startswith(b"\xff\xd8")
        # A release holds codes, but not their tokenizer.
        assert "browse its recipe" in visuals["notes"][0] and "tokens of" in visuals["codes"]
        records = shown.records.page(Filters(), 0, 50)
        published = shown.session.published
        assert published is not None
        assert records["count"] == sum(shard.records for shard in published.manifest.cot.shards) > 0
    assert not [key for key in whole if key.endswith(".tar")]
    assert {key for key, _ in ranges if key.startswith("shards/")}
