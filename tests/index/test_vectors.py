"""Vectors of an index: joined from embeddings or read from a table, and what is left out of it with which reason."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.in_process import made_here
from support.item_tables import indexed
from support.item_tables import recipe as items_recipe
from support.planted_lists import recipe as base_recipe

from dataengine.config.recipe import Recipe, load
from dataengine.contracts import GROUPS
from dataengine.errors import RunError, UsageError
from dataengine.index.item_table import one_model
from dataengine.index.vectors import LEFT_OUT, Space, read
from dataengine.pipeline import stages


def of_items(folder: Path, rows: Sequence[dict[str, Any]], **table: Any) -> Recipe:
    path = folder / "items.parquet"
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return items_recipe(folder, items={"path": str(path), **table})


def test_the_product_of_joined_vectors_is_the_mean_of_both_cosines() -> None:
    rng = np.random.default_rng(3)
    image, caption = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (rng.normal(size=(2, d)) for d in (8, 3)))
    joined = Space("both", "m", (8, 3), False, 0.25).joined(image.astype("f4"), caption.astype("f4"))
    cosines = 0.75 * image[0] @ image[1] + 0.25 * caption[0] @ caption[1]
    assert joined[0] @ joined[1] == pytest.approx(cosines, abs=1e-6)
    assert np.linalg.norm(joined, axis=1) == pytest.approx(1)


def test_a_joint_encoder_gives_the_weighted_mean() -> None:
    image, caption = np.eye(4, dtype="f4")[:2], np.eye(4, dtype="f4")[2:]
    joined = Space("both", "m", (4, 4), True, 0.5).joined(image, caption)
    assert joined == pytest.approx((image + caption) / 2**0.5, abs=1e-6)
    assert (Space("image", "m", (4, 0), True, 0.0).joined(image, None) == image).all()


def test_an_id_in_two_rows_is_refused_with_examples(tmp_path: Path) -> None:
    rows = [{"id": f"i{n % 7}", "vector": [1.0, n + 1.0] if n < 8 else None} for n in range(9)] + [
        {"id": None, "vector": None}
    ] * 2
    with pytest.raises(
        RunError, match=r"2 ids are in several rows of .*items.parquet, such as i0, i1: an id names one item"
    ):
        indexed(of_items(tmp_path, rows))
    run = indexed(of_items(tmp_path, [*rows[:7], *rows[9:]]))
    assert run.records["index.items"].counts == {"samples": 7}


@pytest.mark.parametrize(("of", "dim"), [("image", 1280), ("caption", 384), ("both", 1664)])
def test_representatives_are_indexed(photos: Path, of: str, dim: int) -> None:
    run = made_here(base_recipe(photos, None, index={"of": of}), "index.vectors")
    ids, vectors = read(run.workspace, run.records["index.vectors"].files("vectors"))
    groups = run.table("dedup", "groups", GROUPS).to_pylist()
    whole = {g["id"] for g in groups if g["id"] == g["representative"]}
    left_out = run.table("index.vectors", "left_out", LEFT_OUT)
    assert set(ids.to_pylist()) | set(left_out["id"].to_pylist()) == whole
    assert set(left_out["failure"].to_pylist()) == ({"no_embedding"} if of == "caption" else set())
    assert vectors.shape == (len(ids), dim)
    assert np.linalg.norm(vectors.astype("f4"), axis=1) == pytest.approx(1, abs=1e-3)


def test_unusable_items_are_left_out_with_the_reason(tmp_path: Path) -> None:
    good = [{"id": f"item-{n}", "vector": [1.0, n, 0.5]} for n in range(4)]
    bad = [
        {"id": "nan", "vector": [float("nan"), 0.0, 1.0]},
        {"id": "endless", "vector": [float("inf"), 0.0, 1.0]},
        {"id": "nought", "vector": [0.0, 0.0, 0.0]},
        {"id": "short", "vector": [1.0]},
        {"id": "none", "vector": None},
        {"id": None, "vector": [1.0, 0.0, 0.0]},
    ]
    run = indexed(of_items(tmp_path, [*good, *bad]), "index.vectors")
    ids, vectors = read(run.workspace, run.records["index.vectors"].files("vectors"))
    assert ids.to_pylist() == [row["id"] for row in good] and vectors.shape == (4, 3)
    reasons = run.table("index.vectors", "left_out", LEFT_OUT).to_pylist()
    assert {r["id"]: r["failure"] for r in reasons} == {
        "nan": "not_finite",
        "endless": "not_finite",
        "nought": "zero",
        "short": "wrong_dimension",
        "none": "no_vector",
        None: "no_id",
    }
    assert run.records["index.vectors"].counts == {"samples": 4, "left_out": 6}
    with pytest.raises(RunError, match="no vector can be indexed; left out: 1 not finite, 1 zero"):
        indexed(of_items(tmp_path, [bad[0], bad[2]]))


def test_whole_numbers_are_vectors_and_a_table_of_mostly_unusable_ones_stops_the_run(tmp_path: Path) -> None:
    run = indexed(of_items(tmp_path, [{"id": n, "vector": [2**50 + 1, n - 3]} for n in range(9)]), "index.vectors")
    assert run.records["index.vectors"].counts == {"samples": 9, "left_out": 0}
    [stage] = [one for one in stages(run.recipe) if one.name == "index.vectors"]
    assert stage.objection(run) == ""
    over = [{"id": str(n), "vector": [1.0] * (1 if n < 30 else 2)} for n in range(60)]
    reason = stage.objection(indexed(of_items(tmp_path, over), "index.vectors"))
    assert "items.parquet: 30 of 60 rows have no vector that can be indexed (30 wrong dimension)" in reason
    assert "limits.failed allows 20%" in reason


def test_an_index_of_items_needs_no_sources_policy_and_release(tmp_path: Path) -> None:
    items = of_items(tmp_path, [{"id": str(n), "vector": [1.0, n]} for n in range(60)]).index
    assert items is not None
    pq.write_table(pa.table({"a": [str(n) for n in range(30)], "b": [str(n + 30) for n in range(30)]}), tmp_path / "p")
    index = items.model_dump(mode="json", exclude_unset=True)
    index |= {"align": {"pairs": [{"path": str(tmp_path / "p")}], "epochs": 1}, "codes": {"levels": 1, "size": 4}}
    blocks = {"name": "shop", "workspace": str(tmp_path / "ws"), "index": index}
    loaded = load(blocks)
    assert loaded.sources == [] and {one.name.partition(".")[0] for one in stages(loaded)} == {"index"}
    assert Recipe.model_validate(loaded.model_dump()) == loaded
    run = indexed(loaded, "index.codes")
    assert run.records["index.codes"].counts["with"] == 60
    for more in ({"tokenize": {}}, {"index": {**index, "release": True}}, {"index": {"of": "image"}}):
        with pytest.raises(UsageError, match="`sources` is missing"):
            load({**blocks, **more})


@pytest.mark.parametrize(
    ("rows", "table", "message"),
    [
        ([{"id": "a", "vector": [1.0]}], {"vector": "embedding"}, "has no column `embedding`; its columns: id, vector"),
        ([{"id": "a", "vector": "x"}], {}, "items.parquet: column `vector` is string; it must be a list of numbers"),
        ([{"id": ["a"], "vector": [1.0]}], {}, "items.parquet: column `id` is .*; it must be text or numbers"),
        ([{"id": b"a", "vector": [1.0]}], {}, "items.parquet: column `id` is binary; it must be text or numbers"),
        (
            [{"id": "a", "vector": [1.0], "name": ["a"]}],
            {"title": "name"},
            "column `name` is .* must be text or numbers",
        ),
        ([{"id": "a", "vector": []}], {}, "column `vector` has no vector in any row|must be a list of numbers"),
    ],
)
def test_a_table_that_cannot_be_indexed_is_refused_before_anything_runs(
    tmp_path: Path, rows: list[dict[str, Any]], table: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        stages(of_items(tmp_path, rows, **table))


def test_vectors_of_two_models_are_refused(tmp_path: Path) -> None:
    rows = [{"id": str(n), "vector": [1.0, n], "encoder": f"clip-{n % 2}"} for n in range(4)]
    run = indexed(of_items(tmp_path, rows, model="encoder"), "index.vectors")
    with pytest.raises(RunError, match=r"vectors of 2 models \(clip-0, clip-1\)"):
        one_model(run.records["index.vectors"].parts.values())


def test_no_table_and_no_parquet_are_refused(tmp_path: Path) -> None:
    recipe = of_items(tmp_path, [{"id": "a", "vector": [1.0]}])
    (tmp_path / "items.parquet").write_text("no table")
    with pytest.raises(UsageError, match="is damaged, or no Parquet file"):
        stages(recipe)
    (tmp_path / "items.parquet").unlink()
    with pytest.raises(UsageError, match="no such file"):
        stages(recipe)
