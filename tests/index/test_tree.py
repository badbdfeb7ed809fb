"""The tree: nodes are means, search finds what brute force finds, branches and workers change no byte, later items join."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.item_tables import clusters, indexed, opened, recipe, write

from dataengine.errors import RunError, UsageError
from dataengine.index import fit_stages
from dataengine.index.leaves_stage import advice
from dataengine.index.manifest import load, pointed
from dataengine.index.search import Index, open_index
from dataengine.pipeline import execute
from dataengine.storage.store import Store

COUNT = 3000


@pytest.fixture(params=[1 << 16, 512], ids=["one-branch", "branches"])
def branches(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Vectors of a branch."""
    monkeypatch.setattr(fit_stages, "BRANCH", request.param)
    return int(request.param)


def recall(index: Index, queries: Any, beam: int) -> float:
    found = [len(set(index.search(q, 20, beam).rows) & set(index.exact(q, 20).rows)) for q in queries]
    return sum(found) / (20 * len(queries))


@pytest.mark.parametrize("fan_out", [2, 8])
def test_nodes_are_means_and_a_whole_beam_is_exact(tmp_path: Path, branches: int, fan_out: int) -> None:
    vectors = clusters(COUNT)
    write(tmp_path / "items.parquet", vectors)
    index = opened(indexed(recipe(tmp_path, fan_out=fan_out)))
    assert len(index) == COUNT and index.depth == 8
    assert list(index.nodes) == (list(range(1, 9)) if fan_out == 2 else [2, 5, 8])
    for depth, layer in index.nodes.items():
        for node in (0, (1 << depth) - 1):
            leaves = np.arange(1 << (8 - depth)) + (node << (8 - depth))
            below = index.take(index.rows_of(leaves)).astype("f8")
            assert layer[node] == pytest.approx(below.mean(0), rel=1e-5, abs=1e-2)
            assert index.size(depth, node) == len(below)
    queries = vectors[:40] + 0.05
    assert recall(index, queries, beam=256) == 1
    assert recall(index, queries, beam=16) > 0.9 > recall(index, queries, beam=1)


def test_scores_are_cosines_with_the_table_s_vectors(tmp_path: Path, branches: int) -> None:
    vectors = clusters(COUNT)
    write(tmp_path / "items.parquet", vectors)
    index = opened(indexed(recipe(tmp_path)))
    hits = index.search(vectors[7], 5, beam=64)
    ids = index.described(hits.rows, ("id",))["id"].to_pylist()
    rows = [int(str(id_)[-5:]) for id_ in ids]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert rows[0] == 7 and hits.scores == pytest.approx(unit[rows] @ unit[7], abs=1e-3)
    assert index.rows_with([*map(str, ids), "none"]).tolist() == [*hits.rows.tolist(), -1]


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_faiss_over_the_same_rows(tmp_path: Path, kind: str) -> None:
    vectors = clusters(COUNT)
    write(tmp_path / "items.parquet", vectors)
    tree, other = (opened(indexed(recipe(tmp_path, kind=k))) for k in ("tree", kind))
    assert other.manifest.kind == kind and other.manifest.ann is not None and tree.manifest.ann is None
    assert recall(other, vectors[:40], beam=64) > 0.95
    odd = np.arange(COUNT) % 2 == 1
    assert (other.search(vectors[3], 20, 64, odd).rows % 2 == 1).all()


def test_a_condition_leaves_only_its_rows(tmp_path: Path) -> None:
    vectors = clusters(COUNT)
    write(tmp_path / "items.parquet", vectors)
    index = opened(indexed(recipe(tmp_path)))
    few = np.zeros(COUNT, np.bool_)
    few[[5, 900, 2400]] = True
    assert sorted(index.search(vectors[0], 20, 1, few).rows.tolist()) == [5, 900, 2400]


@pytest.mark.parametrize(
    ("query", "message"),
    [(np.ones(3), "has 3 components"), (np.zeros(16), "has no direction"), (np.full(16, np.nan), "has no direction")],
)
def test_a_query_without_direction_is_refused(tmp_path: Path, query: Any, message: str) -> None:
    write(tmp_path / "items.parquet", clusters(100))
    with pytest.raises(UsageError, match=message):
        opened(indexed(recipe(tmp_path))).search(query)


def test_all_equal_and_fewer_than_leaves(tmp_path: Path) -> None:
    write(tmp_path / "items.parquet", np.ones((40, 4), np.float32))
    index = opened(indexed(recipe(tmp_path, leaf_size=4)))
    hits = index.search(np.ones(4), 50, beam=64)
    assert len(hits.rows) == 40 and set(hits.scores) == {1.0}
    assert np.diff(index.starts).max() <= 4
    write(tmp_path / "items.parquet", clusters(3))
    assert len(opened(indexed(recipe(tmp_path, leaf_size=1, rebuild=True))).search(np.ones(16), 9).rows) == 3


