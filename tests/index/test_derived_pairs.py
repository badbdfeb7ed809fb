"""Pairs that tables say: clips of one video in the order of time, samples with one value of a column; and crops of pictures."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.engine_fixtures import Parted
from support.indexed import clustered, make, run_of
from support.planned import Tables, sample

from dataengine.engines.duckdb import DuckDBEngine
from dataengine.index.align import crop_views
from dataengine.index.align.pairs_stage import PAIRS
from dataengine.storage.workspace import Output, Record


@pytest.mark.parametrize("engine", [DuckDBEngine(threads=1), Parted(3, 1)], ids=["one process", "parted"])
def test_clips_of_a_video_and_samples_with_one_value(tmp_path: Path, engine: Any) -> None:
    index = {"align": {"pairs": [{"derive": "video"}, {"derive": "column", "column": "album"}]}}
    run = run_of(tmp_path, clustered(8), index, engine=engine)
    rows = [sample(n, "p") for n in range(8)]
    for n, start in ((0, 30.0), (1, 10.0), (2, 20.0), (5, 0.0)):
        rows[n].update(parent="a" * 32 if n < 5 else "b" * 32, clip_start=start, clip_end=start + 5)
    names = [str(row["id"]) for row in rows]
    tables = Tables(tmp_path, engine, rows, "clips")
    tables.group({names[7]: names[6]})
    run.records["dedup"] = tables.run.records["dedup"]
    plain = run.recipe.sources[0]
    source = type(plain).model_validate({**plain.model_dump(), "columns": {"album": "string"}})
    run.recipe = run.recipe.model_copy(update={"sources": [source]})
    said = [{"id": names[n], "album": album} for n, album in ((3, "x"), (4, "x"), (6, "x"), (7, "x"), (2, "y"))]
    schema = pa.schema([pa.field("id", pa.string(), False), pa.field("album", pa.string())])
    file = run.workspace.write_table("columns.parquet", pa.Table.from_pylist(said, schema))
    run.records["annotate.columns"] = Record("annotate.columns", "", {"all": Output({"columns": file})})
    made = make(run, ("index.align_pairs",)).table("index.align_pairs", "pairs", PAIRS).to_pylist()
    video = {(row["a"], row["b"]) for row in made if row["source"] == 0}
    assert video == {(names[1], names[2]), (names[2], names[0])}, "neighbours in time; a single clip has none"
    album = sorted(names[n] for n in (3, 4, 6))
    assert {(row["a"], row["b"]) for row in made if row["source"] == 1} == set(itertools.pairwise(album))


def test_a_crop_is_a_part_that_depends_on_its_key_alone() -> None:
    picture = np.arange(60 * 80 * 3).reshape(60, 80, 3).astype(np.uint8)
    sides = set()
    for key in range(0, 2**64, 2**60 - 12345678901):
        part = crop_views.crop(picture, key)
        assert (part == crop_views.crop(picture, key)).all()
        assert 30 <= part.shape[0] <= 60 and 40 <= part.shape[1] <= 80
        sides.add(part.shape)
    assert len(sides) > 5
    assert crop_views.crop(picture[:1, :1], 12345).shape == (1, 1, 3)
