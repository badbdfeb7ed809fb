"""index.balance: the cluster of each sample, its place in it, and numbers by which a policy may balance. It drops nothing."""

from __future__ import annotations

from functools import partial
from typing import Any

import pyarrow as pa

from dataengine import contracts
from dataengine.annotate.track import Track
from dataengine.annotate.worker import FAILURES, TABLE, VALUES
from dataengine.config.recipe import Recipe
from dataengine.index.balance import coverage_stage
from dataengine.index.balance.clusters import clusters_of, needs_of
from dataengine.index.balance.coverage_stage import COVERAGE, COVERAGE_ROLE
from dataengine.index.balance.settings import balance_config, balancing, covering
from dataengine.index.balance.weights import Sizes, keep_probability, median_size, samples, sampling_weight
from dataengine.samples.draws import draws, shares
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import Output, digest, roles
from dataengine.table_engine import Frame

STAGE = "index.balance"
#: Facts of the stage: number of clusters by size, and the target that was used.
SIZES, TARGET = "sizes", "target"
_DRAWN = contracts.columns(id=pa.string(), cluster=pa.string(), balance_draw=pa.float64())
_SIZED = """
SELECT c."cluster", CAST(count(*) AS BIGINT) AS "cluster_size" FROM c WHERE c."cluster" IS NOT NULL GROUP BY c."cluster"
"""
_SIZES = 'SELECT s."cluster_size" AS n, CAST(count(*) AS BIGINT) AS clusters FROM s GROUP BY s."cluster_size"'
_RANKED = """
SELECT d."id", d."cluster", s."cluster_size", d."balance_draw", CASE WHEN d."cluster" IS NULL THEN NULL ELSE
CAST(row_number() OVER (PARTITION BY d."cluster" ORDER BY d."balance_draw", d."id") AS BIGINT) END AS "cluster_rank"{covered}
FROM d
LEFT JOIN s ON d."cluster" = s."cluster"{joined}
"""
_COLUMNS: list[pa.Field[Any]] = [
    pa.field("cluster", pa.string()),
    pa.field("cluster_size", pa.int64()),
    pa.field("cluster_rank", pa.int64()),
    pa.field("balance_draw", pa.float64()),
    pa.field("balance_keep", pa.float64()),
    pa.field("balance_weight", pa.float64()),
]


def track(recipe: Recipe) -> Track:
    """``cluster`` with its size and the sample's place in it (from 1, by draw); ``balance_draw`` in [0, 1) to be compared with
    ``balance_keep``; ``balance_weight``, how often to sample; and, with coverage, the columns of COVERAGE."""
    covered = [] if covering(recipe) is None else [f for f in COVERAGE if f.name != "id"]
    return Track(
        name="balance",
        version=digest(balance_config(recipe).model_dump(), recipe.seed)[:16],
        columns=(*_COLUMNS, *covered),
        details=(),
        models=(),
        in_samples=recipe.index is not None and recipe.index.in_samples,
        of_samples="in a cluster",
        wing="index",
    )


class Balance(TableStage):
    """One row a representative or item; null where it has no vector."""

    name = STAGE
    version = "1"
    needs = ("index.vectors", "index.tree", "index.leaves", "index.codes", coverage_stage.STAGE)

    def active(self, recipe: Recipe) -> bool:
        return balancing(recipe)

    def validate(self, recipe: Recipe) -> None:
        needs_of(recipe)

    def settings(self, recipe: Recipe) -> Any:
        config = balance_config(recipe)
        return [config.model_dump(exclude={"coverage"}), config.coverage is not None, recipe.seed]

    def compute(self, run: Run, key: str) -> Output:
        engine, schema, config = run.engine, track(run.recipe).schema, balance_config(run.recipe)
        drawn = engine.kept(engine.local(clusters_of(run), (), partial(with_draws, run.recipe.seed), _DRAWN))
        sized = engine.kept(engine.sql(_SIZED, {"c": drawn}))
        sizes = {row["n"]: row["clusters"] for row in engine.collect(engine.sql(_SIZES, {"s": sized})).to_pylist()}
        target = config.target or median_size(sizes)
        ranked = self._ranked(run, drawn, sized)
        rows = engine.local(ranked, (), partial(weighted, schema, sizes, target, config.temperature), schema)
        files = engine.write(run.workspace, f"annotations/balance-{key}", rows, schema, ("id",))
        total, within = sum(file.rows for file in files), samples(sizes)
        facts = {SIZES: [[n, sizes[n]] for n in sorted(sizes)], TARGET: target, VALUES: {}, FAILURES: {}}
        return Output(roles(TABLE, files), {"samples": total, "with": within, "failed": total - within}, facts)

    def _ranked(self, run: Run, drawn: Frame, sized: Frame) -> Frame:
        frames, covered, joined = {"d": drawn, "s": sized}, "", ""
        if covering(run.recipe) is not None:
            frames["v"] = run.frame(coverage_stage.STAGE, COVERAGE_ROLE, COVERAGE)
            covered = "".join(f', v."{f.name}"' for f in COVERAGE if f.name != "id")
            joined = ' LEFT JOIN v ON d."id" = v."id"'
        return run.engine.sql(_RANKED.format(covered=covered, joined=joined), frames)


def with_draws(seed: int, rows: pa.Table) -> pa.Table:
    """_DRAWN of (id, cluster): a draw depends on id and seed alone."""
    drawn = shares(draws(seed, map(str, rows["id"].to_pylist()), "balance"))
    return pa.table([rows["id"], rows["cluster"], pa.array(drawn)], schema=_DRAWN)


def weighted(schema: pa.Schema, sizes: Sizes, target: int, temperature: float, rows: pa.Table) -> pa.Table:
    """Rows of the track. Samples of no cluster have no numbers."""
    none = rows["cluster_size"].is_null().to_numpy()
    size = rows["cluster_size"].fill_null(pa.scalar(1, pa.int64())).to_numpy()
    columns = {
        "balance_keep": keep_probability(size, target),
        "balance_weight": sampling_weight(size, sizes, temperature),
    }
    for name, values in columns.items():
        rows = rows.append_column(name, pa.array(values, mask=none))
    for name in ("failure", "message"):
        rows = rows.append_column(name, pa.nulls(len(rows), pa.string()))
    return rows.select(schema.names).cast(schema)
