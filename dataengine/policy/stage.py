"""The filter stage: facts, scores and contamination of the representatives → a decision for each. Reads columns only."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from dataengine import contracts
from dataengine.annotate.track import ANNOTATIONS
from dataengine.config.recipe import Recipe
from dataengine.config.yaml_loader import read_text
from dataengine.contamination.outcome import contaminated
from dataengine.errors import UsageError
from dataengine.index.tracks import INDEXED
from dataengine.policy.annotated import annotated, known_columns
from dataengine.policy.decide import decide
from dataengine.policy.load import load
from dataengine.policy.model import Policy
from dataengine.policy.screen import screened
from dataengine.score.distribution import distributions, numeric
from dataengine.score.histograms import histograms
from dataengine.score.value_counts import textual, value_counts
from dataengine.stage import Run, TableStage
from dataengine.storage.workspace import Output, roles


class Filter(TableStage):
    """Moving a threshold runs this stage and what follows it, nothing before."""

    name = "filter"
    version = "5"
    needs = ("dedup", "score", *ANNOTATIONS, *INDEXED, "contamination.find")

    def validate(self, recipe: Recipe) -> None:
        try:
            read_text(recipe.filter.policy)
        except UsageError as error:
            raise UsageError(f"{recipe.line('filter', 'policy')}filter.policy: {error}") from None
        self._policy(recipe)

    def settings(self, recipe: Recipe) -> Any:
        return self._policy(recipe).digest

    def compute(self, run: Run, key: str) -> Output:
        engine, policy = run.engine, self._policy(run.recipe)
        known = known_columns(run.recipe)
        names, texts = numeric(known), textual(known)
        rows = engine.kept(annotated(run, {*names, *texts, *policy.columns}))
        hits = contaminated(run)
        if hits is None:
            decided = decide(engine, policy, "annotated", {"annotated": rows})
        else:
            decided = screened(engine, policy, rows, hits)
        files = engine.write(run.workspace, f"decisions/{key}", decided.decisions, contracts.DECISIONS, ("id",))
        counts = {"in": decided.samples, "kept": decided.funnel[-1].remaining if decided.funnel else decided.samples}
        spread = distributions(engine, rows, decided.decisions, names, decided.samples)
        facts = {
            "policy": {"name": policy.name, "version": policy.version, "digest": policy.digest},
            "funnel": [asdict(row) for row in decided.funnel],
            "scores": spread,
            "histograms": histograms(engine, rows, decided.decisions, spread),
            "labels": value_counts(engine, rows, decided.decisions, texts),
        }
        return Output(roles("decisions", files), counts, facts)

    def objection(self, run: Run) -> str:
        record = run.records[self.name]
        if record.counts["kept"]:
            return ""
        steps = [f"{s['dropped']:,} by `{s['rule']}`" for s in record.parts["all"].facts["funnel"] if s["dropped"]]
        reasons = f" (dropped: {', '.join(steps)})" if steps else ""
        return (
            f"nothing would be kept: of {record.counts['in']:,} samples that reached the filter none is left{reasons}"
        )

    def _policy(self, recipe: Recipe) -> Policy:
        return load(recipe.filter.policy, known_columns(recipe))
