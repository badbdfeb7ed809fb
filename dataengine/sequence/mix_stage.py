"""sequence.mix: which documents go into which set, how often, and in which pool of the shuffle they are packed.

Rows stay in the table engine. The driver sees tokens by range of the shuffle, from which it follows where budgets end and pools
begin; only the rows of one such range a share are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pyarrow as pa

from dataengine.config.recipe import Recipe
from dataengine.config.sequence import SetConfig
from dataengine.contracts import columns
from dataengine.errors import BalanceError, RunError
from dataengine.sequence.base import AS_WRITTEN, ENCODE, MIX, Sequencing, codebook_sizes, releases, sources_of
from dataengine.sequence.budgets import cut_of, fitting, plan_budgets, pools
from dataengine.sequence.encoded import DOCUMENTS
from dataengine.sequence.occurrences import BUCKETS, DRAWN, EXPANDED, OCCURRENCES, Draws
from dataengine.sequence.special import family_of
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import File, Output, roles
from dataengine.table_engine import Frame, TableEngine

_LEDGER: list[pa.Field[Any]] = [
    *(pa.field(name, pa.string(), False) for name in ("set", "source", "id", "modality", "outcome", "reason")),
    pa.field("n", pa.int64(), False),
    pa.field("weight", pa.float64(), False),
    pa.field("occurrences", pa.int64(), False),
    pa.field("tokens", pa.int64(), False),
]
#: One row a document and set: exactly one of packed, too long, weight 0, filtered, duplicate, failed, no share, not chosen.
SEQUENCE_LEDGER = pa.schema(_LEDGER)
#: OCCURRENCES that are packed together, in the order of the shuffle.
PLAN = pa.schema([field for field in OCCURRENCES if field.name != "bucket"])
_REPEATED = """
SELECT r."source", r."id" FROM
(SELECT "source", "id", CAST(count(*) AS BIGINT) AS "times" FROM d GROUP BY "source", "id") AS r WHERE r."times" > 1
"""
_NUMBERED = """
SELECT e.*, CAST(
  row_number() OVER (PARTITION BY "source", "id" ORDER BY "pack", "offset", "reason", "weight", "rows") AS BIGINT
) AS "n" FROM (SELECT d.* FROM d INNER JOIN r ON d."source" = r."source" AND d."id" = r."id") AS e
UNION ALL SELECT d.*, CAST(1 AS BIGINT) AS "n" FROM d LEFT JOIN r ON d."source" = r."source" AND d."id" = r."id"
WHERE r."id" IS NULL
"""
_FRACTIONS = """
SELECT "source", "thousandths", CAST(count(*) AS BIGINT) AS "n" FROM d WHERE "thousandths" > 0 GROUP BY "source", "thousandths"
"""
_RANKED = """
SELECT "source", "id", "n", "thousandths",
       CAST(row_number() OVER (PARTITION BY "source", "thousandths" ORDER BY "place", "id") AS BIGINT) AS "rank"
