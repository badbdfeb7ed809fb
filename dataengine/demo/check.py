"""Comparison of a finished run on the demo corpus with the corpus's labels."""

from __future__ import annotations

import json
from pathlib import Path

from dataengine import contracts
from dataengine.config.recipe import Recipe
from dataengine.demo.evaluate import Evaluation, evaluate
from dataengine.errors import UsageError
from dataengine.pipeline import committed
from dataengine.policy.annotated import annotated


def check(folder: Path, recipe: Recipe) -> Evaluation:
    """Evaluate the finished run of ``recipe`` on the corpus in ``folder``. Raises UsageError if either is missing."""
    labels = folder / "labels.json"
    if not labels.exists():
        raise UsageError(
            f"{folder} is not a demo corpus (no {labels.name}): run `dataengine demo-corpus {folder}` first"
        )
    run = committed(recipe)
    try:
        ledger = run.table("release", "ledger", contracts.LEDGER)
        scores = run.engine.collect(annotated(run, ["match"]))
    finally:
        run.close()
    return evaluate(json.loads(labels.read_text()), ledger, scores)
