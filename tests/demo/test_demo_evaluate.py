from __future__ import annotations

import copy
import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataengine.contracts import LEDGER, input_id
from dataengine.demo.evaluate import Evaluation, auc, evaluate

LABELS: dict[str, Any] = {
    "version": "made up",
    "inputs": 7,
    "distinct": {"stills": 3, "clips": 0},
    "exact": [{"source": "web", "uri": "a-again", "of_source": "photos", "of_uri": "a", "how": "same bytes"}],
    "near": [
        {"source": "table", "uri": "a-small", "of_source": "photos", "of_uri": "a", "how": "resize 0.5"},
        {"source": "table", "uri": "a-jpeg", "of_source": "photos", "of_uri": "a", "how": "jpeg 30"},
    ],
    "wrong_caption": [{"source": "photos", "uri": "c"}],
    "right_caption": [{"source": "photos", "uri": "a"}, {"source": "photos", "uri": "b"}],
    "bad": [{"source": "photos", "uri": "cut", "failure": ["truncated", "corrupt"], "how": "cut"}],
}
SCORES = pa.table({"id": ["A", "B", "C"], "match": [0.5, 0.4, 0.1]})


def row(source: str, uri: str, id_: str | None, outcome: str, **more: Any) -> dict[str, Any]:
    return {"input_id": input_id(source, uri), "source": source, "uri": uri, "id": id_, "outcome": outcome} | more


def perfect() -> dict[str, dict[str, Any]]:
    """A ledger as it should be, by uri: the small copy of A has an exact copy's fate, all stand for A."""
    rows = [
        row("photos", "a", "A", "kept"),
        row("web", "a-again", "A", "duplicate", representative="A", kind="exact", distance=0.0),
        row("table", "a-small", "A2", "duplicate", representative="A", kind="perceptual", distance=2.0),
        row("table", "a-jpeg", "A3", "duplicate", representative="A", kind="perceptual", distance=2.0),
        row("photos", "b", "B", "kept"),
        row("photos", "c", "C", "filtered", rule="low-match", value="0.1"),
        row("photos", "cut", None, "failed", failure="corrupt", message="it ends early"),
    ]
    return {r["uri"]: r for r in rows}


def judged(rows: dict[str, dict[str, Any]], scores: pa.Table = SCORES) -> Evaluation:
    return evaluate(LABELS, pa.Table.from_pylist(list(rows.values()), schema=LEDGER), scores)


def test_a_perfect_run() -> None:
    found = judged(perfect())
    assert found.passed
    assert (found.exact_found, found.exact_total, found.near_found, found.near_total) == (1, 1, 2, 2)
    assert (found.bad_failed, found.bad_right_class, found.bad_total) == (1, 1, 1)
    assert found.false_merges == found.missed == found.good_failed == ()
    assert found.auc == 1.0
    assert ("near-duplicates found", "2 of 2") in found.table()
    assert ("AUC of match", "1.000 (2 right against 1 wrong captions)") in found.table()


def test_a_copy_may_stand_for_its_original() -> None:
    rows = perfect()
    rows["a"] |= {"outcome": "duplicate", "representative": "A2", "kind": "perceptual", "distance": 2.0}
    rows["a-again"] |= {"representative": "A2", "kind": "perceptual"}
    rows["a-small"] = row("table", "a-small", "A2", "kept")
    rows["a-jpeg"] |= {"representative": "A2"}
    found = judged(rows, pa.table({"id": ["A2", "B", "C"], "match": [0.5, 0.4, 0.1]}))
    assert found.passed
    assert found.right_captions == 2


def test_an_exact_copy_of_a_near_duplicate_may_name_either() -> None:
    rows = perfect()
    rows["a"] |= {"outcome": "duplicate", "representative": "A2", "kind": "perceptual", "distance": 2.0}
    rows["a-small"] = row("table", "a-small", "A2", "kept")
    rows["a-jpeg"] |= {"representative": "A2"}
    found = judged(rows)  # the exact copy still names A, which A2 stands for
    assert found.exact_found == 1
    assert found.false_merges == ()


def test_a_copy_that_was_kept_is_missed_and_named() -> None:
    rows = perfect()
    rows["a-jpeg"] = row("table", "a-jpeg", "A3", "kept")
    rows["a-again"] = row("web", "a-again", "A", "kept")
    found = judged(rows)
    assert (found.exact_found, found.near_found) == (0, 1)
    assert not found.passed
    assert any(said == "table/a-jpeg of photos/a: jpeg 30" for _, said in found.table())


