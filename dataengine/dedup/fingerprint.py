"""dedup.fingerprint: digests of pixels and gray thumbnails of distinct pictures, from one decode each.

A part is a media tar, so a new batch decodes only its own pictures. Runs only where the recipe looks for equal pixels, aligned
edges, or semantic edges that are confirmed; no model is loaded.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from dataengine import contracts
from dataengine.config.recipe import Recipe
from dataengine.dedup.fingerprint_views import Fingerprint
from dataengine.media.sandbox.pool import Ok
from dataengine.samples.selection import Selection, distinct
from dataengine.samples.stage import PlannedStage
from dataengine.samples.worker import DecodingWorker
from dataengine.stage import Part, Run, Worker
from dataengine.storage.workspace import Output


class DedupFingerprint(PlannedStage):
    """One row a distinct picture."""

    name = "dedup.fingerprint"
    version = "3"
    needs = ("dedup.unique",)

    def active(self, recipe: Recipe) -> bool:
        semantic = recipe.dedup.semantic
        return bool({"pixels", "aligned"} & set(recipe.dedup.edge_kinds)) or (semantic is not None and semantic.confirm)

    def settings(self, recipe: Recipe) -> Any:
        return [recipe.limits.model_dump()]

    def selection(self, run: Run) -> Selection:
        return distinct(run).that('u."kind" = ?', "image")

    def worker(self, run: Run) -> Worker:
        return FingerprintWorker(run.recipe.limits.to_limits(), run.workspace)


class FingerprintWorker(DecodingWorker):
    """Decoding in a child, nothing else."""

    function = "dataengine.dedup.fingerprint_views:fingerprint"

    def answer(self) -> Any:
        return Fingerprint

    def process(self, part: Part) -> Output:
        rows: list[dict[str, Any]] = []
        for row, outcome in self.decoded(self.samples(part.spec), lambda row, data: (data, row.facts["frames"])):
            columns = outcome.value if isinstance(outcome, Ok) else dict.fromkeys(("pixels", "thumbnail"))
            rows.append({"id": row.id, **columns})
        table = pa.Table.from_pylist(sorted(rows, key=lambda r: str(r["id"])), contracts.FINGERPRINTS)
        key = f"dedup/fingerprints/{part.name}-{part.key[:16]}.parquet"
        file = self.workspace.write_table(key, table, contracts.FINGERPRINTS)
        unreadable = sum(row["thumbnail"] is None for row in rows)
        return Output({"fingerprints": file}, {"pictures": len(rows), "not_compared": unreadable})
