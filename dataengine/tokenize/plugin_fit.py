"""The stage that fits a plugin's tokenizer, on the samples that any tokenizer is fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dataengine.config.lock import FittedOn
from dataengine.config.recipe import Recipe
from dataengine.plugins.origin import Origin
from dataengine.samples.locate import unpacked
from dataengine.stage import Part, Run, Worker
from dataengine.storage.workspace import Output, digest
from dataengine.tokenize import checkpoint, decision
from dataengine.tokenize.plugin import PluginPreparer, PluginTokenizer, class_of
from dataengine.tokenize.stage import FitStage, StillsWorker
from dataengine.tokenize.training_set import fitted_on, is_planned, to_fit


class PluginFit(FitStage):
    """One part, as of the product tokenizer; without samples where the class has no ``fit``."""

    def active(self, recipe: Recipe) -> bool:
        return super().active(recipe) and decision.plugin_of(recipe) is not None

    def plan(self, run: Run) -> list[Part]:
        parts = to_fit(run).plan(run) if _fits(run.recipe) else []
        key = digest(self.version, self.settings(run.recipe), [part.ids for part in parts])
        return [Part("all", key, tuple(part.rows for part in parts))]

    def is_planned(self, run: Run) -> bool:
        return not _fits(run.recipe) or is_planned(run)

    def fitted_on(self, run: Run) -> FittedOn:
        return fitted_on(run) if _fits(run.recipe) else FittedOn(samples=0, digest=digest([]))

    def worker(self, run: Run) -> Worker:
        decision.check_samples(run, self.fitted_on)
        config = self.config(run.recipe).model_dump(mode="json")
        return PluginFitWorker(run.recipe.limits.to_limits(), run.workspace, config, _origin(run.recipe))


@dataclass
class PluginFitWorker(StillsWorker):
    """``config``: the plugin's settings, of which each process makes its own configuration."""

    origin: Origin

    def context(self) -> Any:
        return self.limits, PluginPreparer(self.origin, self.config)

    def answer(self) -> Any:
        return list[class_of(self.origin).prepared]  # type: ignore[misc]

    def process(self, part: Part) -> Output:
        rows = self.stills(unpacked(self.workspace.store, part.spec))
        stills = ((f"{row.id}/{n}", prepared) for n, (row, prepared) in enumerate(rows))
        tokenizer = PluginTokenizer.fitted(self.origin, self.config, stills)
        counts = {"samples": sum(place.rows for place in part.spec)}
        return checkpoint.publish(self.workspace.store, tokenizer, counts)  # type: ignore[arg-type]


def _origin(recipe: Recipe) -> Origin:
    origin = decision.plugin_of(recipe)
    if origin is None:
        raise ValueError("the recipe has no tokenizer of a plugin")
    return origin


def _fits(recipe: Recipe) -> bool:
    return hasattr(class_of(_origin(recipe)), "fit")
