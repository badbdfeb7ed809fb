"""dedup.fingerprint: digests of pixels and gray thumbnails of distinct pictures, those of ingest where it has made them.

A part is a media tar, so a new batch decodes only its own pictures. Runs only where the recipe looks for equal pixels, aligned
edges, or semantic edges that are confirmed; no model is loaded.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pyarrow as pa

from dataengine import contracts
from dataengine.config.recipe import Recipe
from dataengine.dedup import thumbnails
from dataengine.media.measures import FINGERPRINT_VERSION, Fingerprint
from dataengine.media.sandbox.pool import Ok
from dataengine.samples import measured
from dataengine.samples.locate import Located
from dataengine.samples.selection import Selection, distinct
from dataengine.samples.stage import PlannedStage
from dataengine.samples.worker import DecodingWorker
from dataengine.stage import Part, Run, Worker
from dataengine.storage.workspace import File, Output


class DedupFingerprint(PlannedStage):
    """One row a distinct picture."""

    name = "dedup.fingerprint"
    version = f"{FINGERPRINT_VERSION}/1"
    needs = ("dedup.unique",)
    has_loads = False  # but for what ingest has not fingerprinted

    def active(self, recipe: Recipe) -> bool:
        return recipe.dedup.fingerprints

    def settings(self, recipe: Recipe) -> Any:
        return [recipe.limits.model_dump()]

    def selection(self, run: Run) -> Selection:
        return distinct(run).that('u."kind" = ?', "image")

    def worker(self, run: Run) -> Worker:
        return FingerprintWorker(run.recipe.limits.to_limits(), run.workspace)


class FingerprintWorker(DecodingWorker):
    """Decoding in a child what ingest has not fingerprinted, nothing else."""

    function = "dataengine.media.image.fingerprint:fingerprint"

    def answer(self) -> Any:
        return Fingerprint

    def process(self, part: Part) -> Output:
        samples = self.samples(part.spec)
        kept = measured.fingerprints(self.workspace, samples, self.limits)
        made = pa.Table.from_pylist([{"id": id_, **columns} for id_, columns in kept.items()], contracts.FINGERPRINTS)
        table = pa.concat_tables([made, self._decoded(samples, kept)]).sort_by("id")
        key = f"dedup/fingerprints/{part.name}-{part.key[:16]}.parquet"
        files = {
            "fingerprints": self.workspace.write_table(key, table, contracts.FINGERPRINTS),
            **self._thumbnails(part, table),
        }
        return Output(files, {"pictures": len(table), "not_compared": table["thumbnail"].null_count})

    def _thumbnails(self, part: Part, table: pa.Table) -> dict[str, File]:
        """Thumbnails once more, where one of them can be read without the others, and their places."""
        data, places = thumbnails.packed(table)
        base = f"dedup/thumbnails/{part.name}-{part.key[:16]}"
        pack = File(f"{base}.bin", self.workspace.store.put(f"{base}.bin", data), len(data), len(places))
        named = places.set_column(1, "pack", pa.repeat(pa.scalar(pack.key), len(places)))
        return {"thumbnails": pack, "places": self.workspace.write_table(f"{base}.parquet", named, thumbnails.PLACES)}

    def _decoded(self, samples: Sequence[Located], done: Collection[str]) -> pa.Table:
        rows: list[dict[str, Any]] = []
        todo = [row for row in samples if row.id not in done]
        if todo:
            for row, outcome in self.decoded(todo, lambda row, data: (data, row.facts["frames"])):
                columns = outcome.value if isinstance(outcome, Ok) else dict.fromkeys(("pixels", "thumbnail"))
                rows.append({"id": row.id, **columns})
        return pa.Table.from_pylist(rows, contracts.FINGERPRINTS)
