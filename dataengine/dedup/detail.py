"""dedup.detail: how finely the pictures are resolved that have near-duplicates, so that a stretched copy stands for none of them.

A part is a media tar. What ingest has measured while it had the pixels is not decoded again. Runs only where the recipe keeps
the sample of the highest resolution.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine import contracts
from dataengine.config.recipe import Recipe
from dataengine.media.image.detail import Detail
from dataengine.media.measures import DETAIL_VERSION
from dataengine.media.sandbox.pool import Ok
from dataengine.samples import measured
from dataengine.samples.selection import Selection, distinct
from dataengine.samples.stage import PlannedStage
from dataengine.samples.worker import DecodingWorker
from dataengine.stage import Part, Run, Worker
from dataengine.storage.workspace import Output
from dataengine.table_engine import Source

_ENDS = contracts.columns(id=pa.string())
_EDGES = pa.schema([contracts.EDGES.field(name) for name in ("a", "b")])


class DedupDetail(PlannedStage):
    """One row a distinct picture that an edge names."""

    name = "dedup.detail"
    version = DETAIL_VERSION
    needs = ("dedup.unique", "dedup.edges")
    has_loads = False  # but for what ingest has not measured

    def active(self, recipe: Recipe) -> bool:
        return "resolution" in recipe.dedup.keep

    def settings(self, recipe: Recipe) -> Any:
        return [recipe.limits.model_dump()]

    def selection(self, run: Run) -> Selection:
        edges = Source("ends", run.records["dedup.edges"].files("edges"), _EDGES, ends, _ENDS)
        pictures = distinct(run).that('u."kind" = ?', "image")
        return pictures.that('u."id" IN (SELECT e."id" FROM e)', e=edges)

    def plan(self, run: Run) -> list[Part]:
        return super().plan(run) if any(f.rows for f in run.records["dedup.edges"].files("edges")) else []

    def worker(self, run: Run) -> Worker:
        return DetailWorker(run.recipe.limits.to_limits(), run.workspace)


class DetailWorker(DecodingWorker):
    """Decodes in a child what nobody has measured yet."""

    function = "dataengine.media.image.detail:of_file"

    def answer(self) -> Any:
        return Detail

    def process(self, part: Part) -> Output:
        rows = self.samples(part.spec)
        details = measured.details(self.workspace, rows, self.limits)
        missing = [row for row in rows if row.id not in details]
        for row, outcome in self.decoded(missing, lambda _, data: data) if missing else ():
            details[row.id] = outcome.value if isinstance(outcome, Ok) else None
        table = pa.table([sorted(details), [details[id_] for id_ in sorted(details)]], schema=contracts.DETAIL)
        key = f"dedup/detail/{part.name}-{part.key[:16]}.parquet"
        file = self.workspace.write_table(key, table, contracts.DETAIL)
        return Output({"detail": file}, {"pictures": len(rows), "decoded": len(missing)})


def ends(edges: pa.Table) -> pa.Table:
    """The samples that edges name."""
    both = pa.chunked_array([*edges["a"].chunks, *edges["b"].chunks], pa.string())
    return pa.table([pc.unique(both)], schema=_ENDS)
