"""Pictures for a model: of samples, through the decode child, and a question's own from its pack."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dataengine.decode import Decoder
from dataengine.locate import Located
from dataengine.media.limits import Limits
from dataengine.media.sandbox import Ok
from dataengine.workspace import Workspace


class Shower:
    """Owns a decode child: close it."""

    def __init__(self, limits: Limits, workspace: Workspace) -> None:
        self._workspace = workspace
        self._decoder = Decoder("dataengine.cot.asks:shown", limits, limits)

    def over(self, ids: Iterable[str], located: Mapping[str, Located]) -> dict[str, dict[int, list[bytes]]]:
        """JPEGs of samples by id and number of frames; samples that cannot be decoded are left out."""
        rows = sorted((located[i] for i in set(ids) if i in located), key=lambda r: (r.media, r.offset))
        seen = self._decoder.over(self._workspace.store, rows, lambda row, data: (row.kind, data))
        return {row.id: outcome.value for row, outcome in seen if isinstance(outcome, Ok)}

    def own(self, row: Mapping[str, Any]) -> list[bytes]:
        """PNGs of a question, from its pack."""
        places = [(row["pack"], m["offset"], m["size"]) for m in row["members"]]
        store = self._workspace.store
        return self._workspace.each(lambda place: store.get_range(*place), places)

    def close(self) -> None:
        self._decoder.close()
