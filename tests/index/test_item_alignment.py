"""Item alignment: pairs from files, tables, crops; a projection that brings held-out pairs nearer; kills, copies, bad pairs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.indexed import CODES, make, run_of
from support.planned import sample

from dataengine.config.index_codes import AlignConfig, PairSource
from dataengine.contracts import GROUPS
from dataengine.errors import RunError, UsageError
from dataengine.index.align import pair_table
from dataengine.index.align import stage as align_stage
from dataengine.index.align.fit import aligned
from dataengine.index.align.pair_table import NAMED, Counted
from dataengine.index.align.projection import Projection, from_bytes
from dataengine.index.align.training import Pairs, State, start, train
from dataengine.index.vectors import unit
from dataengine.stage import Run

ALIGN = ("index.align",)


def twins(pairs: int, seed: int = 0, shared: int = 12, noise: int = 20) -> Any:
    """``(2 * pairs, d)``: both of a pair have the same shared components and louder ones of their own; in an order that a
    projection has to learn."""
    rng = np.random.default_rng(seed)
    common = np.repeat(rng.normal(size=(pairs, shared)), 2, axis=0)
    own = rng.normal(size=(2 * pairs, noise)) * 1.4
    turn, _ = np.linalg.qr(np.random.default_rng(99).normal(size=(shared + noise,) * 2))
    return (np.concatenate([common, own], axis=1) @ turn).astype(np.float32)


def ids(count: int) -> list[str]:
    return [str(sample(n, "p")["id"]) for n in range(count)]


def pair_file(folder: Path, pairs: int, extra: Any = ()) -> str:
    names = ids(2 * pairs)
    rows = [{"a": names[2 * n], "b": names[2 * n + 1], "score": 1.0} for n in range(pairs)]
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "pairs.parquet").exists():
        pq.write_table(pa.Table.from_pylist([*rows, *extra]), folder / "pairs.parquet")
    return str(folder / "pairs.parquet")


def aligned_run(folder: Path, pairs: int = 200, extra: Any = (), **align: Any) -> Run:
    config = {
        "pairs": [{"path": pair_file(folder, pairs, extra), "weight": "score"}],
        "epochs": 12,
        "batch": 64,
        "learning_rate": 0.02,
        "device": "cpu",
        **align,
    }
    return make(run_of(folder, twins(pairs), {"align": config}), ALIGN)


def facts_of(run: Run) -> dict[str, Any]:
    return run.records["index.align"].parts["all"].facts


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_projection_lifts_retrieval_of_held_out_pairs(seed: int) -> None:
    x = unit(twins(400, seed))
    pairs = Pairs(x[::2], x[1::2], np.ones(400, np.float32), np.arange(400))
    config = AlignConfig(pairs=[PairSource(derive="crops")], epochs=15, batch=64, learning_rate=0.02)
    material = align_stage_material(pairs, np.arange(400) < 300)
    made = aligned(material, unit(twins(300, seed + 50)), config, seed)
    assert made.facts["recall"] > made.facts["recall_raw"] + 0.15
    assert made.facts["last_loss"] < made.facts["first_loss"] and made.facts["candidates"] == 100 + 600


def align_stage_material(pairs: Pairs, trained: Any) -> Any:
    from dataengine.index.align.fit import Material

    split = [pairs.take(np.flatnonzero(rows)) for rows in (trained, ~trained)]
    return Material(*split, frozenset(), {}, "")


def test_a_killed_training_goes_on_to_the_same_weights() -> None:
    x = unit(twins(60))
    pairs = Pairs(x[::2], x[1::2], np.ones(60, np.float32), np.arange(60))
    config, states = AlignConfig(pairs=[PairSource(derive="crops")], epochs=6, batch=16), list[State]()
    whole, losses = train(pairs, config, 3, "cpu", save=states.append)
    resumed, again = train(pairs, config, 3, "cpu", states[2])
    assert (whole == resumed).all() and losses == again and len(losses) == 6


def test_pairs_of_one_group_are_no_negatives() -> None:
    x = unit(twins(40))
    pairs = Pairs(x[::2], x[1::2], np.ones(40, np.float32), np.zeros(40, np.int64))
    config = AlignConfig(pairs=[PairSource(derive="crops")], epochs=1)
    _, losses = train(pairs, config, 0, "cpu")
    assert losses == [0.0], "nothing is left to be told apart"


@pytest.mark.parametrize(("dim", "width"), [(8, 8), (12, 8), (3, 8)])
def test_the_start_keeps_distances_as_far_as_its_width_allows(dim: int, width: int) -> None:
    x = np.random.default_rng(0).normal(size=(50, width)).astype(np.float32)
    moved = x @ start(x, dim).T
    assert moved.shape == (50, dim)
    kept = (moved**2).sum() / (x**2).sum()
    assert kept == pytest.approx(1) if dim >= width else 3 / 8 < kept < 1


def test_the_stage_publishes_a_projection_with_its_card(tmp_path: Path) -> None:
    run = aligned_run(tmp_path)
    facts = facts_of(run)
    assert facts["recall"] > facts["recall_raw"] and facts["pairs"] == 200
    assert align_stage.Align().objection(run) == ""
    files = run.records["index.align"].parts["all"].files
    projection = from_bytes(run.workspace.store.get(files["projection"].key))
    assert projection.id == facts["id"] and projection.model == "m1"
    card = run.workspace.store.get(files["card"].key).decode()
    assert f"| aligned | {facts['recall']:.1%} |" in card and "trained on" in card
    assert facts_of(aligned_run(tmp_path / "again"))["id"] == facts["id"]


def test_a_killed_stage_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = aligned_run(tmp_path / "a", 60)
    written, real = list[int](), align_stage.write_arrays

    def write(*args: Any) -> None:
        real(*args)
        written.append(1)
        if len(written) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(align_stage, "write_arrays", write)
    with pytest.raises(KeyboardInterrupt):
        aligned_run(tmp_path / "b", 60)
    resumed = aligned_run(tmp_path / "b", 60)
    assert len(written) == 12 and facts_of(resumed) == facts_of(whole)


def test_codes_are_of_aligned_vectors_and_follow_the_projection(tmp_path: Path) -> None:
    codes = {"levels": 2, "size": 4, "iterations": 3}
    config = {"pairs": [{"path": pair_file(tmp_path, 60)}], "epochs": 3, "dim": 8, "device": "cpu"}
    run = make(run_of(tmp_path, twins(60), {"align": config, "codes": codes}), (*ALIGN, *CODES))
    fitted = run.records["index.codebooks"].parts["all"].facts
    assert fitted["dim"] == 8 and fitted["model"] == f"m1+{facts_of(run)['id']}"
    raw = make(run_of(tmp_path, twins(60), {"codes": codes}), CODES)
    assert raw.records["index.codebooks"].parts["all"].facts["dim"] == 32
    assert raw.records["index.encode"].digest != run.records["index.encode"].digest


def test_pairs_that_cannot_be_used_are_counted(tmp_path: Path) -> None:
    first = ids(1)[0]
    bad = [
        {"a": first, "b": "f" * 32, "score": 1.0},
        {"a": first, "b": first, "score": 1.0},
        {"a": first, "b": ids(3)[2], "score": float("nan")},
        {"a": None, "b": first, "score": 1.0},
        {"a": ids(2)[1], "b": first, "score": 2.0},
    ]
    fates = facts_of(aligned_run(tmp_path, 60, bad))["fates"]
    assert fates["of an id without a vector"] == 1 and fates["of one sample with itself"] == 1
    assert fates["with a bad id or weight"] == 2 and fates["named twice"] == 1 and fates["with vectors"] == 60


def test_pairs_of_unknown_ids_alone_are_an_error_that_says_so(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": ["x" * 32] * 3, "b": ["y" * 32] * 3}), tmp_path / "p.parquet")
    run = run_of(tmp_path, twins(20), {"align": {"pairs": [{"path": str(tmp_path / "p.parquet")}], "device": "cpu"}})
    with pytest.raises(RunError, match=r"no pair can be trained on .*1 of an id without a vector, such as xxx"):
        make(run, ALIGN)
    few = run_of(tmp_path / "few", twins(1), {"align": {"pairs": [{"path": pair_file(tmp_path, 1)}], "device": "cpu"}})
    with pytest.raises(RunError, match="too few pairs to train on some and measure on others"):
        make(few, ALIGN)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([{"path": "none.parquet"}], "no such file"),
        ([{"path": "p.parquet", "a": "left"}], "p.parquet has no column `left`; its columns: a, b, c, d"),
        ([{"path": "p.parquet", "weight": "c"}], "p.parquet: column `c` is string; a weight must be a number"),
        ([{"path": "p.parquet", "a": "d"}], "p.parquet: column `d` is list<.*>; it must hold ids"),
        ([{"path": "p.csv"}], "p.csv: pairs are read from Parquet, or from JSON lines"),
        ([{"path": "p.jsonl"}], "p.jsonl, line 2: no pair of ids"),
        ([{"derive": "column", "column": "album"}], "no source declares a column `album`"),
    ],
)
def test_a_recipe_with_pairs_that_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pairs: Any, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    pq.write_table(pa.table({"a": ["x"], "b": ["y"], "c": ["z"], "d": [["x"]]}), "p.parquet")
    Path("p.csv").write_text("a,b\nx,y\n")
    Path("p.jsonl").write_text('\n{"x": 1}\n')
    with pytest.raises(UsageError, match=message):
        make(run_of(tmp_path, twins(5), {"align": {"pairs": pairs}}), ("index.align_pairs", *ALIGN))


@pytest.mark.parametrize(
    "pair", [{}, {"path": "p", "derive": "crops"}, {"derive": "column"}, {"derive": "video", "column": "x"}]
)
def test_a_source_of_pairs_is_of_one_kind(pair: Any) -> None:
    with pytest.raises(ValueError, match=r"path|column"):
        PairSource.model_validate(pair)


def test_pairs_of_json_lines_and_their_bad_lines(tmp_path: Path) -> None:
    place = tmp_path / "p.jsonl"
    place.write_text('{"x": "1", "y": "2", "w": 3}\n\n{"x": "4", "y": "5", "w": 0.5}\n')
    source = PairSource(path=str(place), a="x", b="y", weight="w")
    [table] = pair_table.of_file(source)
    assert table.to_pylist()[1] == {"a": "4", "b": "5", "weight": 0.5}
    for line in ("no json", "[]", json.dumps({"x": "1"})):
        place.write_text('{"x": "1", "y": "2", "w": 3}\n' + line)
        with pytest.raises(RunError, match="line 2: no pair of ids"):
            list(pair_table.of_file(source))


def test_weights_of_json_lines_that_are_none_are_counted(tmp_path: Path) -> None:
    place, counted = tmp_path / "p.jsonl", pair_table.Counted()
    rows: list[Any] = [{"x": 1, "y": 2, "w": w} for w in (2, "much", None, 1e39, 1e-50, 10**400)]
    place.write_text("\n".join(map(json.dumps, [*rows, {"x": None, "y": 2, "w": 1}, {"x": 1, "y": 2}])))
    [table] = pair_table.of_file(PairSource(path=str(place), a="x", b="y", weight="w"))
    assert pair_table.usable(table, counted).to_pylist() == [{"a": "1", "b": "2", "weight": 2.0}]
    assert counted.counts["with a bad id or weight"] == 7


@pytest.mark.parametrize("weight", [1e-40, 1e38])
def test_weights_of_any_size_train(weight: float) -> None:
    x = unit(twins(60))
    pairs, config = (
        Pairs(x[::2], x[1::2], np.ones(60, np.float32), np.arange(60)),
        AlignConfig(pairs=[PairSource(derive="crops")], epochs=2),
    )
    other = replace(pairs, weight=pairs.weight * np.float32(weight))
    assert train(other, config, 3, "cpu")[1] == train(pairs, config, 3, "cpu")[1]


def test_a_training_that_diverges_says_so() -> None:
    x = unit(twins(60))
    pairs = Pairs(x[::2], x[1::2], np.ones(60, np.float32), np.arange(60))
    with pytest.raises(RunError, match="larger `temperature`"):
        train(pairs, AlignConfig(pairs=[PairSource(derive="crops")], temperature=1e-45), 3, "cpu")


def test_copies_stand_for_their_representatives(tmp_path: Path) -> None:
    from support.planned import Tables

    from dataengine.engines.duckdb import DuckDBEngine

    names = ids(4)
    tables = Tables(tmp_path, DuckDBEngine(threads=1), [sample(n, "p") for n in range(4)])
    tables.group({names[1]: names[0]})
    pairs = pa.table({"a": [names[1], "unknown"], "b": [names[2], names[3]], "weight": [1.0, 2.0]}).cast(NAMED)
    workspace = tables.run.workspace
    file = workspace.write_table("groups.parquet", tables.run.table("dedup", "groups", GROUPS))
    made = pair_table.of_representatives(workspace, [file], pairs)
    assert made.to_pylist()[0] == {"a": names[0], "b": names[2], "weight": 1.0}
    assert made["a"][1].as_py() == "unknown"


def test_the_most_pairs_are_drawn_by_their_ids() -> None:
    pairs = pa.table({"a": [f"a{n}" for n in range(50)], "b": [f"b{n}" for n in range(50)], "weight": [1.0] * 50}).cast(
        NAMED
    )
    order = np.random.default_rng(0).permutation(50)
    counted = Counted()
    few = pair_table.limited(pairs.take(pa.array(order)), 10, 3, counted)
    assert few == pair_table.limited(pairs, 10, 3, Counted()) and len(few) == 10
    assert counted.counts["beyond most_pairs"] == 40


def test_held_out_groups_share_no_sample_with_those_trained_on() -> None:
    names = [("a", "b"), ("b", "c"), ("d", "e"), ("f", "g"), ("g", "h")]
    groups, group = pair_table.groups_of(names)
    assert list(group) == [0, 0, 1, 2, 2] and groups == ["a", "d", "f"]
    chain = [(f"{n:02d}", f"{n + 1:02d}") for n in range(9)]
    assert len(pair_table.groups_of(chain)[0]) == 9, "one group of all is no use: then by the first id"


def test_a_projection_is_for_its_own_vectors() -> None:
    projection = Projection(np.eye(3, 5, dtype=np.float32), "m")
    with pytest.raises(RunError, match="for vectors of 5 components, these have 4"):
        projection(np.ones((2, 4), np.float32))
    rows = unit(np.random.default_rng(0).normal(size=(2000, 5)))
    assert (projection(rows)[1500:1503] == projection(rows[1500:1503])).all()
    data = bytearray(projection.to_bytes())
    data[-1] ^= 4
    with pytest.raises(RunError, match="damaged"):
        from_bytes(bytes(data))
    with pytest.raises(RunError, match="not the projection of an index"):
        from_bytes(b"")
