"""Scorers of files: videos are decoded in the child, pictures have null and are not read for them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from support.moving_clips import encoded, moving

from dataengine.media.image.pixels import Pixels
from dataengine.media.limits import Limits
from dataengine.samples.locate import Located
from dataengine.score.factory import build
from dataengine.score.worker import ScoreWorker, annotation_schema
from dataengine.stage import Part
from dataengine.storage.workspace import Workspace


@pytest.mark.parametrize("beside", [[], ["quality"]], ids=["alone", "beside pixels"])
def test_videos_have_motion_and_pictures_none(beside: list[str], photos: dict[str, Pixels], tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.fromarray(photos["china"]).save(out, "JPEG")
    clip, broken = encoded(moving(photos["coffee"], "pan_right"), "h264"), b"\0\0\0\x18ftypmp42" + bytes(200)
    files = {"clip": ("video", clip), "picture": ("image", out.getvalue()), "broken": ("video", broken)}
    workspace, rows, start = Workspace(tmp_path), [], 0
    workspace.store.put("media/a.tar", b"".join(data for _, data in files.values()))
    for name, (kind, data) in files.items():
        rows.append(Located(name, kind, "x", len(data), (), "media/a.tar", start, {}))
        start += len(data)
    configs = [{"name": name} for name in ("motion", *beside)]
    worker = ScoreWorker(Limits(), workspace, configs, "cpu", 1)
    worker.setup()
    try:
        output = worker.process(Part("p", "k", (rows, {})))
    finally:
        worker.close()
    [scorer] = build([{"name": "motion"}])
    table = workspace.read_table([output.files["motion"]], annotation_schema(scorer)).to_pylist()
    by_id = {row["id"]: row for row in table}
    assert by_id["clip"]["camera"] == "pan_right" and by_id["clip"]["motion_source"] == "vectors"
    assert set(by_id["picture"].values()) == {"picture", None}
    assert by_id["broken"]["failure"] and by_id["broken"]["motion"] is None