def test_nothing_to_index_is_an_error_that_says_so(tmp_path: Path) -> None:
    write(tmp_path / "items.parquet", np.zeros((5, 4), np.float32))
    with pytest.raises(RunError, match="nothing to index: no vector can be indexed; left out: 5 zero "):
        indexed(recipe(tmp_path))


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.mark.slow
def test_the_same_index_from_one_and_two_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_stages, "BRANCH", 512)
    write(tmp_path / "items.parquet", clusters(COUNT))
    made = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        places = {"workspace": str(folder), "lock": str(tmp_path / f"{workers}.lock")}
        one = recipe(tmp_path).model_copy(update={"workers": workers, **places})
        execute(one, only="index")
        made.append(digests(folder / "index"))
    assert len(made[0]) > 40 and made[0] == made[1]
    assert all(r.state == "up to date" for r in execute(one, only="index")), "the lock changes no key"


def test_later_items_join_the_tree_and_a_rebuild_is_advised(tmp_path: Path, branches: int) -> None:
    vectors = clusters(COUNT)
    write(tmp_path / "items.parquet", vectors)
    first = indexed(recipe(tmp_path))
    tree = first.records["index.tree"].parts["all"].facts["id"]
    assert first.lock.content.tree is not None and first.lock.content.tree.id == tree
    write(tmp_path / "items.parquet", np.concatenate([vectors, clusters(600, seed=9)]))
    later = indexed(recipe(tmp_path))
    assert "index.fit" not in later.records and later.records["index.tree"].parts["all"].facts["id"] == tree
    index = opened(later)
    assert len(index) == COUNT + 600
    drift = later.records["index.nodes"].parts["all"].facts["drift"]
    assert drift["joined"] == 600 and drift["distance"] > 1.5, "they are of other clusters"
    assert "600 have joined it" in advice(drift, recipe(tmp_path).index)
    assert advice(first.records["index.nodes"].parts["all"].facts["drift"], recipe(tmp_path).index) == ""
    anew = indexed(recipe(tmp_path, rebuild=True))
    assert anew.records["index.tree"].parts["all"].facts["id"] != tree


def test_a_tree_of_another_model_is_refused(tmp_path: Path) -> None:
    for model in ("one", "two"):
        write(tmp_path / "items.parquet", clusters(200), model=[model] * 200)
        one = recipe(tmp_path, items={"path": str(tmp_path / "items.parquet"), "model": "model"})
        if model == "one":
            indexed(one)
    with pytest.raises(RunError, match="was fitted on vectors of one, and these are of two"):
        indexed(one)


def test_an_index_of_another_schema_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "items.parquet", clusters(100))
    run = indexed(recipe(tmp_path))
    key = run.records["index.nodes"].parts["all"].facts["manifest"]
    data = run.workspace.store.get(key)
    run.workspace.store.put(key, data.replace(b'"schema": "1"', b'"schema": "0"'))
    with pytest.raises(UsageError, match="is of schema 0, and this version reads 1: build it again"):
        load(run.workspace.store, key)
    run.workspace.store.put(key, b"{}")
    with pytest.raises(UsageError, match="is no manifest of an index"):
        load(run.workspace.store, key)
    with pytest.raises(UsageError, match="there is no index; run `dataengine index RECIPE`"):
        open_index(run.recipe.workspace, "index/none/manifest.json")


def test_a_recipe_points_to_its_index(tmp_path: Path) -> None:
    write(tmp_path / "items.parquet", clusters(100))
    one = recipe(tmp_path)
    store = Store(one.workspace)
    with pytest.raises(UsageError, match="has no index of recipe planted"):
        pointed(store, one.name, one.index)
    run = indexed(one)
    assert pointed(store, one.name, one.index) == run.records["index.nodes"].parts["all"].facts["manifest"]
    with pytest.raises(UsageError, match="was made with other settings"):
        pointed(store, one.name, recipe(tmp_path, fan_out=4).index)
    assert pointed(store, one.name, recipe(tmp_path, balance={"by": "leaf"}, codes={}).index), "the tree is the same"
    store.put(f"index/{one.name}.json", b"{")
    with pytest.raises(UsageError, match="is damaged"):
        pointed(store, one.name, one.index)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    write(tmp_path / "items.parquet", clusters(100))
    run = indexed(recipe(tmp_path))
    [vectors] = run.records["index.leaves"].files("vectors")
    run.workspace.store.put(vectors.key, b"short")
    with pytest.raises(UsageError, match="is missing or damaged: build the index again"):
        opened(run)
    for role in ("vectors", "rows"):
        [file] = run.records["index.leaves"].files(role)
        run.workspace.store.put(file.key, b"?" * file.bytes)
        with pytest.raises(UsageError, match="is missing or damaged"):
            opened(run).ids()
        indexed(recipe(tmp_path))
