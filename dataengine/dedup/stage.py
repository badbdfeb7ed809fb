"""Dedup: one row an input → one row a distinct sample, edges between alike samples, and who stands for each group."""

from __future__ import annotations

from typing import Any

from dataengine import contracts
from dataengine.media.phash import VERSION as HASH_VERSION
from dataengine.recipe import Recipe
from dataengine.stage import Run, TableStage
from dataengine.workspace import Output


class Dedup(TableStage):
    """Global: sees the hashes of all samples at once, and no media."""

    name = "dedup"
    version = "1"
    needs = ("ingest",)

    def settings(self, recipe: Recipe) -> Any:
        return [recipe.dedup.model_dump(), HASH_VERSION]

    def compute(self, run: Run, key: str) -> Output:
        from dataengine.dedup.exact import unique_samples
        from dataengine.dedup.find import find_edges
        from dataengine.dedup.groups import group

        config = run.recipe.dedup
        samples = run.table("ingest", "samples", contracts.SAMPLES)
        unique = unique_samples(samples)
        edges = find_edges(unique, config.radius, config.video_overlap)
        groups, chained = group(unique, edges, config.keep, config.radius, config.video_overlap)
        write = run.workspace.write_table
        files = {
            name: write(f"dedup/{name}-{key}.parquet", table, contracts.TABLES[name])
            for name, table in (("unique", unique), ("edges", edges), ("groups", groups))
        }
        kept = sum(a == b for a, b in zip(groups["id"].to_pylist(), groups["representative"].to_pylist(), strict=True))
        counts = {"inputs": samples.num_rows, "distinct": unique.num_rows, "edges": edges.num_rows, "kept": kept}
        return Output(files, counts, {"chained": chained})
