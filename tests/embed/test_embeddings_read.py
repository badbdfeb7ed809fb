"""Stages that read embeddings depend on those that they read: what another reader adds makes nothing anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.planted_lists import recipe

from dataengine.catalog import STAGES
from dataengine.config.recipe import Recipe
from dataengine.embed.reader import ReadsEmbeddings
from dataengine.pipeline import open_run
from dataengine.stage import Run
from dataengine.storage.workspace import File, Output, Record

WHOLE, INNER = File("w", "w1", 1, 3), File("i", "i1", 1, 2)
VIDEOS, CAPTIONS, NONE = File("v", "v1", 1, 1), File("c", "c1", 1, 4), File("n", "n1", 1, 0)
ONE = {"pictures/whole": WHOLE, "pictures/inner": INNER}
MORE = {**ONE, "videos": VIDEOS, "captions": CAPTIONS}
SEMANTIC: dict[str, Any] = {"radius": 8, "semantic": {"threshold": 0.7}}
READERS = {stage.name: stage for stage in STAGES if isinstance(stage, ReadsEmbeddings)}


def opened(loaded: Recipe, embed: dict[str, dict[str, File]] | None) -> Run:
    run = open_run(loaded)
    run.records["dedup.unique"] = Record("dedup.unique", "", {"all": Output({}, {"distinct": 3})})
    if embed is not None:
        run.records["embed"] = Record("embed", "", {name: Output(files) for name, files in embed.items()})
    return run


def key(loaded: Recipe, name: str, embed: dict[str, dict[str, File]] | None) -> str:
    return READERS[name].key(opened(loaded, embed))


def test_all_readers_say_what_they_read() -> None:
    assert {stage.name for stage in STAGES if "embed" in stage.needs} == set(READERS)


@pytest.mark.parametrize(
    ("name", "changes", "same"),
    [
        ("dedup.edges", {}, True),
        ("score", {}, True),
        ("dedup.candidates", {"dedup": SEMANTIC}, True),
        ("dedup.edges", {"dedup": {"radius": 8, "semantic": {"threshold": 0.7, "confirm": False}}}, True),
        ("dedup.candidates", {"dedup": {"radius": 8, "semantic": {"threshold": 0.7, "caption_threshold": 0.1}}}, False),
    ],
)
def test_roles_that_others_read_change_nothing(tmp_path: Path, name: str, changes: dict[str, Any], same: bool) -> None:
    loaded = recipe(tmp_path, None, **changes)
    before = key(loaded, name, {"a": ONE})
    assert (key(loaded, name, {"a": MORE}) == before) is same
    with_videos_alone = {"a": ONE, "b": {"pictures/whole": NONE, "pictures/inner": NONE, "videos": VIDEOS}}
    assert key(loaded, name, with_videos_alone) == before, "a part without pictures says nothing of pictures"


def test_what_is_read_counts_and_what_is_not_need_not_be_there(tmp_path: Path) -> None:
    semantic, plain = recipe(tmp_path, None, dedup=SEMANTIC), recipe(tmp_path, None)
    others = {**ONE, "pictures/inner": File("i", "i2", 1, 2)}
    assert key(semantic, "dedup.candidates", {"a": others}) != key(semantic, "dedup.candidates", {"a": ONE})
    assert key(plain, "dedup.edges", {"a": others}) == key(plain, "dedup.edges", None)
