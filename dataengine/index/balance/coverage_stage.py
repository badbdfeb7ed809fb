"""index.centres and index.coverage: k-centre on a sample of the vectors, then how far every vector is from the nearest centre."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from dataengine import contracts
from dataengine.config.index_codes import CoverageConfig
from dataengine.config.recipe import Recipe
from dataengine.embed.vectors import F2, rows_of
from dataengine.index import vectors
from dataengine.index.balance.k_centre import distances, k_centre
from dataengine.index.balance.settings import covering
from dataengine.index.sampled import sampled
from dataengine.index.worker import VectorsWorker
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.workspace import File, Output, digest

CENTRES_STAGE, CENTRES = "index.centres", "centres"
STAGE, COVERAGE_ROLE = "index.coverage", "coverage"
#: The centres in the order of their choice.
_CENTRES = contracts.columns(id=pa.string(), vector=pa.binary())
#: Of each vector the distance to the nearest centre, and its own place among the centres, from 1; null for all others.
COVERAGE = contracts.columns(id=pa.string(), coverage_distance=pa.float64(), coverage_rank=pa.int64())


class Centres(RecordStage):
    """One part, on one worker."""

    name = CENTRES_STAGE
    version = "2"
    needs = ("index.vectors",)

    def active(self, recipe: Recipe) -> bool:
        return covering(recipe) is not None

    def settings(self, recipe: Recipe) -> Any:
        config = covering(recipe)
        return [config.model_dump() if config else None, recipe.seed]

    def plan(self, run: Run) -> list[Part]:
        files = run.records["index.vectors"].files("vectors")
        key = digest(self.version, self.settings(run.recipe), [f.sha256 for f in files])
        return [Part("all", key, tuple(files))]

    def worker(self, run: Run) -> Worker:
        return CentresWorker(run.workspace, covering(run.recipe) or CoverageConfig(), run.recipe.seed)


@dataclass
class CentresWorker(VectorsWorker):
    config: CoverageConfig
    seed: int

    def process(self, part: Part) -> Output:
        some = sampled(self.workspace, part.spec, self.config.sample, self.seed, "coverage")
        chosen = k_centre(some.vectors, self.config.centres)
        packed = [row.astype(F2).tobytes() for row in some.vectors[chosen]]
        table = pa.table([[some.ids[n] for n in chosen], packed], schema=_CENTRES)
        file = self.workspace.write_table(f"index/centres-{part.key[:16]}.parquet", table)
        return Output({CENTRES: file}, {"centres": len(table), "sample": len(some.ids)})


class Coverage(RecordStage):
    """A part is that of the vectors."""

    name = STAGE
    version = "2"
    needs = ("index.vectors", CENTRES_STAGE)

    def active(self, recipe: Recipe) -> bool:
        return covering(recipe) is not None

    def plan(self, run: Run) -> list[Part]:
        base = digest(self.version, run.records[CENTRES_STAGE].digest)
        parts = sorted(run.records["index.vectors"].parts.items())
        return [Part(name, digest(base, out.files["vectors"].sha256), out.files["vectors"]) for name, out in parts]

    def worker(self, run: Run) -> Worker:
        return CoverageWorker(run.workspace, run.records[CENTRES_STAGE].parts["all"].files[CENTRES])


@dataclass
class CoverageWorker(VectorsWorker):
    centres: File
    _rank: dict[str, int] = field(default_factory=dict, init=False, repr=False)

    def setup(self) -> None:
        table = self.workspace.read_table([self.centres], _CENTRES)
        self._rank = {str(id_): n + 1 for n, id_ in enumerate(table["id"].to_pylist())}
        self._vectors = rows_of(table["vector"]).astype(np.float32)

    def process(self, part: Part) -> Output:
        ids, some = vectors.read(self.workspace, [part.spec])
        apart = distances(some, self._vectors) if len(some) else np.zeros(0)
        ranks = pa.array([self._rank.get(str(id_)) for id_ in ids.to_pylist()], pa.int64())
        table = pa.table([ids, pa.array(apart), ranks], schema=COVERAGE)
        file = self.workspace.write_table(f"annotations/coverage/{part.name}-{part.key[:16]}.parquet", table)
        return Output({COVERAGE_ROLE: file}, {"samples": len(table)})
