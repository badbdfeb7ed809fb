"""Base of stages that read embeddings of samples: they depend on the roles that they read, and on no other.

What another reader of the recipe adds to the stage ``embed`` (captions, videos) makes them anew as little as what it leaves out.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from dataengine.config.recipe import Recipe
from dataengine.stage import Run, Stage
from dataengine.storage.workspace import digest

EMBED = "embed"


class ReadsEmbeddings(Stage):
    """``embed`` is among its ``needs``, which order the stages."""

    @abstractmethod
    def embeddings(self, recipe: Recipe) -> Sequence[str]:
        """Roles of the files of ``embed`` that the stage reads; none where it reads none."""

    def upstream(self, run: Run) -> dict[str, str]:
        """Of embeddings what the files say that are read. One without rows, which a part has or has not by the roles that others
        read, says nothing."""
        made_from = super().upstream(run)
        if made_from.pop(EMBED, None) is None or not (roles := self.embeddings(run.recipe)):
            return made_from
        record = run.records[EMBED]
        return made_from | {EMBED: digest([(role, [f.sha256 for f in record.files(role) if f.rows]) for role in roles])}
