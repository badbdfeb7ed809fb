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

from dataengine.config.index import BehaviourSequences
from dataengine.config.recipe import Recipe
from dataengine.contracts import columns
from dataengine.index.fit_stages import IndexStage
from dataengine.index.item_table import groups, opened_sequences, tag
from dataengine.index.vectors_stage import config_of
from dataengine.index.worker import VectorsWorker
from dataengine.stage import Part, Run, TableStage, Worker
from dataengine.storage.workspace import Output, digest, roles

#: How often ``a`` and ``b`` are in one window, ``a < b``; and how often each id occurs, with ``b`` equal to ``a``.
PAIRS = columns(a=pa.string(), b=pa.string(), n=pa.int64())
#: The neighbours of an id, the most similar first.
NEIGHBOURS = columns(id=pa.string(), place=pa.int64(), neighbour=pa.string(), similarity=pa.float64(), count=pa.int64())
_BATCH = 4096
_DIRECTED = """
SELECT p."a" AS "id", p."b" AS "neighbour", p."n" AS "count", s."n" AS "of_id", t."n" AS "of_neighbour"
FROM (SELECT "a", "b", "n" FROM q WHERE "a" <> "b" UNION ALL SELECT "b" AS "a", "a" AS "b", "n" FROM q WHERE "a" <> "b") AS p
INNER JOIN q AS s ON p."a" = s."a" AND s."a" = s."b" INNER JOIN q AS t ON p."b" = t."a" AND t."a" = t."b"
"""


class IndexPairs(IndexStage):
    """Counts of pairs; a part is some row groups of the table of sequences."""

    name = "index.pairs"
    version = "1"

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
    table: BehaviourSequences

    def process(self, part: Part) -> Output:
        first, count = part.spec
        file, counted = opened_sequences(self.table), PAIRS.empty_table()
        some = file.iter_batches(_BATCH, list(range(first, first + count)), [self.table.column], use_threads=False)
        sequences = 0
        for batch in some:
            column: Any = batch.column(0)
            lists = column.cast(pa.list_(pa.string())).to_pylist()
            sequences += len(lists)
            counted = _sum(pa.concat_tables([counted, pairs(lists, self.table.window)]))
        key = f"index/pairs/{part.name}-{part.key[:16]}.parquet"
        return Output({"pairs": self.workspace.write_table(key, counted)}, {"sequences": sequences})


def pairs(sequences: list[list[str] | None], window: int) -> pa.Table:
    """PAIRS of sequences of ids, by (a, b). Nulls are left out; an id that recurs in a window is no pair with itself."""
    known: dict[str, int] = {}
    left, right = [], []
    for ids in (np.array([known.setdefault(i, len(known)) for i in s or [] if i is not None]) for s in sequences):
        left.append(ids)
        right.append(ids)
        for apart in range(1, min(window + 1, len(ids))):
            one, other = ids[:-apart], ids[apart:]
            differ = one != other
            left.append(one[differ])
            right.append(other[differ])
    names = pa.array(list(known), pa.string())
    a, b = (np.concatenate([np.zeros(0, np.int64), *side]).astype(np.int64) for side in (left, right))
    order = np.argsort(np.argsort(np.array(list(known), dtype=object), kind="stable"), kind="stable") if known else a
    swapped = order[a] > order[b] if known else np.zeros(0, np.bool_)
    a, b = np.where(swapped, b, a), np.where(swapped, a, b)
    return _sum(pa.table([names.take(a), names.take(b), pa.array(np.ones(len(a), np.int64))], schema=PAIRS))


def _sum(table: pa.Table) -> pa.Table:
    total = table.group_by(["a", "b"]).aggregate([("n", "sum")]).rename_columns(["a", "b", "n"])
    return total.select(PAIRS.names).cast(PAIRS).sort_by([("a", "ascending"), ("b", "ascending")])


class IndexCooccurrence(TableStage):
    """The neighbours of each id."""

    name = "index.cooccurrence"
    version = "1"
    needs = ("index.pairs",)

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
        return Output(roles("cooccurrence", files), {"neighbours": sum(file.rows for file in files)})


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
