"""Base of record stages over samples whose parts are the media tars: a new batch of inputs makes only parts of its own."""

from __future__ import annotations

from abc import abstractmethod

from dataengine.config.recipe import Recipe
from dataengine.samples.selection import Planned, Selection
from dataengine.stage import Part, RecordStage, Run
from dataengine.storage.workspace import digest


class PlannedStage(RecordStage):
    """A part's ``spec`` is the place of the rows of its samples, ordered by where their bytes lie (``PackedRows``)."""

    has_loads = True

    @abstractmethod
    def selection(self, run: Run) -> Selection:
        """The samples that the stage reads."""

    def base(self, run: Run) -> str:
        """Digest of what every part depends on."""
        return digest(self.version, self.settings(run.recipe))

    def plan(self, run: Run) -> list[Part]:
        base, captions = self.base(run), self.reads_captions(run.recipe)
        return [_part(base, captions, planned) for planned in self.selection(run).plan(run)]

    def is_planned(self, run: Run) -> bool:
        return self.selection(run).is_planned(run)

    def reads_captions(self, recipe: Recipe) -> bool:
        """Whether a part depends on its samples' captions."""
        return False


def _part(base: str, captions: bool, planned: Planned) -> Part:
    of_captions = [planned.captions] if captions else []
    return Part(part_name(planned.name), digest(base, planned.ids, *of_captions), planned.rows, planned.load)


def part_name(media: str) -> str:
    """``media/NAME.tar`` → ``NAME``."""
    return media.removeprefix("media/").removesuffix(".tar")
