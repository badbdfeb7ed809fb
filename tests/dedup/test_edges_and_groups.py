"""Edges between the right kinds, groups with the right representative, and no dependence on order."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa
import pytest
from dedup_tables import caption, unique
from hypothesis import given, settings
from hypothesis import strategies as st

from dataengine.contracts import EDGES, GROUPS, UNIQUE
from dataengine.dedup.find import find_edges
from dataengine.dedup.groups import group
from dataengine.errors import RunError, UsageError

KEEP = ["resolution", "bytes", "caption_length"]


def edges_of(table: pa.Table, radius: int = 6) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in find_edges(table, radius, 0.6).to_pylist()]


def groups_of(table: pa.Table, radius: int = 6, keep: list[str] = KEEP) -> tuple[list[tuple[Any, ...]], int]:
    edges = find_edges(table, radius, 0.6)
    found, chained = group(table, edges, keep, radius, 0.6)
    assert found.schema == GROUPS
    return [tuple(row.values()) for row in found.to_pylist()], chained


def picture(id_: str, phash: int | None, **more: Any) -> dict[str, Any]:
    return {"id": id_, "phash": phash, **more}


def video(id_: str, hashes: list[int], **more: Any) -> dict[str, Any]:
    return {"id": id_, "kind": "video", "frame_hashes": hashes, **more}


def test_edges_stay_within_a_kind_and_flat_pictures_match_nothing() -> None:
    table = unique(
        video("v1", [0b1, 0b1 << 40]),
        picture("b", 0b0),
        picture("a", 0b111),
        picture("flat1", None),
        picture("flat2", None),
        video("v0", [0b11, 0b1 << 40, 0xFFFF << 16]),
        picture("far", 2**64 - 1),
    )
    assert edges_of(table) == [("a", "b", "perceptual", 3.0), ("v0", "v1", "video", 0.0)]


@pytest.mark.parametrize("table", [UNIQUE.empty_table(), unique(picture("a", 1)), unique(video("v", []))])
def test_no_pairs(table: pa.Table) -> None:
    edges = find_edges(table, 8, 0.6)
    assert edges == EDGES.empty_table()
    found, chained = group(table, edges, KEEP, 8, 0.6)
    assert found.to_pylist() == [
        {"id": i, "representative": i, "size": 1, "kind": None, "distance": None} for i in table["id"].to_pylist()
    ]
    assert chained == 0


def test_equal_hashes_are_linear_in_edges_and_one_group() -> None:
    table = unique(*(picture(f"{n:06d}", 7) for n in range(3000)))
    big = pa.concat_tables(
        [table.set_column(0, UNIQUE.field("id"), [[f"{c:02d}{i}" for i in table["id"].to_pylist()]]) for c in range(34)]
    )
    edges = find_edges(big, 8, 0.6)
    assert edges.num_rows == big.num_rows - 1 == 101_999
    found, chained = group(big, edges, KEEP, 8, 0.6)
    assert (set(found["size"].to_pylist()), chained) == ({102_000}, 0)


@pytest.mark.parametrize(
    ("better", "keep"),
    [
        ({"width": 641}, KEEP),
        ({"bytes": 1001}, KEEP),
        ({"captions": [caption("longer")]}, KEEP),
        ({"width": 641, "bytes": 1}, KEEP),
        ({"width": 1, "bytes": 1001}, ["bytes"]),
        ({"width": 1, "captions": [caption("a"), caption("lóng")]}, ["caption_length", "resolution"]),
    ],
)
def test_the_best_stands_for_the_group(better: dict[str, Any], keep: list[str]) -> None:
    table = unique(
        picture("a", 0, captions=[caption("cat")]), picture("b", 1, **{"captions": [caption("cat")], **better})
    )
    assert groups_of(table, keep=keep)[0] == [("a", "b", 2, "perceptual", 1.0), ("b", "b", 2, None, None)]


def test_ties_go_to_the_smaller_id() -> None:
    table = unique(picture("c", 0), picture("b", 1), picture("a", 3))
    assert [row[1] for row in groups_of(table)[0]] == ["a", "a", "a"]


def test_large_pictures_do_not_overflow() -> None:
    table = unique(picture("a", 0), picture("b", 0, width=60_000, height=60_000))
    assert [row[1] for row in groups_of(table)[0]] == ["b", "b"]


def test_a_chain_keeps_its_kind_tells_the_direct_distance_and_is_counted() -> None:
    table = unique(picture("a", 0), picture("b", 0xF), picture("c", 0xFF), picture("d", 0xF))
    rows, chained = groups_of(table, radius=4)
    assert rows == [
        ("a", "a", 4, None, None),
        ("b", "a", 4, "perceptual", 4.0),
        ("c", "a", 4, "perceptual", 8.0),
        ("d", "a", 4, "perceptual", 4.0),
    ]
    assert chained == 1  # c; d is no chain, though its only edge is to b


def test_a_chain_of_videos() -> None:
    base = [0x1111 << 4 * n for n in range(10)]
    table = unique(
        video("a", base[:6], width=1000),
        video("b", base[2:8]),
        video("c", base[4:10]),
    )
    rows, chained = groups_of(table, radius=0)
    assert rows == [
        ("a", "a", 3, None, None),
        ("b", "a", 3, "video", pytest.approx(1 - 4 / 6)),
        ("c", "a", 3, "video", pytest.approx(1 - 2 / 6)),
    ]
    assert chained == 1


def test_mistakes_are_named() -> None:
    table = unique(picture("a", 0))
    with pytest.raises(UsageError, match="did you mean `bytes`"):
        group(table, EDGES.empty_table(), ["byte"], 6, 0.6)
    stranger = pa.Table.from_pylist([{"a": "a", "b": "zz", "kind": "perceptual", "distance": 1.0}], schema=EDGES)
    with pytest.raises(RunError, match="an edge names zz"):
        group(table, stranger, KEEP, 6, 0.6)


_picture = st.fixed_dictionaries(
    {"phash": st.sampled_from([None, 0, 1, 7, 0xFF, 0xFFFF, 2**64 - 1]), "width": st.integers(1, 2)}
)
_video = st.fixed_dictionaries(
    {"kind": st.just("video"), "frame_hashes": st.lists(st.sampled_from([0, 1, 0xF0, 0xFF00, 2**63]), max_size=4)}
)


@given(st.lists(_picture | _video, max_size=10), st.integers(0, 8), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_groups_are_the_components_and_order_does_not_matter(
    rows: list[dict[str, Any]], radius: int, rng: random.Random
) -> None:
    table = unique(*({"id": f"{n:02d}", **row} for n, row in enumerate(rows)))
    edges = find_edges(table, radius, 0.6)
    found, chained = group(table, edges, KEEP, radius, 0.6)
    expected = {i: {i} for i in table["id"].to_pylist()}
    for edge in edges.to_pylist():
        assert edge["a"] < edge["b"]
        merged = expected[edge["a"]] | expected[edge["b"]]
        expected.update(dict.fromkeys(merged, merged))
    facts = {row["id"]: row for row in table.to_pylist()}
    for row in found.to_pylist():
        members = expected[row["id"]]
        best = min(members, key=lambda i: (-facts[i]["width"], i))
        assert (row["representative"], row["size"]) == (best, len(members))
        assert (row["kind"] is None) == (row["distance"] is None) == (row["id"] == best)
    shuffled = table.take(pa.array(rng.sample(range(len(rows)), len(rows)), pa.int64()))
    again = find_edges(shuffled, radius, 0.6)
    assert again == edges
    assert group(shuffled, again.take(pa.array(range(len(again)), pa.int64())[::-1]), KEEP, radius, 0.6) == (
        found,
        chained,
    )
