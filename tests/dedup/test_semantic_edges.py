"""Semantic and pixel edges: views, captions, bad vectors, verdicts that are handed on, groups by ties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_image
from support import confirmation
from support.dedup_tables import unique

from dataengine.contracts import CAPTION_EMBEDDINGS, EMBEDDINGS, FINGERPRINTS, GROUPS
from dataengine.dedup import edges as find
from dataengine.dedup.aligned_edges import candidates as far_apart
from dataengine.dedup.confirmation_cache import VERDICTS
from dataengine.dedup.distances import Bounds
from dataengine.dedup.groups import Rules, group
from dataengine.dedup.kinds import ALIGNED, SEMANTIC
from dataengine.dedup.search_result import SearchResult
from dataengine.dedup.semantic_edges import candidates, semantic
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.media.image.fingerprint import fingerprint_of, thumbnail
from dataengine.table_engine import TableEngine

CHINA, FLOWER = (Image.fromarray(load_sample_image(f"{name}.jpg")) for name in ("china", "flower"))
THUMBNAIL = thumbnail(np.asarray(CHINA)).tobytes()


def vector(*values: float) -> bytes:
    return np.array(values, "<f2").tobytes()


def named(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ids a, b, c … where none are given."""
    return [{"id": chr(97 + n), "thumbnail": THUMBNAIL, **row} for n, row in enumerate(rows)]


