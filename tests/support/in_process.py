"""A run of stages in this process, without Ray: what a test patches or counts is seen by every worker."""

from __future__ import annotations

from dataengine.config.recipe import Recipe
from dataengine.pipeline import open_run, stages
from dataengine.stage import RecordStage, Run, Stage, TableStage
from dataengine.storage.workspace import Output, Record


def made_here(recipe: Recipe, last: str) -> Run:
    """Every stage down to ``last``, each part by the same worker; earlier commits are not looked at."""
    run = open_run(recipe)
    for stage in stages(recipe):
        run.records[stage.name] = Record(stage.name, stage.key(run), outputs(run, stage))
        if stage.name == last:
            break
    return run


def outputs(run: Run, stage: Stage) -> dict[str, Output]:
    if isinstance(stage, TableStage):
        return {"all": stage.compute(run, stage.key(run))}
    assert isinstance(stage, RecordStage)
    worker = stage.worker(run)
    worker.setup()
    try:
        return {part.name: worker.process(part) for part in stage.plan(run)}
    finally:
        worker.close()
