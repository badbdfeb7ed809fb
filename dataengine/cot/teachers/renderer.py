"""Pictures for a model, through the decode child: of samples, of what its tools make of them, and a question's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dataengine.cot.core.record import Record
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Failed, Ok
from dataengine.samples.decode import Decoder
from dataengine.samples.locate import Located
from dataengine.storage.workspace import Workspace


class Shower:
    """Owns decode children: close it."""

    def __init__(self, limits: Limits, workspace: Workspace) -> None:
        self._workspace = workspace
        self._limits = limits
        self._decoder = Decoder("dataengine.cot.teachers.render:shown", limits, limits)
        self._bench: Decoder | None = None

    def over(self, records: Iterable[Record], located: Mapping[str, Located]) -> dict[str, dict[str, list[bytes]]]:
        """JPEGs of the samples that records are about, by id and way of taking frames; what cannot be decoded is left out."""
        ways: dict[str, set[str]] = {}
        for record in records:
            ways.setdefault(record.parents[0], set()).add(record.asked.get("sampling", ""))
        rows = sorted((located[i] for i in ways if i in located), key=lambda r: (r.media, r.offset))
        seen = self._decoder.over(self._workspace.store, rows, lambda row, data: (row.kind, data, ways[row.id] - {""}))
        return {row.id: outcome.value for row, outcome in seen if isinstance(outcome, Ok)}

    def run(self, programs: Sequence[tuple[Located, str]]) -> list[bytes | str | Failed]:
        """What each program makes of its picture, in order: a PNG, text, or the failure of the child that ran it."""
        if self._bench is None:
            self._bench = Decoder("dataengine.cot.teachers.render:ran", self._limits, self._limits)
        order = sorted(range(len(programs)), key=lambda n: (programs[n][0].media, programs[n][0].offset, n))
        codes = iter([programs[n][1] for n in order])
        rows = [programs[n][0] for n in order]
        seen = self._bench.over(self._workspace.store, rows, lambda row, data: (data, next(codes)))
        found: dict[int, bytes | str | Failed] = {}
        for place, (_, outcome) in zip(order, seen, strict=True):
            found[place] = outcome if isinstance(outcome, Failed) else outcome.value
        return [found[n] for n in range(len(programs))]

    def own(self, row: Mapping[str, Any]) -> list[bytes]:
        """PNGs of a question, from its pack."""
        places = [(row["pack"], m["offset"], m["size"]) for m in row["members"]]
        store = self._workspace.store
        return self._workspace.each(lambda place: store.get_range(*place), places)

    def close(self) -> None:
        self._decoder.close()
        if self._bench is not None:
            self._bench.close()
