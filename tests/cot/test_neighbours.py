"""Distractors and partners through the table engine: those of the whole ring, however its rows are cut and spread."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from support.engine_fixtures import Parted, partitions

from dataengine.config.cot import QuestionsConfig, SourceQAConfig
from dataengine.contracts import EDGES
from dataengine.cot.core.columns import decode
from dataengine.cot.questions.distractors import REACH, Arc, Sample, partner_count, ring_position
from dataengine.cot.questions.neighbours import RELEASED, Choice, neighbours
from dataengine.cot.questions.origins import ORIGINS
from dataengine.cot.questions.source_metadata_stage import source_pairs
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.engines.spark import SparkEngine
from dataengine.table_engine import TableEngine

WORDS = ["dog", "boat", "hall", "snow", "bread", "hill", "lamp", "river", "tower", "glass", "horse", "plum"]
Found = dict[str, tuple[list[tuple[str, str]], list[str]]]


def made(count: int, seed: int) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """Samples of both kinds and two splits, some clips of one video, some without captions; and edges, also to samples that are
    not in the release."""
    rng = random.Random(seed)
    ids = [f"{rng.getrandbits(128):032x}" for _ in range(count)]
    rows = []
    for n, id_ in enumerate(ids):
        texts = [" ".join(rng.sample(WORDS, 4)) for _ in range(rng.choice((0, 1, 1, 2)))]
        kind, split = rng.choice(("image", "image", "video")), rng.choice(("train", "train", "train", "validation"))
        parent = ids[n // 2] if rng.random() < 0.2 else id_
        rows.append({"id": id_, "kind": kind, "split": split, "parent": parent, "captions": texts, "offset": n})
    edges = [tuple(sorted(rng.sample([*ids, "f" * 32], 2))) for _ in range(count)]
    return rows, [(a, b) for a, b in edges]


def expected(rows: list[dict[str, Any]], edges: list[tuple[str, str]], choice: Choice) -> Found:
    """From whole rings, in this process."""
    known = {row["id"] for row in rows}
    found: Found = {}
    for split, kind in sorted({(row["split"], row["kind"]) for row in rows}):
        ring = [row for row in rows if (row["split"], row["kind"]) == (split, kind)]
        ring.sort(key=lambda row: (ring_position(choice.seed, row["id"]), row["id"]))
        samples = []
        for row in ring:
            near = {b if a == row["id"] else a for a, b in edges if row["id"] in (a, b)}
            samples.append(
                Sample(row["id"], row["parent"], tuple(row["captions"]), frozenset(near & known), _origins(row))
            )
        arc = Arc(samples)
        for at, sample in enumerate(samples):
            others = [(d.id, d.text) for d in arc.distractors(at, choice.captions)]
            found[sample.id] = (others, arc.partners(at, partner_count(kind, ring_position(choice.seed, sample.id))))
    return found


def _origins(row: dict[str, Any]) -> frozenset[str]:
    """Of videos, some the same."""
    return frozenset({f"in film {row['id'][:1]}"}) if row["kind"] == "video" else frozenset()


def by_engine(
    engine: TableEngine, rows: list[dict[str, Any]], edges: list[tuple[str, str]], choice: Choice, rows_per_arc: int
) -> Found:
    pairs = [{"a": a, "b": b, "kind": "exact", "distance": 0.0} for a, b in edges]
    origins = [{"id": row["id"], "origins": sorted(_origins(row))} for row in rows if row["kind"] == "video"]
    tables = ((rows, RELEASED), (pairs, EDGES), (origins, ORIGINS))
    frames = [engine.frame(pa.Table.from_pylist(some, schema)) for some, schema in tables]
    table = engine.collect(neighbours(engine, *frames, choice, rows_per_arc))
    engine.forget()
    assert len(table) == len(rows)
    places = {row["id"]: row["offset"] for row in rows}
    assert all(
        [places[id_] for id_ in row["partners"]] == [v["offset"] for v in row["videos"]] for row in table.to_pylist()
    )
    return {
        row["id"]: ([(d.id, d.text) for d in decode("distractors", row["distractors"])], row["partners"])
        for row in table.to_pylist()
    }


def engines(duck: DuckDBEngine) -> Iterator[TableEngine]:
    yield duck
    for parts in (1, 3):
        with Parted(parts, parts) as parted:
            yield parted


@pytest.mark.slow
@pytest.mark.parametrize(("count", "rows_per_arc"), [(0, 1000), (1, 1000), (40, 1000), (3000, 400)])
def test_neighbours_are_those_of_the_whole_ring(duck: DuckDBEngine, count: int, rows_per_arc: int) -> None:
    rows, edges = made(count, count)[0], made(count, count)[1] if count > 1 else []
    choice = Choice(3, 7)
    whole = expected(rows, edges, choice)
    assert count < 40 or any(others for others, _ in whole.values())
    assert count < 40 or any(partners for _, partners in whole.values())
    for engine in engines(duck):
        assert by_engine(engine, rows, edges, choice, rows_per_arc) == whole


def test_spark_finds_the_same_neighbours(spark: SparkEngine) -> None:
    rows, edges = made(3000, 5)
    choice = Choice(2, 1)
    with partitions(spark, 7):
        assert by_engine(spark, rows, edges, choice, 400) == expected(rows, edges, choice)


def test_an_open_arc_sees_what_the_ring_does() -> None:
    samples = [Sample(f"{n:03d}", f"{n:03d}", (" ".join(WORDS[n % 9 : n % 9 + 3]),)) for n in range(3 * REACH)]
    ring, arc = Arc(samples), Arc(samples[: 2 * REACH], closed=False)
    assert [arc.distractors(at, 3) for at in range(REACH)] == [ring.distractors(at, 3) for at in range(REACH)]
    assert ring.partners(3 * REACH - 1, 2) == ["000", "001"]


def test_pairs_of_a_sample_come_once_in_the_order_of_source_and_place() -> None:
    config = QuestionsConfig(source_qa=SourceQAConfig())
    qa = ['{"qa": [{"question": "why?", "answer": "so"}]}', '{"qa": [{"question": "how?", "answer": "thus"}]}']
    rows = [
        {"id": "x", "source": "b", "uri": "1", "meta": qa[0]},
        {"id": "y", "source": "b", "uri": "2", "meta": qa[1]},
        {"id": "x", "source": "a", "uri": "9", "meta": qa[0]},
        {"id": "x", "source": "b", "uri": "0", "meta": qa[1]},
    ]
    table = source_pairs(config, pa.Table.from_pylist(rows))
    found = {row["id"]: decode("pairs", row["pairs"]) for row in table.to_pylist()}
    assert [(p.question, p.place) for p in found["x"]] == [("why?", "a/9"), ("how?", "b/0")]
    assert [p.answer for p in found["y"]] == ["thus"] and table["n"].to_pylist() == [2, 1]
