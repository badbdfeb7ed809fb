"""The mix planned by parts: however documents are divided, the same sequences and ledger; decisions told row by row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sequence_release import recipe, run
from support.sequence_runs import TOKENIZER, committed, ledger

from dataengine.sequence import draw_stage, occurrences
from dataengine.sequence.decision import Boundary, Decision, Within
from dataengine.sequence.occurrences import OCCURRENCES
from dataengine.sequence.pack_stage import set_files


@pytest.mark.parametrize("sizes", [(1 << 16, 1 << 16), (6, 1 << 16), (6, 4)])
def test_the_same_sequences_however_documents_are_divided(
    tmp_path: Path, release: str, texts: str, monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, int]
) -> None:
    sources = [
        {"type": "cot", "name": "cot", "release": release},
        {"type": "samples", "name": "captions", "release": release, "epochs": 2.5, "cap": 900},
        {"type": "text", "name": "books", "path": texts, "weight_column": "w"},
    ]
    sets = [{"name": "s", "length": 128, "pool": 4, "shares": {"image": 2, "text": 1, "cot": 1}, "too_long": "split"}]
    block = {"tokenizer": TOKENIZER, "sources": sources, "sets": sets}
    made = []
    for number, (rows, pieces) in enumerate([(1 << 16, 1 << 16), sizes]):
        monkeypatch.setattr(draw_stage, "_ROWS", rows)
        monkeypatch.setattr(occurrences, "_AT_ONCE", pieces)
        loaded = recipe(tmp_path / str(number), block)
        run(loaded)
        run_ = committed(loaded)
        made.append(([file.sha256 for file in set_files(run_, "s")], ledger(run_, "s")))
        parts = len(run_.records["sequence.draw"].parts)
        assert (parts > 8) is (rows < 100) and len(made[-1][0]) > 2
    assert made[0] == made[1]


def rows(*given_rows: tuple[str, str, int, str, int, str]) -> pa.Table:
    """OCCURRENCES with source, cell, bucket, place, chance and rank; id is the place."""
    plain: dict[str, Any] = dict.fromkeys(("modality", "pack"), "")
    plain |= dict.fromkeys(("rows", "visual", "offset", "occurrence", "piece", "start", "stop", "length"), 0)
    names = ("source", "cell", "bucket", "place", "chance", "rank")
    listed = [{**plain, "media": [], "id": row[3], **dict(zip(names, row, strict=True))} for row in given_rows]
    return pa.Table.from_pylist(listed, OCCURRENCES)


TABLE = rows(
    ("a", "x", 1, "p1", 0, ""), ("a", "y", 5, "p2", 0, ""), ("b", "x", 9, "p3", 250, "r3"), ("b", "x", 2, "p4", 250, "r4"),
    ("c", "z", 0, "p5", 250, "r1"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("decision", "used"),
    [
        (Decision(), "p1 p2"),
        (Decision({("b", 250): ("r3", "p3")}), "p1 p2 p3"),
        (Decision({("b", 250): ("r4", "p4"), ("c", 250): ("r1", "p4")}), "p1 p2 p3 p4"),
        (Decision(caps=Within({"a": 5})), "p1"),
        (Decision(caps=Within({"a": 5}, frozenset({"p2"}))), "p1 p2"),
        (Decision({("b", 250): ("~", "")}, Within({"a": 9, "b": 3}), Within({"x": 2}, frozenset({"p4"}))), "p1 p4"),
    ],
)
def test_what_is_decided_is_told_of_each_row_by_itself(decision: Decision, used: str) -> None:
    chosen = TABLE.filter(pa.array(decision.chosen(TABLE)))
    assert " ".join(chosen["place"].to_pylist()) == used
    assert Decision.from_bytes(decision.to_bytes()) == decision
    assert not len(decision.chosen(TABLE.slice(0, 0)))


def test_pools_and_boundaries() -> None:
    decision = Decision(pools=tuple(range(10)))
    pooled = decision.pooled("s", TABLE)
    assert pooled["part"].to_pylist() == ["s-00001", "s-00005"]
    boundary = Boundary({"x": 1, "y": 6}, {"x": 3, "y": 9})
    assert np.flatnonzero(boundary.mask(TABLE, "cell")).tolist() == [0, 3]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), max_size=12), st.integers(0, 10))
def test_a_mask_is_that_of_each_row(pairs: list[tuple[str, int]], limit: int) -> None:
    table = rows(*((source, "x", bucket, f"p{n}", 0, "") for n, (source, bucket) in enumerate(pairs)))
    mask = Within({"a": limit}, frozenset({"p3"})).mask(table, "source")
    assert mask.tolist() == [(s == "a" and b < limit) or n == 3 for n, (s, b) in enumerate(pairs)]
