"""Edges between the right kinds, groups with the right representative, and no dependence on order."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.dedup_tables import caption, unique
from support.grouping import KEEP, edges_of, expected_groups, groups_of, rules

from dataengine.contracts import EDGES, GROUPS, UNIQUE
from dataengine.dedup import edges as find
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.errors import RunError, UsageError


def rows_of(table: pa.Table) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


def grouped(
    engine: DuckDBEngine, table: pa.Table, radius: int = 6, keep: tuple[str, ...] = KEEP, reach: float | None = None
) -> tuple[list[tuple[Any, ...]], dict[str, Any]]:
    found, facts = groups_of(engine, table, edges_of(engine, table, radius), rules(radius, keep, reach))
    return rows_of(found), facts


def picture(id_: str, phash: int | None, **more: Any) -> dict[str, Any]:
    return {"id": id_, "phash": phash, **more}


def video(id_: str, hashes: list[int], **more: Any) -> dict[str, Any]:
    return {"id": id_, "kind": "video", "frame_hashes": hashes, **more}


def test_edges_stay_within_a_kind_and_flat_pictures_match_nothing(duck: DuckDBEngine) -> None:
    table = unique(
        video("v1", [0b1, 0b1 << 40]),
        picture("b", 0b0),
        picture("a", 0b111),
        picture("flat1", None),
        picture("flat2", None),
        video("v0", [0b11, 0b1 << 40, 0xFFFF << 16]),
        picture("far", 2**64 - 1),
    )
    assert rows_of(edges_of(duck, table)) == [("a", "b", "perceptual", 3.0, "1"), ("v0", "v1", "video", 0.0, "1")]


@pytest.mark.parametrize("table", [UNIQUE.empty_table(), unique(picture("a", 1)), unique(video("v", []))])
def test_no_pairs(duck: DuckDBEngine, table: pa.Table) -> None:
    edges = edges_of(duck, table, 8)
    assert edges.schema == EDGES and not edges.num_rows
    found, facts = groups_of(duck, table, edges, rules(8))
    assert found.schema == GROUPS
    assert found.to_pylist() == [
        {"id": i, "representative": i, "size": 1, "kind": None, "distance": None} for i in table["id"].to_pylist()
    ]
    assert facts == {"chained": 0, "cut": 0, "group_sizes": {}}


def test_equal_hashes_are_linear_in_edges_and_one_group(duck: DuckDBEngine) -> None:
    table = unique(*(picture(f"{n:06d}", 7) for n in range(3000)))
    big = pa.concat_tables(
        [table.set_column(0, UNIQUE.field("id"), [[f"{c:02d}{i}" for i in table["id"].to_pylist()]]) for c in range(34)]
    )
    edges = edges_of(duck, big, 8)
    assert edges.num_rows == big.num_rows - 1 == 101_999
    found, facts = groups_of(duck, big, edges, rules(8, reach=2))
    assert set(found["size"].to_pylist()) == {102_000}
    assert facts == {"chained": 0, "cut": 0, "group_sizes": {"102000": 1}}


@pytest.mark.parametrize(
    ("better", "keep"),
    [
        ({"width": 641}, KEEP),
        ({"bytes": 1001}, KEEP),
        ({"captions": [caption("longer")]}, KEEP),
        ({"width": 641, "bytes": 1}, KEEP),
        ({"width": 1, "bytes": 1001}, ("bytes",)),
        ({"width": 1, "captions": [caption("a"), caption("lóng")]}, ("caption_length", "resolution")),
        ({"width": 1, "captions": [caption("a"), caption("b")]}, ("captions",)),
        ({"width": 1, "mentions": 2}, ("mentions", "resolution")),
        ({"width": 1, "frames": 2, "duration": None}, ("duration", "frames")),
    ],
)
def test_the_best_stands_for_the_group(duck: DuckDBEngine, better: dict[str, Any], keep: tuple[str, ...]) -> None:
    table = unique(
        picture("a", 0, captions=[caption("cat")]), picture("b", 1, **{"captions": [caption("cat")], **better})
    )
    assert grouped(duck, table, keep=keep)[0] == [("a", "b", 2, "perceptual", 1.0), ("b", "b", 2, None, None)]


def test_ties_go_to_the_smaller_id(duck: DuckDBEngine) -> None:
    table = unique(picture("c", 0), picture("b", 1), picture("a", 3))
    assert [row[1] for row in grouped(duck, table)[0]] == ["a", "a", "a"]


def test_large_pictures_do_not_overflow(duck: DuckDBEngine) -> None:
    table = unique(picture("a", 0), picture("b", 0, width=60_000, height=60_000))
    assert [row[1] for row in grouped(duck, table)[0]] == ["b", "b"]


CHAIN = unique(
    picture("a", 0), picture("b", 0xF), picture("c", 0xFF), picture("d", 0xF), picture("e", 0xFFF), picture("f", 0xFFF)
)


def test_a_chain_without_a_guard_is_one_group_and_told(duck: DuckDBEngine) -> None:
    rows, facts = grouped(duck, CHAIN, radius=4)
    assert rows == [
        ("a", "a", 6, None, None),
        ("b", "a", 6, "perceptual", 4.0),
        ("c", "a", 6, "perceptual", 8.0),
        ("d", "a", 6, "perceptual", 4.0),
        ("e", "a", 6, "perceptual", 12.0),
        ("f", "a", 6, "perceptual", 12.0),
    ]
    assert facts == {"chained": 3, "cut": 0, "group_sizes": {"6": 1}}  # d is no chain, though its only edge is to b


@pytest.mark.parametrize(
    ("reach", "representatives", "chained", "cut"), [(1, "aacaee", 0, 3), (2, "aaaaee", 1, 2), (3, "aaaaaa", 3, 0)]
)
def test_a_chain_is_cut_where_it_reaches_too_far(
    duck: DuckDBEngine, reach: float, representatives: str, chained: int, cut: int
) -> None:
    rows, facts = grouped(duck, CHAIN, radius=4, reach=reach)
    if reach == 1:  # c is the best of what is left, and e and f are an edge's length from it
        representatives = "aacacc"
    assert ("".join(row[1] for row in rows), facts["chained"], facts["cut"]) == (representatives, chained, cut)


def test_a_long_chain_falls_into_groups_no_wider_than_the_reach(duck: DuckDBEngine) -> None:
    table = unique(*(picture(f"{n:02d}", (1 << n) - 1) for n in range(60)))
    found, facts = groups_of(duck, table, edges_of(duck, table, 4), rules(4, reach=2))
    assert max(d or 0 for d in found["distance"].to_pylist()) == 8
    assert (facts["group_sizes"], facts["cut"]) == ({"6": 1, "9": 6}, 51)


def test_a_chain_of_videos(duck: DuckDBEngine) -> None:
    base = [0x1111 << 4 * n for n in range(10)]
    table = unique(
        video("a", base[:6], width=1000),
        video("b", base[2:8]),
        video("c", base[4:10]),
    )
    rows, facts = grouped(duck, table, radius=0)
    assert rows == [
        ("a", "a", 3, None, None),
        ("b", "a", 3, "video", pytest.approx(1 - 4 / 6)),
        ("c", "a", 3, "video", pytest.approx(1 - 2 / 6)),
    ]
    assert facts["chained"] == 1


def test_mistakes_are_named(duck: DuckDBEngine) -> None:
    table = unique(picture("a", 0))
    with pytest.raises(UsageError, match="did you mean `bytes`"):
        rules(keep=("byte",))
    stranger = {"a": "a", "b": "zz", "kind": "perceptual", "distance": 1.0, "version": "1"}
    with pytest.raises(RunError, match="an edge names zz"):
        groups_of(duck, table, pa.Table.from_pylist([stranger], schema=EDGES), rules())


def test_captions_alike_are_edges_and_what_was_skipped_is_told(duck: DuckDBEngine) -> None:
    said = ["a red car on a long road", "a red car on a long roads", "two dogs", None]
    table = unique(*({"id": f"{n}", "captions": [caption(t)] if t else []} for n, t in enumerate(said)))
    found = find.text(duck, duck.frame(table), 0.7)
    assert [row[:3] for row in rows_of(duck.collect(found.edges))] == [("0", "1", "text")]
    assert found.facts() == {"left_out": 1, "candidates": 1, "skipped": 0}


@pytest.mark.slow
@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 15), min_size=1, max_size=40), st.data())
@settings(deadline=None, max_examples=40)
def test_a_new_batch_gives_the_edges_of_all_at_once(duck: DuckDBEngine, hashes: list[int], data: st.DataObject) -> None:
    table = unique(*(picture(f"{n:02d}", h) for n, h in enumerate(hashes)))
    rows = pa.array(sorted(data.draw(st.sets(st.sampled_from(range(len(hashes)))))), pa.int64())
    before = find.perceptual(duck, duck.frame(table.take(rows)), 6)
    now = find.perceptual(duck, duck.frame(table), 6)
    later = find.perceptual(duck, duck.frame(table), 6, before.known)
    order = [("a", "ascending"), ("b", "ascending")]
    assert duck.collect(later.edges).sort_by(order) == duck.collect(now.edges).sort_by(order)
    fewer = find.perceptual(
        duck, duck.frame(table.take(rows)), 6, now.known
    )  # inputs that are gone take their pairs along
    assert duck.collect(fewer.edges).sort_by(order) == duck.collect(before.edges).sort_by(order)


def test_known_pairs_are_not_searched_again(duck: DuckDBEngine) -> None:
    table = unique(picture("a", 0), picture("b", 1), picture("c", 1 << 40))
    known = {
        "hashes": pa.table({"hash": [0, 1]}),
        "pairs": pa.table({"x": [0], "y": [1], "distance": [5]}),
    }  # as if found before
    found = duck.collect(find.perceptual(duck, duck.frame(table), 1, known).edges).sort_by("b")
    assert rows_of(found) == [("a", "b", "perceptual", 5.0), ("a", "c", "perceptual", 1.0)]


_picture = st.fixed_dictionaries(
    {"phash": st.sampled_from([None, 0, 1, 7, 0xFF, 0xFFFF, 2**64 - 1]), "width": st.integers(1, 2)}
)
_video = st.fixed_dictionaries(
    {"kind": st.just("video"), "frame_hashes": st.lists(st.sampled_from([0, 1, 0xF0, 0xFF00, 2**63]), max_size=4)}
)


@pytest.mark.slow
@given(st.lists(_picture | _video, max_size=10), st.integers(0, 8), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_groups_are_the_components_and_order_does_not_matter(
    duck: DuckDBEngine, rows: list[dict[str, Any]], radius: int, rng: random.Random
) -> None:
    table = unique(*({"id": f"{n:02d}", **row} for n, row in enumerate(rows)))
    edges = edges_of(duck, table, radius)
    found, facts = groups_of(duck, table, edges, rules(radius))
    expected = expected_groups(table, edges, radius, None)
    sizes = Counter(expected.values())
    for row in found.to_pylist():
        assert (row["representative"], row["size"]) == (expected[row["id"]], sizes[expected[row["id"]]])
        assert (row["kind"] is None) == (row["distance"] is None) == (row["id"] == row["representative"])
    shuffled = table.take(pa.array(rng.sample(range(len(rows)), len(rows)), pa.int64()))
    again = edges_of(duck, shuffled, radius)
    assert again == edges
    backwards = again.take(pa.array(range(len(again)), pa.int64())[::-1])
    assert groups_of(duck, shuffled, backwards, rules(radius)) == (found, facts)


@pytest.mark.slow
@given(
    st.lists(st.integers(0, 255), min_size=1, max_size=14), st.integers(1, 3), st.sampled_from([1.0, 1.5, 2.0, None])
)
@settings(deadline=None, max_examples=60)
def test_groups_are_cut_by_the_rule(duck: DuckDBEngine, hashes: list[int], radius: int, reach: float | None) -> None:
    table = unique(*(picture(f"{n:02d}", h, width=1 + h % 5) for n, h in enumerate(hashes)))
    edges = edges_of(duck, table, radius)
    found, _ = groups_of(duck, table, edges, rules(radius, reach=reach))
    told = dict(zip(found["id"].to_pylist(), found["representative"].to_pylist(), strict=True))
    assert told == expected_groups(table, edges, radius, reach)
