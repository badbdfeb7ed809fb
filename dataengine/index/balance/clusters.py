"""The cluster of each sample, for balance: a leaf or subtree of the tree, or the first levels of its codes."""

from __future__ import annotations

from functools import partial

import pyarrow as pa

from dataengine import contracts
from dataengine.annotate.worker import TABLE
from dataengine.config.recipe import Recipe
from dataengine.errors import UsageError
from dataengine.index.balance.settings import balance_config
from dataengine.index.codes import stage as codes
from dataengine.index.codes.settings import codes_config, coding
from dataengine.index.vectors import LEFT_OUT, PLACES
from dataengine.stage import Run
from dataengine.table_engine import Frame

CLUSTERS = contracts.columns(id=pa.string(), cluster=pa.string())


def needs_of(recipe: Recipe) -> None:
    """Raises UsageError where the recipe does not make what it balances by."""
    config = balance_config(recipe)
    if config.by == "codes":
        levels = codes_config(recipe).shape[0] if coding(recipe) else 0
        if not coding(recipe) or (config.depth or 0) > levels:
            raise UsageError(
                f"index.balance: `by: codes` with depth {config.depth} needs `index.codes` with as many levels; the recipe has "
                f"{levels}"
            )


def clusters_of(run: Run) -> Frame:
    """CLUSTERS of every sample of the index, in no order; null where it has no vector."""
    config = balance_config(run.recipe)
    if config.by == "codes":
        names = ["id", *(f"rq_{n + 1}" for n in range(config.depth or 0))]
        frame = run.frame(codes.STAGE, TABLE, codes.track(run.recipe).schema, names)
        return run.engine.local(frame, (), partial(by_codes, tuple(names[1:])), CLUSTERS)
    leaves = int(run.records["index.tree"].parts["all"].facts["leaves"])
    shift = 0 if config.depth is None else max(0, leaves.bit_length() - 1 - config.depth)
    frames = {
        "p": run.frame("index.leaves", "rows", PLACES, ["id", "leaf"]),
        "n": run.frame("index.vectors", "left_out", LEFT_OUT, ["id"]),
    }
    every = run.engine.sql('SELECT p."id", p."leaf" FROM p UNION ALL SELECT n."id", NULL AS "leaf" FROM n', frames)
    return run.engine.local(every, (), partial(by_leaf, shift, len(str(leaves - 1))), CLUSTERS)


def by_codes(levels: tuple[str, ...], rows: pa.Table) -> pa.Table:
    """CLUSTERS by the first levels of the codes: ``340-6566``."""
    columns = [rows[name].to_pylist() for name in levels]
    names = [None if None in some else "-".join(map(str, some)) for some in zip(*columns, strict=True)]
    return pa.table([rows["id"], pa.array(names, pa.string())], schema=CLUSTERS)


def by_leaf(shift: int, digits: int, rows: pa.Table) -> pa.Table:
    """CLUSTERS by leaf, or by the node so many layers above it: numbers from left to right, with leading zeros."""
    names = [None if leaf is None else f"{int(leaf) >> shift:0{digits}d}" for leaf in rows["leaf"].to_pylist()]
    return pa.table([rows["id"], pa.array(names, pa.string())], schema=CLUSTERS)
