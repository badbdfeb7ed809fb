"""Base of record stages whose parts come from listing files that the recipe names: ingest and benchmarks."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from dataengine.config.recipe import Recipe
from dataengine.media.image.phash import VERSION as HASH_VERSION
from dataengine.stage import Part, RecordStage, Run
from dataengine.storage.workspace import digest


class ListingStage(RecordStage):
    """Lists once: the result of ``validate`` is kept for the run that follows. The stage's key covers every listed part."""

    def __init__(self) -> None:
        self._listed: tuple[Recipe, list[Part]] | None = None

    @abstractmethod
    def listed(self, recipe: Recipe, base: str) -> list[Part]:
        """The parts in a fixed order, their keys derived from ``base``. Raises UsageError naming every mistake."""

    def validate(self, recipe: Recipe) -> None:
        self._listed = (recipe, self.listed(recipe, digest(self.name, self.version, self.settings(recipe))))

    def settings(self, recipe: Recipe) -> Any:
        return [recipe.limits.model_dump(), HASH_VERSION]

    def key(self, run: Run) -> str:
        return digest(super().key(run), [(p.name, p.key) for p in self.plan(run)])

    def plan(self, run: Run) -> list[Part]:
        if self._listed is None or self._listed[0] is not run.recipe:
            self.validate(run.recipe)
        return self._listed[1] if self._listed else []
