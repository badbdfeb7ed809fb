"""Filter: facts, scores and contamination of the representatives → kept, or the rule that dropped each. Reads columns only."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from dataengine import contracts
from dataengine.contamination.outcome import contaminated
from dataengine.policy.decide import decide
from dataengine.policy.load import load
from dataengine.policy.model import Policy
from dataengine.policy.screen import screened
from dataengine.recipe import Recipe
from dataengine.score.annotated import annotated, known_columns
from dataengine.score.distribution import distributions
from dataengine.stage import Run, TableStage
from dataengine.workspace import Output


class Filter(TableStage):
    """Moving a threshold runs this stage and what follows it, nothing before."""

    name = "filter"
    version = "2"
    needs = ("dedup", "score", "contamination.find")

    def validate(self, recipe: Recipe) -> None:
        self._policy(recipe)

    def settings(self, recipe: Recipe) -> Any:
        return self._policy(recipe).digest

    def compute(self, run: Run, key: str) -> Output:
        policy = self._policy(run.recipe)
        found, rows = contaminated(run), annotated(run)
        if found is None:
            decisions, funnel = decide(run.engine, policy, "annotated", {"annotated": rows})
        else:
            decisions, funnel = screened(run.engine, policy, rows, found)
        file = run.workspace.write_table(f"decisions/{key}.parquet", decisions, contracts.DECISIONS)
        counts = {"in": decisions.num_rows, "kept": funnel[-1].remaining if funnel else decisions.num_rows}
        told = {"name": policy.name, "version": policy.version, "digest": policy.digest}
        kept = decisions.filter(decisions["kept"])["id"]
        facts = {"policy": told, "funnel": [asdict(row) for row in funnel], "scores": distributions(rows, kept)}
        return Output({"decisions": file}, counts, facts)

    def _policy(self, recipe: Recipe) -> Policy:
        return load(recipe.filter.policy, known_columns(recipe))
