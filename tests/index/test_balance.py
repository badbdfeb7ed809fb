"""Clusters, draws and weights as columns, k-centre coverage, and how even a corpus is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.engine_fixtures import Parted
from support.indexed import CODES, clustered, make, run_of

from dataengine.config.index_codes import BalanceConfig
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.errors import UsageError
from dataengine.index.balance import weights
from dataengine.index.balance.k_centre import distances, k_centre
from dataengine.index.balance.stage import track
from dataengine.index.vectors import unit
from dataengine.stage import Run

INDEX = {
    "codes": {"levels": 2, "size": 6, "iterations": 5},
    "balance": {"by": "codes", "depth": 1, "temperature": 0.5, "coverage": {"centres": 5, "sample": 60}},
}
TREE = ("index.top", "index.route", "index.fit", "index.tree", "index.leaves")
STAGES = (*CODES, "index.centres", "index.coverage", "index.balance")

sizes = st.dictionaries(st.integers(1, 500), st.integers(1, 20), min_size=1, max_size=20)


def balanced(folder: Path, engine: Any = None, **balance: Any) -> Run:
    vectors = clustered(90)
    vectors[5] = 0
    return make(run_of(folder, vectors, {**INDEX, "balance": {**INDEX["balance"], **balance}}, engine=engine), STAGES)


def rows_of(run: Run) -> list[dict[str, Any]]:
    return run.table("index.balance", "table", track(run.recipe).schema).to_pylist()


@pytest.mark.parametrize("engine", [DuckDBEngine(threads=1), Parted(3, 1)], ids=["one process", "parted"])
def test_columns_of_clusters(tmp_path: Path, engine: Any) -> None:
    run = balanced(tmp_path, engine)
    rows = rows_of(run)
    counts = Counter(row["cluster"] for row in rows)
    assert len(rows) == 90 and counts.pop(None) == 1 and len(counts) <= 6
    ranks = {name: sorted(r["cluster_rank"] for r in rows if r["cluster"] == name) for name in counts}
    assert ranks == {name: list(range(1, n + 1)) for name, n in counts.items()}
    whole = [row for row in rows if row["cluster"] is not None]
    target = run.records["index.balance"].parts["all"].facts["target"]
    for row in whole:
        assert row["cluster_size"] == counts[row["cluster"]] and 0 <= row["balance_draw"] < 1
        assert row["balance_keep"] == pytest.approx(min(1, target / row["cluster_size"]), abs=1e-6)
    assert np.mean([row["balance_weight"] for row in whole]) == pytest.approx(1, abs=1e-4)
    by_draw = sorted(whole, key=lambda row: (row["cluster"], row["balance_draw"]))
    assert by_draw == sorted(whole, key=lambda row: (row["cluster"], row["cluster_rank"]))
    assert sorted(row["coverage_rank"] for row in whole if row["coverage_rank"]) == [1, 2, 3, 4, 5]
    assert all(row["coverage_distance"] < 2e-3 for row in whole if row["coverage_rank"]), "stored as float16"
    [none] = [row for row in rows if row["cluster"] is None]
    assert {name for name, value in none.items() if value is not None} == {"id", "balance_draw"}


def test_what_is_kept_does_not_depend_on_parts_or_engine_but_on_the_seed(tmp_path: Path) -> None:
    one, other = balanced(tmp_path / "a"), balanced(tmp_path / "b", Parted(2, 1))
    assert rows_of(one) == rows_of(other)
    seeded = make(run_of(tmp_path / "c", clustered(90), INDEX, seed=8), STAGES)
    draws = {row["id"]: row["balance_draw"] for row in rows_of(one)}
    assert all(draws[row["id"]] != row["balance_draw"] for row in rows_of(seeded))


def test_a_target_of_the_users(tmp_path: Path) -> None:
    run = balanced(tmp_path, target=4)
    kept = [row for row in rows_of(run) if row["cluster"] and row["balance_draw"] < row["balance_keep"]]
    capped = [row for row in rows_of(run) if row["cluster"] and row["cluster_rank"] <= 4]
    assert max(Counter(row["cluster"] for row in capped).values()) == 4
    assert 0 < len(kept) < 60


@pytest.mark.parametrize("engine", [DuckDBEngine(threads=1), Parted(3, 1)], ids=["one process", "parted"])
def test_leaves_and_subtrees_are_clusters(tmp_path: Path, engine: Any) -> None:
    vectors = clustered(90)
    vectors[5] = 0
    made = dict[str, dict[str, str | None]]()
    for by, balance in (("leaf", {"by": "leaf"}), ("subtree", {"by": "subtree", "depth": 1})):
        run = run_of(tmp_path / by, vectors, {"leaf_size": 12, "balance": balance}, engine=engine)
        made[by] = {row["id"]: row["cluster"] for row in rows_of(make(run, (*TREE, "index.balance")))}
    leaves, halves = (Counter(name for name in made[by].values() if name is not None) for by in ("leaf", "subtree"))
    assert len(leaves) == 8 and sorted(halves) == ["0", "1"] and leaves.total() == halves.total() == 89
    assert all((leaf is None) == (made["subtree"][id_] is None) for id_, leaf in made["leaf"].items())
    assert all(int(str(leaf)) // 4 == int(str(made["subtree"][id_])) for id_, leaf in made["leaf"].items() if leaf)


@given(sizes, st.floats(0, 1))
def test_weights_are_one_on_average_and_raise_small_clusters(counts: dict[int, int], temperature: float) -> None:
    every = np.array(sorted(counts))
    weight = weights.sampling_weight(every, counts, temperature)
    total = sum(w * n * counts[int(n)] for n, w in zip(every, weight, strict=True))
    assert total / weights.samples(counts) == pytest.approx(1, rel=1e-3, abs=1e-3)
    assert (np.diff(weight) <= 1e-6).all()
    inverse = weights.sampling_weight(every, counts, 0) * every
    assert inverse == pytest.approx(inverse[0], rel=1e-2), "every cluster as often as any other"


@given(sizes)
def test_evenness(counts: dict[int, int]) -> None:
    number = np.array([n for n, clusters in counts.items() for _ in range(clusters)], np.float64)
    share = number / number.sum()
    made = weights.evenness(counts)
    assert made["clusters"] == len(number) and made["largest"] == pytest.approx(share.max(), abs=1e-4)
    assert made["effective"] == pytest.approx(np.exp(-(share * np.log(share)).sum()), rel=1e-2)
    apart = np.abs(number[:, None] - number[None]).sum() / (2 * len(number) * number.sum())
    assert made["gini"] == pytest.approx(apart, abs=1e-3)
    assert weights.evenness({})["clusters"] == 0
    half = weights.samples(counts) / 2
    assert number[number <= weights.median_size(counts)].sum() >= half


def test_k_centre_covers_within_twice_the_optimum() -> None:
    vectors = unit(clustered(300, groups=12))
    chosen = k_centre(vectors, 12)
    apart = distances(vectors, vectors[chosen])
    assert len(set(chosen)) == 12 and chosen[0] == 0
    rng = np.random.default_rng(0)
    random = min(distances(vectors, vectors[rng.permutation(300)[:12]]).max() for _ in range(20))
    assert apart.max() <= random
    assert list(k_centre(np.repeat(vectors[:2], 5, axis=0), 7)) == [0, 5], "equal vectors are no second centre"
    assert len(k_centre(vectors[:0], 3)) == 0
    stored = unit(clustered(3, dim=512)).astype(np.float16).astype(np.float32)
    assert sorted(k_centre(stored, 12)) == [0, 1, 2], "a centre, whose stored length is not quite 1, is chosen once"
    assert (distances(stored, stored) == 0).all()


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({"balance": {"by": "codes", "depth": 1}}, "needs `index.codes`"),
        ({"codes": {"levels": 2}, "balance": {"by": "codes", "depth": 3}}, "depth 3.*the recipe has 2"),
    ],
)
def test_a_recipe_that_balances_by_what_it_has_not(tmp_path: Path, index: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make(run_of(tmp_path, clustered(20), index), ("index.balance",))


@pytest.mark.parametrize("config", [{"by": "leaf", "depth": 2}, {"by": "codes"}, {"temperature": 1.5}])
def test_settings_that_contradict_each_other(config: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"depth|temperature"):
        BalanceConfig.model_validate(config)
