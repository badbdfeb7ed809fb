"""annotate: the stages that add tracks to representatives, one each. Parts are media tars, planned by the table engine."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

from dataengine.annotate import asr, ocr
from dataengine.annotate.track import Track
from dataengine.annotate.worker import FAILURES
from dataengine.config.annotate import AnnotateConfig
from dataengine.config.recipe import Recipe
from dataengine.contracts import UNIQUE
from dataengine.errors import UsageError
from dataengine.samples.selection import Selection, representatives, source
from dataengine.samples.stage import PlannedStage
from dataengine.stage import Run, Worker

#: Samples below which no share of failures stops a run.
_SMALLEST = 50


class TrackStage(PlannedStage):
    """A stage whose result is the table of a track. Failures are rows of it; more than ``limits.failed`` of them stop the run."""

    version = "1"
    needs: ClassVar[tuple[str, ...]] = ("dedup",)
    worker_type: Callable[..., Worker]
    """Makes a worker of limits, workspace, track, the track's block of the recipe, device and threads."""

    @abstractmethod
    def track(self, config: AnnotateConfig) -> Track | None:
        """The track, None where the recipe does not name it. Raises UsageError where it cannot be made."""

    def active(self, recipe: Recipe) -> bool:
        return recipe.annotate is not None and self._block(recipe.annotate) is not None

    def validate(self, recipe: Recipe) -> None:
        self.active_track(recipe)

    def active_track(self, recipe: Recipe) -> Track:
        """The track of an active stage."""
        track = self.track(recipe.annotate) if recipe.annotate else None
        if track is None:
            raise UsageError(f"this recipe has no `{self.name.replace('.', ': ')}`")
        return track

    def settings(self, recipe: Recipe) -> Any:
        return [recipe.limits.model_dump(), self.active_track(recipe).version]

    def _block(self, config: AnnotateConfig) -> Any:
        """The recipe's block of this track."""
        return getattr(config, self.name.partition(".")[2])

    def worker(self, run: Run) -> Worker:
        track, config, limits = self.active_track(run.recipe), run.recipe.annotate, run.recipe.limits.to_limits()
        if config is None:
            raise UsageError("this recipe has no `annotate`")
        return self.worker_type(limits, run.workspace, track, self._block(config), config.device, config.threads)

    def device(self, recipe: Recipe) -> str:
        return recipe.annotate.device if recipe.annotate else "cpu"

    def selection(self, run: Run) -> Selection:
        return representatives(run)

    def objection(self, run: Run) -> str:
        counts, budget = run.records[self.name].counts, run.recipe.limits.failed
        samples, lost = counts.get("samples", 0), counts.get("failed", 0)
        if samples < _SMALLEST or lost <= budget * samples:
            return ""
        classes = Counter[str]()
        for part in run.records[self.name].parts.values():
            classes.update(part.facts.get(FAILURES, {}))
        listed = ", ".join(f"{n:,} {failure}" for failure, n in classes.most_common(3))
        return f"{self.name}: {lost:,} of {samples:,} samples were not annotated ({listed}); limits.failed allows {budget:.0%}"


class AnnotateOcr(TrackStage):
    """Text in pictures and in frames of videos."""

    name = "annotate.ocr"
    worker_type = ocr.OcrWorker

    def track(self, config: AnnotateConfig) -> Track | None:
        return ocr.track(config.ocr) if config.ocr else None


class AnnotateAsr(TrackStage):
    """Speech in videos; those without sound are not read."""

    name = "annotate.asr"
    worker_type = asr.AsrWorker

    def track(self, config: AnnotateConfig) -> Track | None:
        return asr.track(config.asr) if config.asr else None

    def selection(self, run: Run) -> Selection:
        sounding = source(run, "dedup", "unique", UNIQUE, ("id", "audio"))
        return super().selection(run).that('u."id" IN (SELECT a."id" FROM a WHERE a."audio")', a=sounding)
