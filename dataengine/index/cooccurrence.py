"""index.pairs, index.cooccurrence: how often two ids occur near each other in the recipe's sequences of behaviour.

A part counts the pairs of some row groups; their sums, and the neighbours of each id, are made by the table engine, so that
neither is held in one place. The similarity of two ids is the cosine of their counts: ``n(a, b) / sqrt(n(a) n(b))``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataengine.config.index import BehaviourSequences
from dataengine.config.recipe import Recipe
from dataengine.contracts import columns
from dataengine.errors import RunError
from dataengine.index.fit_stages import IndexStage
from dataengine.index.item_table import groups, opened_sequences, tag
from dataengine.index.vectors import VECTORS
from dataengine.index.vectors_stage import config_of
from dataengine.index.worker import VectorsWorker
from dataengine.stage import Part, Run, TableStage, Worker
from dataengine.storage.workspace import File, Output, digest, roles
from dataengine.table_engine import Frame

#: How often ``a`` and ``b`` are in one window, ``a < b``; and how often each id occurs, with ``b`` equal to ``a``.
PAIRS = columns(a=pa.string(), b=pa.string(), n=pa.int64())
#: The neighbours of an id, the most similar first.
NEIGHBOURS = columns(id=pa.string(), place=pa.int64(), neighbour=pa.string(), similarity=pa.float64(), count=pa.int64())
_BATCH = 1024
#: Pairs that are counted at once, and counts that are held before they are summed, and written where they are half as many then.
_AT_ONCE = 1 << 21
_HELD = 1 << 21
_KNOWN = """
SELECT CAST(count(*) AS BIGINT) AS "ids", CAST(count(v."id") AS BIGINT) AS "known", min(q."a") AS "first"
FROM q LEFT JOIN v ON q."a" = v."id" WHERE q."a" = q."b"
"""
_DIRECTED = """
SELECT p."a" AS "id", p."b" AS "neighbour", p."n" AS "count", s."n" AS "of_id", t."n" AS "of_neighbour"
FROM (SELECT "a", "b", "n" FROM q WHERE "a" <> "b" UNION ALL SELECT "b" AS "a", "a" AS "b", "n" FROM q WHERE "a" <> "b") AS p
INNER JOIN q AS s ON p."a" = s."a" AND s."a" = s."b" INNER JOIN q AS t ON p."b" = t."a" AND t."a" = t."b"
"""


class IndexPairs(IndexStage):
    """Counts of pairs; a part is some row groups of the table of sequences."""

    name = "index.pairs"
    version = "2"

    def active(self, recipe: Recipe) -> bool:
        return recipe.index is not None and recipe.index.sequences is not None

    def validate(self, recipe: Recipe) -> None:
        opened_sequences(sequences_of(recipe))

    def settings(self, recipe: Recipe) -> Any:
        table = sequences_of(recipe)
        return [table.column, table.window, tag(table.path)]

    def plan(self, run: Run) -> list[Part]:
        base = digest(self.version, self.settings(run.recipe))
        together = groups(opened_sequences(sequences_of(run.recipe)))
        return [Part(f"sequences-{n:06d}", digest(base, group), group) for n, group in enumerate(together)]

    def worker(self, run: Run) -> Worker:
        return PairWorker(run.workspace, sequences_of(run.recipe))


def sequences_of(recipe: Recipe) -> BehaviourSequences:
    """The recipe's table of sequences. Raises ValueError where it has none, which is a mistake in the code."""
    table = config_of(recipe).sequences
    if table is None:
        raise ValueError("the recipe has no sequences")
    return table


@dataclass
class PairWorker(VectorsWorker):
    """Counts in pieces: what it holds is bounded by ``_AT_ONCE`` and ``_HELD``, not by how long sequences are."""

    table: BehaviourSequences

    def process(self, part: Part) -> Output:
        first, count = part.spec
        file, base = opened_sequences(self.table), f"index/pairs/{part.name}-{part.key[:16]}"
        some = file.iter_batches(_BATCH, list(range(first, first + count)), [self.table.column], use_threads=False)
        files, sequences, held = list[File](), 0, PAIRS.empty_table()
        for batch in some:
            sequences += len(batch)
            for counted in pairs(batch.column(0), self.table.window):
                held = pa.concat_tables([held, counted])
                held = _sum(held) if len(held) >= _HELD else held
                if len(held) > _HELD // 2:  # sums are made of sums: a pair may be in several files
                    files.append(self._written(base, len(files), held))
                    held = PAIRS.empty_table()
        if len(held) or not files:
            files.append(self._written(base, len(files), held))
        return Output(roles("pairs", files), {"sequences": sequences})

    def _written(self, base: str, number: int, held: pa.Table) -> File:
        counted = _sum(held).sort_by([("a", "ascending"), ("b", "ascending")])
        return self.workspace.write_table(f"{base}-{number:06d}.parquet", counted)


