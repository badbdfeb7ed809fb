"""Samples nearest to a text or to another sample, by the index of the recipe or release, for the browse page."""

from __future__ import annotations

from threading import Lock
from typing import Any

from dataengine.browse.history import well_formed
from dataengine.browse.target import Target, open_target
from dataengine.errors import UsageError
from dataengine.index.search import BEAM, WHOLE

_RESULTS = 60


class Nearest:
    """Opens the index when it is first asked. May be used by several threads."""

    def __init__(self, place: str, workspace: str | None) -> None:
        self._place, self._workspace = place, workspace
        self._target: Target | None = None
        self._lock = Lock()

    def to_sample(self, id_: str) -> tuple[str, list[tuple[str, float]]]:
        """What the scores compare; ids and scores, the nearest first. Raises UsageError where there is no index, or it lacks the
        sample."""
        well_formed("sample", id_)
        with self._lock:
            index = self._opened().index
            [row] = index.rows_with([id_])
            if row < 0:
                raise UsageError(f"{id_} is not in the index: it holds samples that are no duplicates")
            hits = index.search(index.take(row[None])[0], _RESULTS, BEAM, None)
            return "its vector with those of the others", self._named(hits)

    def to_text(self, text: str) -> tuple[str, list[tuple[str, float]]]:
        """The same for a text. Raises UsageError where the index has nothing that a text can be compared with."""
        well_formed("text", text)
        with self._lock:
            target = self._opened()
            query = target.queries().text(text)
            part = query.part if query.part != slice(None) else WHOLE
            return query.meaning, self._named(target.index.search(query.vector, _RESULTS, BEAM, None, part))

    def _named(self, hits: Any) -> list[tuple[str, float]]:
        ids = map(str, self._opened().index.described(hits.rows)["id"].to_pylist())
        return [(id_, round(float(score), 4)) for id_, score in zip(ids, hits.scores, strict=True)]

    def _opened(self) -> Target:
        if self._target is None:
            self._target = open_target(self._place, self._workspace)
        return self._target