def prints(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """contracts.FINGERPRINTS."""
    return pa.Table.from_pylist([{n: row.get(n) for n in FINGERPRINTS.names} for row in named(rows)], FINGERPRINTS)


def embeddings(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """contracts.EMBEDDINGS: ``vector`` is of the whole picture, ``inner`` of what is inside its margins."""
    whole = [{"id": row["id"], "view": 0, "vector": row["vector"]} for row in named(rows)]
    inner = [{"id": row["id"], "view": 1, "vector": row["inner"]} for row in named(rows) if "inner" in row]
    return pa.Table.from_pylist(whole + inner, EMBEDDINGS)


def captions(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """contracts.CAPTION_EMBEDDINGS: ``text`` is of the longest caption; a shorter one is near all others."""
    near = np.ones(3, "<f2").tobytes()
    texts = [{"id": row["id"], "vector": row["text"]} for row in named(rows) if "text" in row]
    both = [{**row, "caption": 0, "longest": False, "vector": near} for row in texts]
    return pa.Table.from_pylist(both + [{**row, "caption": 1, "longest": True} for row in texts], CAPTION_EMBEDDINGS)


def looked_at(picture: Image.Image, *values: float) -> dict[str, Any]:
    return {**fingerprint_of(np.asarray(picture.convert("RGB")), 1), "vector": vector(*values)}


def search(
    engine: TableEngine,
    rows: Sequence[dict[str, Any]],
    threshold: float = 0.9,
    *,
    text: float | None = None,
    confirm: bool = True,
    known: Any = None,
) -> SearchResult:
    texts = None if text is None else (engine.frame(captions(rows)), text)
    near = semantic(engine, engine.frame(embeddings(rows)), threshold, texts)
    if not confirm:
        return near
    copies = confirmation.confirm(engine, near.edges, SEMANTIC, prints(rows), known and known["verdicts"])
    return replace(copies, facts=near.facts)


def edges(engine: TableEngine, rows: Sequence[dict[str, Any]], **how: Any) -> list[tuple[str, str, float]]:
    found = engine.collect(search(engine, rows, **how).edges)
    return sorted((r["a"], r["b"], r["distance"]) for r in found.to_pylist())


def test_any_view_may_be_near_the_first_of_the_other(duck: DuckDBEngine) -> None:
    table = [
        {"vector": vector(1, 0, 0)},
        {"vector": vector(0, 1, 0), "inner": vector(1, 0.1, 0)},  # in a frame: its inside is a
        {"vector": vector(0, 0, 1), "inner": vector(1, 0, 0)},  # in another: its inside is a, exactly
        {"vector": vector(0, -1, 0), "inner": vector(0, 0.1, -1)},
    ]
    assert edges(duck, table, confirm=False) == [("a", "b", 0.005), ("a", "c", 0.0)]  # no edge of two insides


def test_own_views_and_the_nearest_of_several_count_once(duck: DuckDBEngine) -> None:
    table = [
        {"vector": vector(1, 0), "inner": vector(1, 0.02)},
        {"vector": vector(1, 0.4), "inner": vector(1, 0.1)},
    ]
    assert edges(duck, table, confirm=False) == [("a", "b", 0.005)]


def test_bad_vectors_are_left_out_and_counted(duck: DuckDBEngine) -> None:
    table = [
        {"vector": vector(1, 0)},
        {"vector": vector(float("nan"), 0)},
        {"vector": vector(0, 0)},
        {"vector": vector(float("inf"), 1)},
        {"vector": None, "thumbnail": None},
        {"vector": vector(1, 0.1)},
    ]
    assert edges(duck, table) == [("a", "f", 0.005)]
    found = search(duck, table, confirm=False).facts()
    assert (found["vectors"], found["left_out"], found["candidates"]) == (5, 3, 1)


@pytest.mark.parametrize("rows", [[], [{"vector": None, "thumbnail": None}], [{"vector": vector(1, 0)}]])
def test_nothing_to_compare(duck: DuckDBEngine, rows: list[dict[str, Any]]) -> None:
    assert edges(duck, rows) == []
    assert duck.collect(find.pixels(duck, duck.frame(prints(rows))).edges).num_rows == 0


def test_captions_must_agree_where_they_are_asked(duck: DuckDBEngine) -> None:
    table = [
        {"vector": vector(1, 0), "text": vector(1, 0, 0)},
        {"vector": vector(1, 0.1), "text": vector(1, 1, 0)},
        {"vector": vector(1, 0.2), "text": vector(0, 0, 1)},
        {"vector": vector(1, 0.3)},
    ]
    assert len(edges(duck, table)) == 6
    assert [e[:2] for e in edges(duck, table, text=0.5)] == [("a", "b")]


def test_only_copies_are_confirmed(duck: DuckDBEngine) -> None:
    part = CHINA.crop((30, 20, 610, 400))
    table = [looked_at(CHINA, 1, 0), looked_at(part, 1, 0.1), looked_at(FLOWER, 1, 0.2)]
    assert [e[:2] for e in edges(duck, table, confirm=False)] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [e[:2] for e in edges(duck, table)] == [("a", "b")]


def test_a_verdict_that_is_known_is_not_asked_for_again(duck: DuckDBEngine) -> None:
    table = [looked_at(CHINA, 1, 0), looked_at(ImageOps.mirror(CHINA), 1, 0.1), looked_at(FLOWER, 1, 0.2)]
    wrong = pa.Table.from_pylist(
        [
            {"a": "a", "b": "b", "alike": False},
            {"a": "b", "b": "c", "alike": True},
            {"a": "a", "b": "z", "alike": True},
        ],
        schema=VERDICTS,
    )
    found = search(duck, table, known={"verdicts": wrong})
    assert [(r["a"], r["b"]) for r in duck.collect(found.edges).to_pylist()] == [("b", "c")]
    verdicts = duck.collect(found.known["verdicts"]).sort_by([("a", "ascending"), ("b", "ascending")])
    assert [tuple(r.values()) for r in verdicts.to_pylist()] == [("a", "b", False), ("a", "c", False), ("b", "c", True)]


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12), st.data())
@settings(deadline=None, max_examples=15)
def test_a_new_batch_gives_the_edges_of_all_at_once(
    duck: DuckDBEngine, looks: list[tuple[int, int]], data: st.DataObject
) -> None:
    table = [looked_at(ImageOps.expand((CHINA, FLOWER)[n % 2], 4 * n), 1, 0.2 * m) for n, m in looks]
    first = sorted(data.draw(st.sets(st.sampled_from(range(len(looks))))))
    before = search(duck, [named(table)[n] for n in first], 0.95)
    later = search(duck, table, 0.95, known=before.known)
    assert sorted(duck.collect(later.edges).to_pylist(), key=str) == sorted(
        duck.collect(search(duck, table, 0.95).edges).to_pylist(), key=str
    )


def test_equal_pixels_are_a_star_whatever_the_file(duck: DuckDBEngine) -> None:
    table = [{"pixels": p} for p in ("x", "y", "x", None, None, "x")]
    found = duck.collect(find.pixels(duck, duck.frame(prints(table))).edges)
    assert sorted((r["a"], r["b"], r["kind"], r["distance"]) for r in found.to_pylist()) == [
        ("a", "c", "pixels", 0.0),
        ("a", "f", "pixels", 0.0),
    ]


def test_a_million_blank_pictures_are_linear(duck: DuckDBEngine) -> None:
    n = 200_000
    ids = pa.array([f"{k:06d}" for k in range(n)])
    blank = np.zeros((n, 8), "<f2")
    blank[:, 0] = 1
    same = pa.array([bytes(row) for row in blank], pa.binary())
    table = pa.table({"id": ids, "view": pa.array(np.zeros(n, np.int8)), "vector": same})
    found = candidates(0.9, None, table)
    assert found.num_rows == n  # n - 1 edges and what is told


def grouped(engine: TableEngine, table: pa.Table, found: list[tuple[str, str, str, float]]) -> list[tuple[Any, ...]]:
    """(id, representative, kind, distance) by pixels, pHash and semantic edges at 0.2."""
    rows = pa.Table.from_pylist([dict(zip(("a", "b", "kind", "distance"), e, strict=True)) for e in found])
    rules = Rules(("pixels", "perceptual", "semantic"), Bounds(6, 0.6, semantic=0.8), ("resolution",))
    groups = engine.collect(group(engine, engine.frame(table), engine.frame(rows), rules).groups).sort_by("id")
    return [
        tuple(row[n] for n in ("id", "representative", "kind", "distance"))
        for row in groups.select(GROUPS.names).to_pylist()
    ]


def sized(**widths: int) -> pa.Table:
    return unique(*({"id": name, "width": width} for name, width in widths.items()))


def test_equal_ones_are_as_one_to_their_representative(duck: DuckDBEngine) -> None:
    table = sized(a=1, b=9, c=1, d=1)
    star = [("a", "b", "pixels", 0.0), ("a", "c", "pixels", 0.0), ("a", "d", "semantic", 0.1)]
    assert grouped(duck, table, star) == [
        ("a", "b", "pixels", 0.0),
        ("b", "b", None, None),
        ("c", "b", "pixels", 0.0),  # tied to a only
        ("d", "d", None, None),  # near a, and nobody says how far from b
    ]


def test_semantic_copies_of_equal_vectors_keep_their_edges(duck: DuckDBEngine) -> None:
    table = sized(a=1, b=9, c=1, d=1)
    star = [("a", "b", "semantic", 0.0), ("a", "c", "semantic", 0.0), ("a", "d", "semantic", 0.1)]
    assert [row[1:] for row in grouped(duck, table, star)] == [
        ("b", "semantic", 0.0),
        ("b", None, None),
        ("b", "semantic", 0.0),
        ("b", "semantic", 0.1),
    ]


def test_semantic_likeness_does_not_chain(duck: DuckDBEngine) -> None:
    table = sized(a=9, b=1, c=1)
    chain = [("a", "b", "semantic", 0.1), ("b", "c", "semantic", 0.15)]
    assert [row[1] for row in grouped(duck, table, chain)] == ["a", "a", "c"]


def test_pictures_a_little_farther_apart_are_laid_on_one_another(duck: DuckDBEngine) -> None:
    bordered = ImageOps.expand(CHINA, 20, "black")
    table = [looked_at(CHINA, 1), looked_at(bordered, 1), looked_at(FLOWER, 1), looked_at(FLOWER, 1)]
    hashes = unique(*({"id": i, "phash": h} for i, h in zip("abcd", (0, 0x3FF, 0xFFC00, 0xFFC01), strict=True)))
    near = far_apart(duck, duck.frame(hashes), 6, 12)
    found = confirmation.confirm(duck, near.edges, ALIGNED, prints(table), None)
    assert duck.collect(found.edges).to_pylist() == [{"a": "a", "b": "b", "kind": "aligned", "distance": 10.0}]
    told = duck.collect(found.known["verdicts"]).to_pylist()
    assert sorted((v["a"], v["b"], v["alike"]) for v in told) == [
        ("a", "b", True),
        ("a", "c", False),
        ("a", "d", False),
    ]
    wrong = [{"a": "a", "b": "c", "alike": True}]
    later = duck.frame(pa.Table.from_pylist(wrong, VERDICTS))
    again = confirmation.confirm(
        duck, far_apart(duck, duck.frame(hashes), 6, 12, near.known).edges, ALIGNED, prints(table), later
    )
    assert sorted(r["b"] for r in duck.collect(again.edges).to_pylist()) == ["b", "c"]  # c as if judged before