FROM d WHERE "outcome" = ? AND "thousandths" > 0
"""
_ONCE_MORE = """
SELECT r."source", r."id", r."n" FROM r INNER JOIN f ON r."source" = f."source" AND r."thousandths" = f."thousandths"
WHERE r."rank" <= f."extra"
"""
_COUNTED = """
SELECT {columns}, d."whole" + CASE WHEN m."id" IS NOT NULL THEN 1 ELSE 0 END AS "count"
FROM d LEFT JOIN m ON d."source" = m."source" AND d."id" = m."id" AND d."n" = m."n" WHERE d."outcome" = ?
"""
_WHOLE = 'SELECT {columns}, d."whole" AS "count" FROM d WHERE d."outcome" = ?'
_LISTED = 'SELECT "source", "id", "modality", "reason", "n", "weight", "outcome" FROM d'
_BUCKETS = """
SELECT {cell} AS "cell", "bucket", CAST(sum("length") AS BIGINT) AS "tokens" FROM o GROUP BY {cell}, "bucket"
"""
_BEFORE = 'SELECT o.* FROM o INNER JOIN c ON o.{cell} = c."cell" WHERE o."bucket" < c."bucket"'
_LAST = """
SELECT o.*, c."left" FROM o INNER JOIN c ON o.{cell} = c."cell" WHERE o."bucket" >= c."bucket" AND o."bucket" < c."stop"
"""
_POOLED = 'SELECT o.*, p."pool" FROM o INNER JOIN p ON o."bucket" = p."bucket"'
_USES = """
SELECT "source", "id", CAST(count(DISTINCT "occurrence") AS BIGINT) AS "occurrences", CAST(sum("length") AS BIGINT) AS "tokens"
FROM o GROUP BY "source", "id"
"""
_OUTCOMES = """
SELECT d."source", d."id", d."modality", d."reason", d."n", d."weight",
       CASE WHEN d."outcome" <> ? THEN d."outcome" WHEN u."tokens" IS NULL THEN ? ELSE ? END AS "outcome",
       CASE WHEN d."outcome" <> ? THEN 0 ELSE COALESCE(u."occurrences", 0) END AS "occurrences",
       CASE WHEN d."outcome" <> ? THEN 0 ELSE COALESCE(u."tokens", 0) END AS "tokens"
