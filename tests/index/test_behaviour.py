"""Search by sequences: co-occurrence counted by hand, both units, and what is not in the index."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.item_tables import clusters, indexed, opened, recipe, write

from dataengine.config.recipe import Recipe
from dataengine.errors import RunError, UsageError
from dataengine.index import behaviour, cooccurrence
from dataengine.index.behaviour import search
from dataengine.index.cooccurrence import NEIGHBOURS, pairs
from dataengine.pipeline import stages

ITEMS = 400


def with_sequences(folder: Path, sequences: list[Any], **settings: Any) -> Recipe:
    write(folder / "items.parquet", clusters(ITEMS), title=[f"Item {n}" for n in range(ITEMS)])
    pq.write_table(pa.table({"ids": pa.array(sequences, pa.list_(pa.string()))}), folder / "sequences.parquet")
    table = {"path": str(folder / "sequences.parquet"), "window": 1, **settings}
    return recipe(folder, items={"path": str(folder / "items.parquet"), "title": "title"}, sequences=table)


def counted(sequences: list[Any], window: int) -> list[dict[str, Any]]:
    total: Counter[tuple[str, str]] = Counter()
    for table in pairs(pa.array(sequences, pa.list_(pa.string())), window):
        for row in table.to_pylist():
            total[row["a"], row["b"]] += row["n"]
    return [{"a": a, "b": b, "n": n} for (a, b), n in sorted(total.items())]


def test_pairs_in_a_window_are_counted() -> None:
    assert counted([["c", "b", "a"], ["b", "c", None, "b"], None, ["a", "a"]], 1) == [
        {"a": "a", "b": "a", "n": 3},
        {"a": "a", "b": "b", "n": 1},
        {"a": "b", "b": "b", "n": 3},
        {"a": "b", "b": "c", "n": 3},
        {"a": "c", "b": "c", "n": 2},
    ]
    assert len(counted([["a", "b", "c"]], 2)) == 6
    assert counted([], 5) == counted([None, [None]], 5) == []


def test_long_sequences_are_counted_in_pieces_to_the_same_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(4)
    ids = [f"item-{n:05d}" for n in rng.zipf(1.6, 3000) % ITEMS]
    sequences = [ids[:2000], None, [], ids[2000:2100], [None, *ids[2100:]]]
    loaded = with_sequences(tmp_path, sequences, window=7)
    whole = indexed(loaded, "index.cooccurrence")
    window = 7
    together = Counter(
        tuple(sorted(pair))
        for some in ([i for i in s or [] if i is not None] for s in sequences)
        for n in range(len(some))
        for pair in ((some[n], other) for other in some[n + 1 : n + 1 + window] if other != some[n])
    )
    expected = whole.table("index.pairs", "pairs", cooccurrence.PAIRS).to_pylist()
    assert {(r["a"], r["b"]): r["n"] for r in expected if r["a"] != r["b"]} == dict(together)
    monkeypatch.setattr(cooccurrence, "_AT_ONCE", 100)
    monkeypatch.setattr(cooccurrence, "_HELD", 150)
    pieces = indexed(loaded, "index.cooccurrence")
    assert len(pieces.records["index.pairs"].files("pairs")) > 3 > len(whole.records["index.pairs"].files("pairs"))
    tables = [run.table("index.cooccurrence", "cooccurrence", NEIGHBOURS) for run in (whole, pieces)]
    assert tables[0].equals(tables[1]) and len(tables[0]) > ITEMS


def test_neighbours_by_the_cosine_of_counts(tmp_path: Path) -> None:
    sequences = [["item-00000", "item-00001"]] * 3 + [["item-00000", "item-00002"], ["item-00002", "item-00002"]]
    run = indexed(with_sequences(tmp_path, sequences, neighbours=1), "index.cooccurrence")
    rows = run.table("index.cooccurrence", "cooccurrence", NEIGHBOURS).to_pylist()
    assert [(r["id"][-1], r["neighbour"][-1], r["count"], r["place"]) for r in rows] == [
        ("0", "1", 3, 0),
        ("1", "0", 3, 0),
        ("2", "0", 1, 0),
    ]
    assert rows[0]["similarity"] == pytest.approx(3 / (4 * 3) ** 0.5, abs=1e-6)


def test_both_units_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sequences = [["item-00007", "item-00300", "item-00301"]] * 4 + [["item-00009", "item-00300"]]
    index = opened(indexed(with_sequences(tmp_path, sequences)))
    history = ["item-00007", "item-00009", "nobody"]
    answer = search(index, history, k=5, beam=64)
    assert answer.unknown == ["nobody"]
    rows = index.rows_with(history[:2])
    queries = index.take(rows).astype("f8")
    every = index.take(np.arange(ITEMS)).astype("f8")
    unit, others = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (queries, every))
    means = (others @ unit.T).mean(1)
    means[rows] = -1
    expected = index.described(np.argsort(-means)[:5], ("id", "caption")).to_pylist()
    assert [item.id for item in answer.multimodal.items] == [row["id"] for row in expected]
    assert [item.caption for item in answer.multimodal.items] == [row["caption"] for row in expected]
    assert answer.cooccurrence.items[0].id == "item-00300" and answer.cooccurrence.items[0].caption == "Item 300"
    for unit_ in (answer.multimodal, answer.cooccurrence):
        assert unit_.nodes and all(set(node.history) <= set(history[:2]) for node in unit_.nodes)
        assert [n.score for n in unit_.nodes] == sorted((n.score for n in unit_.nodes), reverse=True)
    best = answer.cooccurrence.nodes[0]
    assert best.number == index.leaf_of(int(index.rows_with(["item-00300"])[0]))
    upper = search(index, history, k=5, depth=2)
    assert {node.depth for node in upper.multimodal.nodes} == {2}
    assert search(index, history * 3, k=5, beam=64) == search(index, history, k=5, beam=64)
    monkeypatch.setattr(behaviour, "_COSINES", 900)
    assert search(index, history, k=5, beam=64) == answer, "the same in any blocks"
    allowed = np.ones(ITEMS, np.bool_)
    best_two = [answer.multimodal.items[0].id, "item-00300"]
    allowed[index.rows_with(best_two)] = False
    fewer = search(index, history, k=ITEMS, allowed=allowed)
    assert not {item.id for item in (*fewer.multimodal.items, *fewer.cooccurrence.items)} & set(best_two)
    assert fewer.multimodal.items and not fewer.cooccurrence.items
    assert sum(node.score for node in search(index, history, k=999).cooccurrence.nodes) == pytest.approx(1, abs=1e-4)


def test_what_is_absent_is_told(tmp_path: Path) -> None:
    write(tmp_path / "items.parquet", clusters(50))
    found = search(opened(indexed(recipe(tmp_path))), ["nobody"])
    assert "no id of the sequence" in found.multimodal.absent and "index.sequences" in found.cooccurrence.absent


def test_sequences_that_are_none_are_refused(tmp_path: Path) -> None:
    one = with_sequences(tmp_path, [["a"]])
    pq.write_table(pa.table({"ids": ["a b c"]}), tmp_path / "sequences.parquet")
    with pytest.raises(UsageError, match=r"sequences.parquet: column `ids` is string; it must be a list of ids"):
        stages(one)


def test_sequences_of_other_ids_stop_the_run_and_some_are_counted(tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r"sequences.parquet: none of the 2 ids in column `ids`, such as 7, is in the index"
    ):
        indexed(with_sequences(tmp_path, [["7", "8"]]))
    run = indexed(with_sequences(tmp_path, [["7", "item-00001"], ["item-00002", "item-00001"]]))
    counts = run.records["index.cooccurrence"].counts
    assert counts == {"neighbours": 4, "ids": 3, "ids_not_indexed": 1}
    assert indexed(with_sequences(tmp_path, [])).records["index.cooccurrence"].counts["ids"] == 0