def test_unlinked_inputs_that_were_merged_are_false_merges() -> None:
    rows = perfect()
    rows["b"] |= {"outcome": "duplicate", "representative": "A", "kind": "perceptual", "distance": 6.0}
    found = judged(rows)
    assert found.false_merges == ("photos/b into photos/a",)
    assert not found.passed


def test_an_original_in_a_strangers_group_is_a_false_merge_though_its_copies_follow() -> None:
    rows = perfect()
    for uri in ("a", "a-again", "a-small", "a-jpeg"):
        rows[uri] |= {"outcome": "duplicate", "representative": "B", "kind": "perceptual", "distance": 6.0}
    found = judged(rows)
    assert len(found.false_merges) == 4
    assert found.near_found == 2


def test_a_duplicate_of_nothing_is_a_false_merge() -> None:
    rows = perfect()
    rows["b"] |= {"outcome": "duplicate", "representative": "Z", "kind": "perceptual", "distance": 6.0}
    assert judged(rows).false_merges == ("photos/b into Z",)


@pytest.mark.parametrize(
    ("change", "failed", "right"),
    [
        ({"failure": "timeout"}, 1, 0),
        ({"outcome": "kept", "id": "X", "failure": None}, 0, 0),
        (None, 0, 0),
    ],
)
def test_bad_files_must_fail_with_their_class(change: dict[str, Any] | None, failed: int, right: int) -> None:
    rows = perfect()
    if change is None:
        del rows["cut"]
    else:
        rows["cut"] |= change
    found = judged(rows)
    assert (found.bad_failed, found.bad_right_class) == (failed, right)
    assert len(found.misjudged) == 1
    assert not found.passed


def test_a_good_file_that_failed_is_named() -> None:
    rows = perfect()
    rows["b"] = row("photos", "b", None, "failed", failure="timeout", message="too slow")
    found = judged(rows)
    assert found.good_failed == ("photos/b: timeout",)
    assert not found.passed


def test_missing_inputs_do_not_pass() -> None:
    rows = perfect()
    del rows["b"]
    found = judged(rows)
    assert (found.rows, found.inputs) == (6, 7)
    assert not found.passed


def test_scores_that_are_not_there_are_left_out() -> None:
    empty = pa.table({"id": pa.array([], pa.string()), "match": pa.array([], pa.float64())})
    found = judged(perfect(), empty)
    assert math.isnan(found.auc)
    assert found.table()[-1][1].startswith("no scores")
    holes = pa.table({"id": ["A", "B", "C"], "match": [None, math.nan, 0.1]})
    assert judged(perfect(), holes).right_captions == 0


def test_ties_count_half() -> None:
    assert auc([1, 1], [1, 1]) == 0.5
    assert auc([0.3, 0.1], [0.1]) == 0.75
    assert auc([0.0], [1.0]) == 0.0


values = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=30)


@given(values, values)
def test_auc_is_the_share_of_ordered_pairs(right: list[float], wrong: list[float]) -> None:
    pairs = [1.0 if r > w else 0.5 if r == w else 0.0 for r in right for w in wrong]
    assert auc(right, wrong) == pytest.approx(sum(pairs) / len(pairs))


def test_a_perfect_run_over_the_real_labels(labels: dict[str, Any]) -> None:
    rows = []
    copies = {(c["source"], c["uri"]): (c["of_source"], c["of_uri"]) for c in labels["exact"] + labels["near"]}
    bad = {(b["source"], b["uri"]): b for b in labels["bad"]}
    originals = {*copies.values()} | {(n["source"], n["uri"]) for n in labels["right_caption"]}
    for name in originals:
        rows.append(row(*name, "/".join(name), "kept"))
    for name, of in copies.items():
        rows.append(row(*name, "/".join(name), "duplicate", representative="/".join(of), kind="perceptual"))
    for name, b in bad.items():
        rows.append(row(*name, None, "failed", failure=b["failure"][0]))
    some = copy.deepcopy(labels) | {"inputs": len(rows), "exact": []}
    some["near"] += labels["exact"]
    found = evaluate(some, pa.Table.from_pylist(rows, schema=LEDGER), SCORES)
    assert found.passed
    assert found.near_found == len(labels["near"]) + len(labels["exact"])