FROM d LEFT JOIN u ON d."source" = u."source" AND d."id" = u."id"
"""
_TALLY = 'SELECT "source", "outcome", CAST(count(*) AS BIGINT) AS "n" FROM l GROUP BY "source", "outcome"'
_CELLS = """
SELECT "cell", CAST(count(*) AS BIGINT) AS "pieces", CAST(sum("length") AS BIGINT) AS "tokens" FROM o GROUP BY "cell"
"""
_CUT = columns(cell=pa.string(), bucket=pa.int64(), stop=pa.int64(), left=pa.int64())
_POOL = columns(bucket=pa.int64(), pool=pa.string())
_EXTRA = columns(source=pa.string(), thousandths=pa.int64(), extra=pa.int64())


class SequenceMix(Sequencing, TableStage):
    name = MIX
    version = "3"
    needs = (ENCODE,)

    def settings(self, recipe: Recipe) -> Any:
        config = self.config(recipe)
        sources = [[source.name, source.epochs, source.cap] for source in config.sources]
        return [
            sources,
            [one.model_dump(exclude={"balance", "positions"} | AS_WRITTEN) for one in config.sets],
            recipe.seed,
        ]

    def compute(self, run: Run, key: str) -> Output:
        files: dict[str, File] = {}
        facts: dict[str, Any] = {}
        counts: dict[str, int] = {}
        for one in self.config(run.recipe).sets:
            of_set, facts[one.name] = self._set(run, one, f"sequence/mix/{key}/{one.name}")
            files |= of_set
            for outcome, n in facts[one.name]["outcomes"].items():
                counts[outcome] = counts.get(outcome, 0) + n
            run.forget()
        return Output(files, dict(sorted(counts.items())), facts)

    def _set(self, run: Run, one: SetConfig, base: str) -> tuple[dict[str, File], dict[str, Any]]:
        engine, config = run.engine, self.config(run.recipe)
        sizes = codebook_sizes(releases(run, config)) if family_of(one.layout) == "discrete" else ()
        draws = Draws.of(config, one, max(1, len(sizes)), run.recipe.seed)
        drawn = engine.kept(self._drawn(run, one, draws))
        listed, counted = engine.kept(engine.sql(_LISTED, {"d": drawn})), _counted(engine, drawn)
        del drawn  # a frame of this process is freed with its last name
        pieces = engine.kept(engine.local(counted, (), draws.expanded, OCCURRENCES))
        del counted
        caps = {source.name: source.cap for source in config.sources if source.cap is not None}
        capped = engine.kept(_capped(engine, pieces, caps, sources_of(config, one))) if caps else pieces
        available = {
            row["cell"]: row["tokens"] for row in engine.collect(engine.sql(_CELLS, {"o": capped})).to_pylist()
        }
        budgets = plan_budgets(available, one.shares, one.tokens)
        everything = not one.shares and one.tokens is None
        chosen = capped if everything else engine.kept(_within(engine, capped, budgets, "cell"))
        del pieces, capped
        reached = {row["cell"]: row for row in engine.collect(engine.sql(_CELLS, {"o": chosen})).to_pylist()}
        ledger, outcomes = _ledger(run, one, listed, chosen, base)
        pooled = _pooled(engine, one, chosen)
        del chosen, listed
        plans = engine.split(run.workspace, f"{base}/plan", pooled, PLAN, "pool", ["place"])
        files = {f"plan/{name}": file for name, file in sorted(plans.items())}
        cells = _cells(one, available, budgets, reached)
        _check_shortage(one, cells)
        return files | ledger, {"outcomes": outcomes, "cells": cells}

    def _drawn(self, run: Run, one: SetConfig, draws: Draws) -> Frame:
        family, names = family_of(one.layout), sources_of(self.config(run.recipe), one)
        parts = [
            out.files["documents"]
            for _, out in sorted(run.records[ENCODE].parts.items())
            if out.facts["family"] == family and out.facts["source"] in names
        ]
        engine = run.engine
        documents = engine.kept(engine.scan(run.workspace, parts, DOCUMENTS))
        repeated = engine.kept(engine.sql(_REPEATED, {"d": documents}))
        numbered = engine.sql(_NUMBERED, {"d": documents, "r": repeated})
        del documents
        return engine.local(numbered, (), draws.drawn, DRAWN)


def _pooled(engine: TableEngine, one: SetConfig, chosen: Frame) -> Frame:
    """OCCURRENCES with the pool in which each is packed."""
    by_bucket: dict[int, int] = {}
    for row in engine.collect(engine.sql(_BUCKETS.format(cell='"source"'), {"o": chosen})).to_pylist():
        by_bucket[row["bucket"]] = by_bucket.get(row["bucket"], 0) + row["tokens"]
    pool = pools(by_bucket, one.pool * one.length)
    rows = [{"bucket": bucket, "pool": f"{one.name}-{n:05d}"} for bucket, n in sorted(pool.items())]
    return engine.sql(_POOLED, {"o": chosen, "p": engine.frame(pa.Table.from_pylist(rows, _POOL))})


def _counted(engine: TableEngine, drawn: Frame) -> Frame:
    """How often each document is used that nothing speaks against, with what its pieces are made of. Of those with a part of a
    weight, exactly so many are used once more as the part says."""
    columns = ", ".join(f'd."{name}"' for name in EXPANDED)
    fractions = engine.collect(engine.sql(_FRACTIONS, {"d": drawn})).to_pylist()
    if not fractions:
        return engine.sql(_WHOLE.format(columns=columns), {"d": drawn}, ("",))
    extra = [
        {
            "source": row["source"],
            "thousandths": row["thousandths"],
            "extra": (row["n"] * row["thousandths"] + 500) // 1000,
        }
        for row in fractions
    ]
    ranked = engine.sql(_RANKED, {"d": drawn}, ("",))
    more = engine.sql(_ONCE_MORE, {"r": ranked, "f": engine.frame(pa.Table.from_pylist(extra, _EXTRA))})
    return engine.sql(_COUNTED.format(columns=columns), {"d": drawn, "m": more}, ("",))


def _capped(engine: TableEngine, pieces: Frame, caps: Mapping[str, int], names: list[str]) -> Frame:
    """Pieces of the sources, of each with a cap as many as it allows."""
    return _within(engine, pieces, {name: caps.get(name, 1 << 62) for name in names}, "source")


def _within(engine: TableEngine, pieces: Frame, budgets: Mapping[str, int], by: str) -> Frame:
    """The first pieces of each cell in the shuffle that fit its budget."""
    cell = f'"{by}"'
    counted: dict[str, dict[int, int]] = {name: {} for name in budgets}
    for row in engine.collect(engine.sql(_BUCKETS.format(cell=cell), {"o": pieces})).to_pylist():
        if row["cell"] in counted:
            counted[row["cell"]][row["bucket"]] = row["tokens"]
    cuts = [vars(cut_of(name, counted[name], budget, BUCKETS)) for name, budget in sorted(budgets.items())]
    frames = {"o": pieces, "c": engine.frame(pa.Table.from_pylist(cuts, _CUT))}
    last = engine.local(engine.sql(_LAST.format(cell=cell), frames), (by,), partial(_fitting, by), OCCURRENCES)
    before = engine.sql(_BEFORE.format(cell=cell), frames)
    names = ", ".join(f'"{name}"' for name in OCCURRENCES.names)
    return engine.sql(f"SELECT {names} FROM b UNION ALL SELECT {names} FROM l", {"b": before, "l": last})


def _fitting(by: str, pieces: pa.Table) -> pa.Table:
    """OCCURRENCES among those with ``left`` that fit, by source or cell."""
    own = pieces["cell"]
    keyed = pieces.set_column(pieces.column_names.index("cell"), "cell", pieces[by])
    chosen = fitting(keyed.append_column("own", own))
    restored = chosen.set_column(chosen.column_names.index("cell"), "cell", chosen["own"])
    return restored.select(OCCURRENCES.names).cast(OCCURRENCES)


def _ledger(
    run: Run, one: SetConfig, listed: Frame, chosen: Frame, base: str
) -> tuple[dict[str, File], dict[str, int]]:
    engine = run.engine
    uses = engine.sql(_USES, {"o": chosen})
    rows = engine.sql(_OUTCOMES, {"d": listed, "u": uses}, ("", "not chosen", "packed", "", ""))
    named = engine.kept(engine.local(rows, (), partial(_named, one.name), SEQUENCE_LEDGER))
    tally = engine.collect(engine.sql(_TALLY, {"l": named})).to_pylist()
    outcomes: dict[str, int] = {}
    for row in tally:
        outcomes[row["outcome"]] = outcomes.get(row["outcome"], 0) + row["n"]
    [total] = engine.collect(engine.sql('SELECT CAST(count(*) AS BIGINT) AS "n" FROM d', {"d": listed})).to_pylist()
    if sum(outcomes.values()) != total["n"]:
        raise BalanceError(f"set {one.name}: {total['n']:,} documents, but outcomes of {sum(outcomes.values()):,}")
    files = engine.write(run.workspace, f"{base}/ledger", named, SEQUENCE_LEDGER, ["source", "id", "n"])
    return {f"ledger/{one.name}/{role}": file for role, file in roles("part", files).items()}, dict(
        sorted(outcomes.items())
    )


def _named(name: str, rows: pa.Table) -> pa.Table:
    return (
        rows.append_column("set", pa.array([name] * len(rows), pa.string()))
        .select(SEQUENCE_LEDGER.names)
        .cast(SEQUENCE_LEDGER)
    )


def _cells(
    one: SetConfig, available: Mapping[str, int], budgets: Mapping[str, int], reached: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """What was asked of each share, what there is, what was reached, and whether it ran out."""
    whole = sum(one.shares.values())
    out = []
    for cell in sorted({*available, *budgets}):
        requested, row = budgets.get(cell, 0), reached.get(cell)
        out.append(
            {
                "cell": cell,
                "share": round(one.shares.get(cell, 0.0) / whole, 6) if whole else None,
                "requested": requested,
                "available": available.get(cell, 0),
                "reached": row["tokens"] if row else 0,
                "pieces": row["pieces"] if row else 0,
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
