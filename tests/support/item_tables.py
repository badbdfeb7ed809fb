"""Tables of items in clusters, and recipes that index them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dataengine.config.recipe import Recipe
from dataengine.index.search import Index, open_index
from dataengine.pipeline import open_run, stages
from dataengine.stage import Record, Run
from support.in_process import outputs
from support.planted_lists import recipe as base_recipe


def clusters(count: int, dim: int = 16, each: int = 20, seed: int = 0) -> NDArray[np.float32]:
    """Vectors around ``count / each`` centres, in no order."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(max(1, count // each), dim))
    vectors = centres[rng.integers(0, len(centres), count)] + 0.3 * rng.normal(size=(count, dim))
    return vectors.astype(np.float32)


def write(path: Path, vectors: NDArray[np.float32], first: int = 0, **columns: Any) -> None:
    """A table with ids ``item-00000`` and on, in row groups of 500."""
    ids = [f"item-{first + n:05d}" for n in range(len(vectors))]
    lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    pq.write_table(pa.table({"id": ids, "vector": lists, **columns}), path, row_group_size=500)


def recipe(folder: Path, **index: Any) -> Recipe:
    """Indexes ``folder``/items.parquet; its source has one file, which is not read."""
    photos = folder / "photos"
    photos.mkdir(exist_ok=True)
    (photos / "one.jpg").write_bytes(b"")
    settings = {"of": "items", "items": {"path": str(folder / "items.parquet")}, "leaf_size": 16, **index}
    return base_recipe(folder, None, index=settings, workspace=str(folder / "ws"), lock=str(folder / "items.lock"))


def indexed(made: Recipe, last: str = "index.nodes") -> Run:
    """The stages of the index, in this process, and what they keep in the lock."""
    run = open_run(made)
    for stage in stages(made):
        if stage.name.startswith("index.") and stage.needed(run):
            locked = stage.locked(run)
            run.records[stage.name] = locked or Record(stage.name, stage.key(run), outputs(run, stage))
            stage.keep(run)
        if stage.name == last:
            break
    return run


def opened(run: Run) -> Index:
    return open_index(run.recipe.workspace, run.records["index.nodes"].parts["all"].facts["manifest"])
