"""The table stages at size: groups of ten million edges, ten million decisions, shards, ledger; Spark beside DuckDB.

Sections of ``dedup_scale.py``, which runs each line in a process of its own; apart, because their inputs are tables rather than
hashes. Inputs are made and, where a stage reads files, written before the clock starts.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataengine import contracts
from dataengine.engines.tables import canonical
from dataengine.storage.workspace import Workspace
from dataengine.table_engine import Frame, TableEngine

Outcome = tuple[float, dict[str, Any]]
RULES = (
    ("width", "width >= 200 and height >= 200"),
    ("aspect", "aspect between 0.3 and 3.3"),
    ("kind", "kind in ('image', 'video')"),
    ("blur", "blur >= 50"),
    ("aesthetic", "aesthetic >= 4.2"),
    ("match", "match >= 0.2"),
    ("nsfw", "nsfw < 0.8"),
)
SCORES = ("aspect", "blur", "aesthetic", "match", "nsfw")
HASHED = contracts.columns(id=pa.string(), kind=pa.string(), phash=pa.int64(), width=pa.int32(), height=pa.int32())


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    made = work()
    return time.perf_counter() - start, made


def ids(n: int, seed: int = 0) -> pa.Array[Any]:
    """Sorted as the engine's own tables are: 32 hex digits each."""
    words = np.sort(np.random.default_rng(seed).integers(0, 2**63, n, np.uint64) * np.uint64(2))
    raw = np.frombuffer(words.astype(">u8").tobytes() if n else b"", np.uint8).reshape(n, 8)
    low = np.random.default_rng(seed + 1).integers(0, 256, (n, 8), np.uint8)
    nibbles = np.stack([np.hstack([raw, low]) >> 4, np.hstack([raw, low]) & 15], axis=2).reshape(-1)
    text = np.frombuffer(b"0123456789abcdef", np.uint8)[nibbles]
    offsets = pa.py_buffer((np.arange(n + 1) * 32).astype(np.int32))
    return pa.Array.from_buffers(pa.string(), n, [None, offsets, pa.py_buffer(text)])


def annotated(n: int) -> pa.Table:
    """Facts and scores as the filter sees them, 1 % of the scores missing."""
    rng = np.random.default_rng(2)
    kinds = pa.array(["image", "video"]).take(pa.array((rng.random(n) < 0.1).astype(np.int8)))
    sides = {side: pa.array(rng.choice([96, 240, 640, 1080, 1920], n).astype(np.int32)) for side in ("width", "height")}
    spread = {
        "aspect": (1.4, 0.5),
        "blur": (300.0, 200.0),
        "aesthetic": (5.0, 1.0),
        "match": (0.28, 0.06),
        "nsfw": (0.1, 0.2),
    }
    scores = {
        name: pa.array(np.round(rng.normal(mean, width, n), 4), mask=rng.random(n) < 0.01)
        for name, (mean, width) in spread.items()
    }
    size = pa.array(rng.lognormal(11.5, 0.8, n).astype(np.int64))
    return pa.table({"id": ids(n), "kind": kinds, "bytes": size, **sides, **scores})


@contextmanager
def engine_of(name: str, threads: int) -> Iterator[TableEngine]:
    if name == "spark":
        from dataengine.engines.spark import SparkEngine

        with SparkEngine(f"local[{threads}]", edges_in_one_task=0) as spark:
            spark.collect(spark.sql("SELECT 1 AS one", {}))  # started before the clock
            yield spark
    else:
        from dataengine.engines.duckdb import DuckDBEngine

        with DuckDBEngine(threads) as duck:
            yield duck


