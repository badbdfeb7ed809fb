"""score: annotates representatives, one table a scorer. A part is a media tar; scores that exist are kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dataengine.config.recipe import Recipe
from dataengine.embed.reader import ReadsEmbeddings
from dataengine.embed.worker import CAPTIONS, PICTURES, VIDEOS
from dataengine.ingest.error_budget import SMALLEST
from dataengine.samples.selection import Selection, representatives
from dataengine.samples.stage import PlannedStage
from dataengine.score.base import EmbeddingScorer
from dataengine.score.factory import of_recipe
from dataengine.score.plugin import LOST, plugins_of
from dataengine.score.worker import ScoreWorker
from dataengine.stage import Part, Run, Worker
from dataengine.storage.workspace import digest


class Score(ReadsEmbeddings, PlannedStage):
    """All scorers of pixels share one decode of each sample."""

    name = "score"
    version = "1"
    needs = ("dedup", "embed")

    def embeddings(self, recipe: Recipe) -> list[str]:
        reads = any(isinstance(scorer, EmbeddingScorer) for scorer in of_recipe(recipe))
        return [PICTURES, VIDEOS, CAPTIONS] if reads else []

    def validate(self, recipe: Recipe) -> None:
        for scorer in of_recipe(recipe):
            scorer.validate()

    def settings(self, recipe: Recipe) -> Any:
        limits = recipe.limits.model_dump()
        return [limits, [(s.name, s.version) for s in of_recipe(recipe)]]

    def device(self, recipe: Recipe) -> str:
        return recipe.score.device

    def selection(self, run: Run) -> Selection:
        return representatives(run)

    def reads_captions(self, recipe: Recipe) -> bool:
        return True

    def objection(self, run: Run) -> str:
        """Where a plugin fails too much, whose results would be missing rather than low."""
        counts, budget = run.records[self.name].counts, run.recipe.limits.failed
        lost = {name.removeprefix(LOST): n for name, n in counts.items() if name.startswith(LOST)}
        samples = counts.get("samples", 0)
        return "\n".join(
            f"scorer `{name}` of a plugin failed at {n:,} of {samples:,} samples; limits.failed allows {budget:.0%}. "
            f"`dataengine explain RECIPE INPUT` says how it failed at one"
            for name, n in lost.items()
            if samples >= SMALLEST and n > budget * samples
        )

    def plan(self, run: Run) -> list[Part]:
        """``spec`` is (place of the rows, files of their embeddings by role; none where no scorer reads them)."""
        reads = self.embeddings(run.recipe)
        return [
            self._with_embeddings(run, part) if reads else replace(part, spec=(part.spec, {}))
            for part in super().plan(run)
        ]

    def _with_embeddings(self, run: Run, part: Part) -> Part:
        files = run.records["embed"].parts[part.name].files
        read = {role: files[role] for role in self.embeddings(run.recipe)}
        key = digest(part.key, {role: file.sha256 for role, file in read.items()})
        return replace(part, key=key, spec=(part.spec, read))

    def worker(self, run: Run) -> Worker:
        config, plugins = run.recipe.score, plugins_of(of_recipe(run.recipe))
        limits = run.recipe.limits.to_limits()
        return ScoreWorker(limits, run.workspace, config.scorers, config.device, config.threads, plugins)
