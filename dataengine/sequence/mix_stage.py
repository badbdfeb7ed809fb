"""sequence.mix: which documents go into which set, how often, and in which pool of the shuffle they are packed.

The driver sees tokens by range of the shuffle, from which it follows where budgets end and pools begin; only the rows of one such
range a share are looked at one by one. What it decides is a small file, by which workers and the engine tell their own rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine.config.recipe import Recipe
from dataengine.config.sequence import SetConfig
from dataengine.contracts import columns
from dataengine.errors import RunError
from dataengine.sequence.base import AS_WRITTEN, DRAW, MIX, Sequencing, sources_of
from dataengine.sequence.budgets import cut_of, fitting, plan_budgets, pools
from dataengine.sequence.decision import Boundary, Decision, Mask, Within
from dataengine.sequence.draw_stage import OCCURRENCES_OF, drawn
from dataengine.sequence.occurrences import BUCKETS, OCCURRENCES
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import File, Output
from dataengine.table_engine import Source

#: Of documents with a chance exactly as many are used once more as it says, to the nearest: the last of these by rank.
_LASTS = """
SELECT "source", "chance", "rank", "id" FROM (
  SELECT "source", "chance", "rank", "id", count(*) OVER (PARTITION BY "source", "chance") * "chance" + 500 AS "wanted",
         CAST(row_number() OVER (PARTITION BY "source", "chance" ORDER BY "rank", "id") AS BIGINT) * 1000 AS "place" FROM o
) AS numbered WHERE "place" <= "wanted" AND "wanted" < "place" + 1000
"""
_BY_BUCKET = """
SELECT {by} AS "value", "bucket", CAST(count(*) AS BIGINT) AS "pieces", CAST(sum("length") AS BIGINT) AS "tokens"
FROM o GROUP BY {by}, "bucket"
"""
_CHANCES = columns(source=pa.string(), chance=pa.int64(), rank=pa.string(), id=pa.string())
_READ = pa.schema(
    [OCCURRENCES.field(n) for n in ("source", "id", "cell", "place", "bucket", "piece", "length", "chance", "rank")]
)
Histogram = dict[str, dict[int, tuple[int, int]]]
"""Pieces and tokens by value and range of the shuffle."""


class SequenceMix(Sequencing, TableStage):
    name = MIX
    version = "4"
    needs = (DRAW,)

    def settings(self, recipe: Recipe) -> Any:
        config = self.config(recipe)
        return [
            [[source.name, source.cap] for source in config.sources],
            [one.model_dump(exclude={"balance", "positions"} | AS_WRITTEN) for one in config.sets],
        ]

    def compute(self, run: Run, key: str) -> Output:
        files: dict[str, File] = {}
        facts: dict[str, Any] = {}
        counts = {"pieces": 0, "tokens": 0}
        for one in self.config(run.recipe).sets:
            decision, cells = self._set(run, one)
            data, place = decision.to_bytes(), f"sequence/mix/{key}/{one.name}.json"
            files[f"decision/{one.name}"] = File(place, run.workspace.store.put(place, data), len(data))
            facts[one.name] = {"cells": cells}
            counts = {"pieces": counts["pieces"] + sum(cell["pieces"] for cell in cells),
                      "tokens": counts["tokens"] + sum(cell["reached"] for cell in cells)}  # fmt: skip
        return Output(files, counts, facts)

    def _set(self, run: Run, one: SetConfig) -> tuple[Decision, list[dict[str, Any]]]:
        config = self.config(run.recipe)
        outputs = drawn(run, one).values()
        rows = _Rows(run, [out.files[OCCURRENCES_OF] for out in outputs])
        decision = Decision()
        if any(out.counts["chances"] for out in outputs):
            decision = replace(decision, lasts=rows.lasts())
        caps = {source.name: source.cap for source in config.sources if source.cap is not None}
        if caps:
            known = rows.histogram(decision, "source")
            budgets = {name: caps.get(name, 1 << 62) for name in sources_of(config, one)}
            decision = replace(decision, caps=rows.within(decision, "source", known, budgets)[0])
        known = rows.histogram(decision, "cell")
        available = {cell: sum(tokens for _, tokens in some.values()) for cell, some in known.items()}
        budgets = plan_budgets(available, one.shares, one.tokens)
        if one.shares or one.tokens is not None:
            within, known = rows.within(decision, "cell", known, budgets)
            decision = replace(decision, budgets=within)
        cells = _cells(one, available, budgets, known)
        _check_shortage(one, cells)
        return replace(decision, pools=_pools(one, known)), cells


def decision_of(run: Run, one: SetConfig) -> Decision:
    """What sequence.mix has decided of a set."""
    file = decision_file(run, one)
    return Decision.from_bytes(run.workspace.store.get(file.key, file.sha256))


def decision_file(run: Run, one: SetConfig) -> File:
    return run.records[MIX].parts["all"].files[f"decision/{one.name}"]


@dataclass(frozen=True)
class _Rows:
    """The occurrences of a set, asked for what is small of them."""

    run: Run
    files: Sequence[File]

    def lasts(self) -> dict[tuple[str, int], tuple[str, str]]:
        """Of documents with a part of a weight exactly so many are used once more as the part says: the first by rank."""
        rows = self._select(_LASTS, _CHANCES, _chances).to_pylist()
        return {(row["source"], row["chance"]): (row["rank"], row["id"]) for row in rows}

    def histogram(self, decision: Decision, by: str) -> Histogram:
        """Of the occurrences that are used by what is decided so far."""
        out: Histogram = {}
        sql = _BY_BUCKET.format(by=f'"{by}"')
        for row in self._select(sql, _READ, partial(_chosen, decision)).to_pylist():
            out.setdefault(row["value"], {})[row["bucket"]] = row["pieces"], row["tokens"]
        return out

    def within(
        self, decision: Decision, by: str, known: Histogram, budgets: Mapping[str, int]
    ) -> tuple[Within, Histogram]:
        """The first pieces of each value in the shuffle that fit its budget, and what they are by range."""
        cuts = {
            value: cut_of(value, {b: tokens for b, (_, tokens) in known.get(value, {}).items()}, budget, BUCKETS)
            for value, budget in sorted(budgets.items())
        }
        limits = {value: cut.bucket for value, cut in cuts.items()}
        boundary = Boundary(limits, {value: cut.stop for value, cut in cuts.items()})
        rows = self._select("SELECT * FROM o", _READ, partial(_at_boundary, decision, boundary, by))
        values: list[Any] = rows[by].to_pylist()
        left = pa.array([cuts[value].left for value in values], pa.int64())
        keyed = pa.table({"cell": rows[by], "place": rows["place"], "length": rows["length"], "left": left,
                          "bucket": rows["bucket"]})  # fmt: skip
        fits = fitting(keyed)
        used: Histogram = {
            value: {b: counts for b, counts in known.get(value, {}).items() if b < limits[value]} for value in budgets
        }
        for row in fits.to_pylist():
            pieces, tokens = used[row["cell"]].get(row["bucket"], (0, 0))
            used[row["cell"]][row["bucket"]] = pieces + 1, tokens + row["length"]
        places: list[Any] = fits["place"].to_pylist()
        return Within(limits, frozenset(places)), used

    def _select(self, sql: str, schema: pa.Schema, prepare: Callable[[pa.Table], pa.Table]) -> pa.Table:
        source = Source("", self.files, _READ, prepare, schema)
        return self.run.engine.select(self.run.workspace, {"o": source}, sql)


def _chances(rows: pa.Table) -> pa.Table:
    """The first piece of each occurrence that is used with a chance."""
    first: Any = pc.and_(pc.greater(rows["chance"], pa.scalar(0)), pc.equal(rows["piece"], pa.scalar(0)))
    return rows.filter(first).select(_CHANCES.names)


def _chosen(decision: Decision, rows: pa.Table) -> pa.Table:
    return rows.filter(pa.array(decision.chosen(rows)))


def _at_boundary(decision: Decision, boundary: Boundary, by: str, rows: pa.Table) -> pa.Table:
    mask: Mask = decision.chosen(rows) & boundary.mask(rows, by)
    return rows.filter(pa.array(mask))


def _pools(one: SetConfig, known: Histogram) -> tuple[int, ...]:
    """Pool of each range of the shuffle; 0 of those without a piece."""
    by_bucket: dict[int, int] = {}
    for some in known.values():
        for bucket, (_, tokens) in some.items():
            by_bucket[bucket] = by_bucket.get(bucket, 0) + tokens
    numbers = pools(by_bucket, one.pool * one.length)
    return tuple(numbers.get(bucket, 0) for bucket in range(BUCKETS))


def _cells(
    one: SetConfig, available: Mapping[str, int], budgets: Mapping[str, int], used: Histogram
) -> list[dict[str, Any]]:
    """What was asked of each share, what there is, what was reached, and whether it ran out."""
    whole = sum(one.shares.values())
    out = []
    for cell in sorted({*available, *budgets}):
        requested, some = budgets.get(cell, 0), used.get(cell, {}).values()
        out.append(
            {
                "cell": cell,
                "share": round(one.shares.get(cell, 0.0) / whole, 6) if whole else None,
                "requested": requested,
                "available": available.get(cell, 0),
                "reached": sum(tokens for _, tokens in some),
                "pieces": sum(pieces for pieces, _ in some),
                "ran_out": available.get(cell, 0) < requested
                or (bool(one.shares.get(cell)) and not available.get(cell)),
            }
        )
    return out


def _check_shortage(one: SetConfig, cells: list[dict[str, Any]]) -> None:
    """Raises RunError where the mix cannot be reached and the recipe wants that to stop the run."""
    short = [f"{c['cell']} has {c['available']:,} of {c['requested']:,} tokens" for c in cells if c["ran_out"]]
    if short and one.on_shortage == "error":
        raise RunError(
            f"set {one.name}: its mix cannot be reached: {'; '.join(short)}. Lower `tokens`, raise `epochs` of its sources, "
            "change `shares`, or set `on_shortage: report`"
        )