@contextmanager
def scanned(engine: TableEngine, table: pa.Table) -> Iterator[tuple[Workspace, Callable[[], Frame]]]:
    """A workspace that has the table in files, and a way to read it."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(folder)
        step = 1_000_000
        files = [
            workspace.write_table(f"in/{at // step:04d}.parquet", table.slice(at, step))
            for at in range(0, table.num_rows, step)
        ]
        schema = table.schema
        del table
        yield workspace, lambda: engine.scan(workspace, files, schema)


def decisions(n: int, threads: int, engine: str = "duckdb") -> Outcome:
    """Rows in files to decisions in files: read, decide by seven rules, order, check, publish."""
    from dataengine.policy.decide import decide
    from dataengine.policy.grammar import parse
    from dataengine.policy.model import Policy, Rule, kind_of

    table = annotated(n)
    kinds = {f.name: kind for f in table.schema if (kind := kind_of(f.type)) is not None}
    policy = Policy("b", "1", "", tuple(Rule(name, parse(keep), "drop", "r") for name, keep in RULES), kinds)
    with engine_of(engine, threads) as made, scanned(made, table) as (workspace, read):
        del table

        def work() -> Any:
            frame = made.kept(read())
            decided = decide(made, policy, "t", {"t": frame})
            files = made.write(workspace, "decisions/x", decided.decisions, contracts.DECISIONS, ("id",))
            return decided, files

        seconds, (decided, files) = timed(work)
    return seconds, {"kept": decided.funnel[-1].remaining, "files": len(files)}


def statistics(n: int, threads: int, engine: str = "duckdb") -> Outcome:
    """Five quantiles of eight columns, before and after the filter."""
    from dataengine.score.distribution import distributions, numeric

    table = annotated(n)
    kept = canonical(pa.table({"id": table["id"], "kept": pc.greater(pc.fill_null(table["match"], 0), 0.25)}))
    names = numeric({f.name: f.type for f in table.schema})
    with engine_of(engine, threads) as made, scanned(made, table) as (_, read):
        decided = made.frame(kept)
        seconds, found = timed(lambda: distributions(made, made.kept(read()), decided, names, n))
    return seconds, {"columns": len(found), "median of match": found["match"]["before"]["p50"]}


def assignment(n: int, threads: int, engine: str = "duckdb") -> Outcome:
    """Sizes in files to the assignment in files; shards of 256 MB."""
    from dataengine.shards.assign_distributed import Rules, assigned

    table = annotated(n).select(["id", "kind", "bytes"])
    rules = Rules(256 << 20, 7, {"train": 0.99, "validation": 0.01})
    order = ("shard", "position")
    with engine_of(engine, threads) as made, scanned(made, table) as (workspace, read):

        def work() -> Any:
            placed = assigned(made, read(), rules)
            return made.write(workspace, "assignment", placed, contracts.ASSIGNMENT, order, ids="id")

        seconds, files = timed(work)
        shards = workspace.read_table(files, contracts.ASSIGNMENT, ["shard"])["shard"]
        count = pc.count_distinct(shards).as_py()
    return seconds, {"shards": count, "files": len(files)}


def ledger(n: int, threads: int, engine: str = "duckdb") -> Outcome:
    """Every input's outcome from five tables, counted, balanced and written; one in ten a copy, one in a hundred unread."""
    from dataengine.release.ledger import balance, build, tally

    every = ids(n)
    rng = np.random.default_rng(3)
    sample = pa.array(np.where(rng.random(n) < 0.1, rng.integers(0, n, n), np.arange(n)))
    uri = pc.binary_join_element_wise("photos", every, "/")
    samples = pa.table({"input_id": every, "source": pa.repeat("s", n), "uri": uri, "id": every.take(sample)})
    distinct = pc.unique(samples["id"])
    rows = len(distinct)
    nothing = pa.nulls(rows, pa.string())
    groups = pa.table(
        {"id": distinct, "representative": distinct, "kind": nothing, "distance": pa.nulls(rows, pa.float64())}
    )
    kept = pa.array(rng.random(rows) < 0.6)
    rule = pc.if_else(kept, pa.scalar(None, pa.string()), "blur")
    decided = pa.table({"id": distinct, "kept": kept, "rule": rule, "value": rule})
    bad = ids(n // 100, 9)
    told = {"source": "s", "failure": "empty", "message": "no bytes"}
    failures = pa.table(
        {"input_id": bad, "uri": bad, **{name: pa.repeat(text, len(bad)) for name, text in told.items()}}
    )
    broken = contracts.columns(id=pa.string(), failure=pa.string(), message=pa.string()).empty_table()
    released = pa.table({"id": distinct.filter(kept)})
    with engine_of(engine, threads) as made, tempfile.TemporaryDirectory() as folder:
        named = {"samples": samples, "failures": failures, "groups": groups, "decisions": decided, "broken": broken}
        frames = {name: made.kept(made.frame(table)) for name, table in named.items()}
        there = made.frame(released)

        def work() -> Any:
            found = made.kept(build(made, frames))
            told = tally(made, found)
            balance(made, found, sum(int(r["n"] or 0) for r in told), n + len(bad), there)
            return made.write(Workspace(folder), "ledger", found, contracts.LEDGER, ("input_id",))

        seconds, files = timed(work)
    return seconds, {"inputs": sum(f.rows for f in files), "files": len(files)}


def components(n: int, threads: int, engine: str = "duckdb") -> Outcome:
    """``n`` edges of groups whose sizes fall as in real corpora (Zipf, the largest of some hundred thousands)."""
    edges = _edges(n)
    with engine_of(engine, threads) as made:
        frame = made.kept(made.frame(edges))
        edges = None
        seconds, found = timed(lambda: made.collect(made.sql(_COUNT, {"c": made.components(frame)})).to_pylist()[0])
    return seconds, {"samples": found["n"], "groups": found["g"]}


def groups(n: int, threads: int, engine: str = "duckdb") -> Outcome:
    """Edges to groups: components, cut where they chain, the best of each, written."""
    from dataengine.dedup import edges as find
    from dataengine.dedup.distances import Bounds
    from dataengine.dedup.groups import Rules, group

    edges = _edges(n)
    rng = np.random.default_rng(5)
    known = pc.unique(pa.chunked_array([*edges["a"].chunks, *edges["b"].chunks]))
    rows = len(known)
    side = pa.array(rng.choice([240, 640, 1080], rows).astype(np.int32))
    bits = np.bitwise_or.reduce([np.int64(1) << rng.integers(0, 62, rows) for _ in range(3)])
    columns = [known, pa.repeat("image", rows), pa.array(bits), side, side]
    unique = pa.table(columns, schema=HASHED)
    chosen = edges.append_column("kind", pa.repeat(find.PERCEPTUAL, n))
    rules = Rules((find.PERCEPTUAL,), Bounds(6, 0.6), ("resolution",), 2.0)
    with engine_of(engine, threads) as made, tempfile.TemporaryDirectory() as folder:
        frames = made.kept(made.frame(unique)), made.kept(made.frame(chosen))

        def work() -> Any:
            grouped = group(made, *frames, rules)
            made.write(Workspace(folder), "groups", grouped.groups, contracts.GROUPS, ("id",))
            return grouped.facts()

        seconds, facts = timed(work)
    return seconds, {"samples": rows, "groups": sum(facts["group_sizes"].values()), "cut": facts["cut"]}


_COUNT = "SELECT CAST(count(*) AS BIGINT) AS n, CAST(count(DISTINCT component) AS BIGINT) AS g FROM c"


def _edges(n: int) -> pa.Table:
    """Each group a random tree and some chords; ids in no order."""
    rng = np.random.default_rng(4)
    size = np.minimum(rng.zipf(2.2, n), 300_000) + 1
    size = size[: int(np.searchsorted(np.cumsum(size - 1), 0.8 * n)) + 1]
    start = np.cumsum(size) - size
    child = np.concatenate([np.zeros(0, np.int64), np.delete(np.arange(size.sum()), start)])
    first = np.repeat(start, size - 1)
    parent = first + (rng.random(len(child)) * (child - first)).astype(np.int64)
    again = rng.integers(0, len(child), n - len(child)) if n > len(child) else np.zeros(0, np.int64)
    chord = first[again] + (rng.random(len(again)) * (child[again] - first[again])).astype(np.int64)
    left, right = np.concatenate([parent, chord])[:n], np.concatenate([child, child[again]])[:n]
    named = ids(int(size.sum())).take(pa.array(rng.permutation(int(size.sum()))))
    x, y = named.take(pa.array(left)), named.take(pa.array(right))
    swap = pc.greater(x, y)
    return pa.table({"a": pc.if_else(swap, y, x), "b": pc.if_else(swap, x, y)})
