"""Base of record stages over samples whose parts are the media tars: a new batch of inputs makes only parts of its own."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from dataengine.config.recipe import Recipe
from dataengine.samples.locate import Located, by_media
from dataengine.samples.selection import Planned, Selection
from dataengine.stage import Part, RecordStage, Run
from dataengine.storage.workspace import digest


class PlannedStage(RecordStage):
    """A part's ``spec`` is the place of the rows of its samples, ordered by where their bytes lie (``PackedRows``)."""

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


class MediaStage(RecordStage):
    """A part's ``spec`` is the list of its samples, ordered by where their bytes lie: the driver holds all of them."""

    @abstractmethod
    def rows(self, run: Run) -> list[Located]:
        """The samples that the stage reads, in any order."""

    def base(self, run: Run) -> str:
        """Digest of what every part depends on."""
        return digest(self.version, self.settings(run.recipe))

    def identity(self, run: Run, row: Located) -> Any:
        """What a part depends on of one of its samples, as JSON."""
        return row.id

    def plan(self, run: Run) -> list[Part]:
        base = self.base(run)
        return [
            Part(part_name(media), digest(base, [self.identity(run, row) for row in rows]), rows)
            for media, rows in by_media(self.rows(run)).items()
        ]


def _part(base: str, captions: bool, planned: Planned) -> Part:
    of_captions = [planned.captions] if captions else []
    return Part(part_name(planned.name), digest(base, planned.ids, *of_captions), planned.rows)


def part_name(media: str) -> str:
    """``media/NAME.tar`` → ``NAME``."""
    return media.removeprefix("media/").removesuffix(".tar")
