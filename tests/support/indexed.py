"""Runs over made-up vectors, as if ``index.vectors`` had written them: stages of codes, alignment and balance, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dataengine.catalog import STAGES
from dataengine.config.index import IndexConfig
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.index.vectors import SHOWN, VECTORS, publish, table_of, unit
from dataengine.stage import Run
from dataengine.storage.workspace import Output, Record
from support.in_process import outputs
from support.planned import Tables, sample


def clustered(count: int, dim: int = 16, groups: int = 20, seed: int = 0) -> Any:
    """``(count, dim)`` float32 around the means of groups."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(groups, dim)) * 2
    return (means[rng.integers(0, groups, count)] + rng.normal(size=(count, dim))).astype(np.float32)


def run_of(
    folder: Path, vectors: Any, index: dict[str, Any], *, engine: Any = None, parts: int = 3, **options: Any
) -> Run:
    """A run whose representatives have ``(n, d)`` vectors in so many parts; rows that are not usable are left out."""
    rows = [sample(n, f"p{n % parts}", [f"a caption of number {n}"]) for n in range(len(vectors))]
    run = Tables(folder, engine or DuckDBEngine(threads=1), rows).run
    content = {"of": "image", **index}
    run.recipe = run.recipe.model_copy(
        update={"index": IndexConfig.model_validate(content), "seed": options.get("seed", 7)}
    )
    whole = {}
    for part in range(parts):
        mine = [n for n in range(len(vectors)) if n % parts == part]
        shown = pa.Table.from_pylist([{"id": rows[n]["id"], "caption": "c"} for n in mine], shown_schema())
        usable = np.nan_to_num(vectors[mine], nan=np.nan)
        table, left_out = table_of(shown, np.where(np.isfinite(usable).all(1)[:, None], unit(usable), usable))
        files = publish(run.workspace, f"v/{part}", table, left_out)
        models = options.get("models", ["m1"] * parts)[part]
        whole[f"p{part}"] = Output(files, {"samples": len(table)}, {"dim": vectors.shape[1], "models": [models]})
    run.records["index.vectors"] = Record("index.vectors", "", whole)
    return run


def shown_schema() -> pa.Schema:
    return pa.schema([VECTORS.field(name) for name in SHOWN])


def make(run: Run, names: Sequence[str]) -> Run:
    """Make these stages of the run's recipe, keeping in the lock what is to be kept."""
    for stage in STAGES:
        if stage.name in names and stage.active(run.recipe):
            stage.validate(run.recipe)
            locked = stage.locked(run)
            run.records[stage.name] = locked or Record(stage.name, stage.key(run), outputs(run, stage))
            stage.keep(run)
    return run


CODES = ("index.codebooks", "index.encode", "index.codes")