def pairs(sequences: pa.Array[Any], window: int) -> Iterator[pa.Table]:
    """PAIRS of lists of ids, in pieces that add up. Nulls are left out; an id that recurs in a window is no pair with
    itself."""
    values: Any = pc.list_flatten(sequences).cast(pa.string())
    owners = pc.list_parent_indices(sequences).to_numpy(zero_copy_only=False)
    valid = values.is_valid()
    encoded = values.filter(valid).dictionary_encode()
    owner, names = owners[valid.to_numpy(zero_copy_only=False)], encoded.dictionary
    order = pc.sort_indices(names).to_numpy()
    ranks = np.empty(len(names), np.int64)
    ranks[order] = np.arange(len(names))
    ids = ranks[encoded.indices.to_numpy(zero_copy_only=False)] if len(names) else np.zeros(0, np.int64)
    step = max(1, _AT_ONCE // (window + 1))
    for start in range(0, len(ids), step):
        keys, counts = np.unique(_keys(ids, owner, start, step, window, len(names)), return_counts=True)
        a, b = np.divmod(keys, len(names))
        sides = [names.take(pa.array(order[side])) for side in (a, b)]
        yield pa.table([*sides, pa.array(counts.astype(np.int64))], schema=PAIRS)


def _keys(ids: Any, owner: Any, start: int, step: int, window: int, number: int) -> Any:
    """Of each pair whose first half is one of ``step`` places from ``start``, and of each of these with itself: both ids as one
    number, the smaller one first."""
    first, owners = ids[start : start + step], owner[start : start + step]
    keys = [first * number + first]
    for apart in range(1, window + 1):
        other, of_other = (side[start + apart : start + apart + step] for side in (ids, owner))
        one = first[: len(other)]
        together = (owners[: len(other)] == of_other) & (one != other)
        one, other = one[together], other[together]
        keys.append(np.minimum(one, other) * number + np.maximum(one, other))
    return np.concatenate(keys)


def _sum(table: pa.Table) -> pa.Table:
    total = table.group_by(["a", "b"]).aggregate([("n", "sum")]).rename_columns(["a", "b", "n"])
    return total.select(PAIRS.names).cast(PAIRS)


class IndexCooccurrence(TableStage):
    """The neighbours of each id, also of one that is not in the index. Sequences of ids that are none of the index's stop the
    run."""

    name = "index.cooccurrence"
    version = "2"
    needs = ("index.vectors", "index.pairs")

    def active(self, recipe: Recipe) -> bool:
        return recipe.index is not None and recipe.index.sequences is not None

    def settings(self, recipe: Recipe) -> Any:
        return sequences_of(recipe).neighbours

    def compute(self, run: Run, key: str) -> Output:
        engine = run.engine
        counted = run.frame("index.pairs", "pairs", PAIRS)
        summed = 'SELECT "a", "b", CAST(sum("n") AS BIGINT) AS "n" FROM p GROUP BY "a", "b"'
        whole = engine.kept(engine.sql(summed, {"p": counted}))
        most = partial(nearest, sequences_of(run.recipe).neighbours)
        ranked = engine.local(engine.sql(_DIRECTED, {"q": whole}), ["id"], most, NEIGHBOURS)
        files = engine.write(run.workspace, f"index/cooccurrence/{key}", ranked, NEIGHBOURS, ("id", "place"))
        counts = {"neighbours": sum(file.rows for file in files), **_known(run, whole)}
        return Output(roles("cooccurrence", files), counts)


def _known(run: Run, whole: Frame) -> dict[str, int]:
    """How many ids the sequences have, and how many of these the index does not. Raises RunError where it has none."""
    frames = {"q": whole, "v": run.frame("index.vectors", "vectors", VECTORS, ["id"])}
    [row] = run.engine.collect(run.engine.sql(_KNOWN, frames)).to_pylist()
    if row["ids"] and not row["known"]:
        table = sequences_of(run.recipe)
        raise RunError(
            f"{table.path}: none of the {row['ids']:,} ids in column `{table.column}`, such as {row['first']}, is in the index: "
            "name the column of index.sequences that has ids of its samples or items"
        )
    return {"ids": row["ids"], "ids_not_indexed": row["ids"] - row["known"]}


def nearest(most: int, rows: pa.Table) -> pa.Table:
    """NEIGHBOURS of rows of ``_DIRECTED``: of each id those of the greatest similarity, rounded to 1e-6; ties by id."""
    counts, of_id, of_neighbour = (rows[c].to_numpy().astype(np.float64) for c in ("count", "of_id", "of_neighbour"))
    similarity = np.round(np.minimum(counts / np.sqrt(of_id * of_neighbour), 1), 6)
    table = rows.select(["id", "neighbour", "count"]).append_column("similarity", pa.array(similarity))
    table = table.sort_by([("id", "ascending"), ("similarity", "descending"), ("neighbour", "ascending")])
    ids = table["id"].to_pylist()
    place = np.fromiter(_places(ids), np.int64, len(ids))
    table = table.append_column("place", pa.array(place)).filter(pa.array(place < most))
    return table.select(NEIGHBOURS.names).cast(NEIGHBOURS)


def _places(ids: list[Any]) -> Iterator[int]:
    before, place = None, 0
    for id_ in ids:
        place = place + 1 if id_ == before else 0
        before = id_
        yield place
