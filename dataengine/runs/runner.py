"""Loads a recipe and brings its stages up to date, as the command line and ``dataengine.run`` do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataengine.config import recipe as recipes
from dataengine.config.recipe import Recipe
from dataengine.config.share import WHOLE, Share
from dataengine.config.watch import WatchConfig
from dataengine.errors import UsageError
from dataengine.ingest.partitions import without_taken_up
from dataengine.ingest.retry import forget_failed
from dataengine.monitoring.observers import observers
from dataengine.pipeline import execute
from dataengine.progress import Reporter, StageReport, Together
from dataengine.runs.options import RunOptions
from dataengine.stage import RecordEngine


def load_recipe(recipe: str | Path | Mapping[str, Any] | Recipe, options: RunOptions) -> Recipe:
    """The recipe as it is to be run; a mapping has the fields of a recipe file. Raises UsageError naming every mistake."""
    engine = str(options.engine) if options.engine else None
    loaded = recipes.load(
        recipe, options.partition, workspace=options.workspace, workers=options.workers, engine=engine
    )
    return loaded if options.only in (None, "ingest") else without_taken_up(loaded)


def run_recipe(
    recipe: Recipe, options: RunOptions, reporter: Reporter, record_engine: RecordEngine | None = None
) -> list[StageReport]:
    """Bring the stages of a loaded recipe up to date, watched as the options, the environment and the recipe say.
    ``record_engine`` takes the place of Ray. Raises as ``pipeline.execute``, and UsageError for options that do not go
    together."""
    share = Share.parse(options.parts) if options.parts else WHOLE
    if options.parts and options.only is None:
        raise UsageError(f"--parts {options.parts} is a share of one stage: name it with --only")
    watched = recipe.watch.with_environment().replaced(options.log_file, options.metrics or (), options.lineage)
    with observers(recipe, WatchConfig() if options.dry_run else watched) as others:
        return execute(
            recipe,
            options.only,
            options.dry_run,
            Together([reporter, *others]),
            engine=record_engine,
            accept=options.accept,
            prepare=forget_failed if options.retry_failed else None,
            locked=options.locked,
            share=share,
        )
