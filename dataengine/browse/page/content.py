"""What the browse page shows, opened together and closed together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dataengine.browse.page import first_bytes
from dataengine.browse.page.inputs_table import InputsTable
from dataengine.browse.page.nearest import Nearest
from dataengine.browse.page.pictures import Pictures
from dataengine.browse.page.reconstructions import Reconstructions
from dataengine.browse.page.records import Records
from dataengine.browse.page.visuals import visuals
from dataengine.browse.session import Session, opened


@dataclass(frozen=True)
class Content:
    """``workspace``: that the recipe was opened with, instead of its own."""

    session: Session
    table: InputsTable
    pictures: Pictures
    nearest: Nearest
    records: Records
    reconstructions: Reconstructions
    workspace: str | None = None

    def visuals(self, id_: str) -> dict[str, Any]:
        """As ``visuals.visuals``, of a sample. Raises KeyError where a recipe does not have it."""
        try:
            return visuals(id_, self.pictures, self.reconstructions)
        except KeyError:
            if self.session.run is not None:
                raise
            return {"frames": [], "cuts": [], "codes": "", "notes": ["the release does not hold its media"]}

    def frame(self, id_: str, n: int) -> bytes:
        """Thumbnail ``n`` of a video's sampled frames, a JPEG. Raises KeyError."""
        strip = self.pictures.strip(id_)
        if isinstance(strip, str) or not 0 <= n < len(strip.pictures):
            raise KeyError(id_)
        return strip.pictures[n]

    def first_bytes(self, input_id: str) -> dict[str, object]:
        """The first bytes of an input that failed, as ``first_bytes.shown``. Raises KeyError."""
        row, run = self.table.one(input_id), self.session.run
        if row["outcome"] != "failed":
            raise KeyError(input_id)
        if "id" in row:
            return {"lines": first_bytes.dump(self.pictures.media(row["id"], 0, first_bytes.SHOWN)[1]), "note": ""}
        if run is None:
            return {"lines": [], "note": "a release does not say where its inputs lie: browse the recipe"}
        return first_bytes.shown(run.recipe, row["source"], row["uri"])


@contextmanager
def content(place: str, workspace: str | None = None) -> Iterator[Content]:
    """Of a recipe (.yaml) or release. Raises UsageError, RunError."""
    with opened(place, workspace) as session, Pictures(session) as pictures:
        table = InputsTable(session)
        reconstructions = Reconstructions(session)
        nearest, records = Nearest(place, workspace), Records(session)
        yield Content(session, table, pictures, nearest, records, reconstructions, workspace)
