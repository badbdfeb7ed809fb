"""Hits of a search with what is known of them: for the terminal, as JSON, and as contact sheets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataengine.browse import sheet
from dataengine.index.search import Hits, Index
from dataengine.media.limits import Limits
from dataengine.samples.locate import Located


@dataclass(frozen=True)
class Result:
    """One hit. ``caption``: a sample's longest, or an item's title; ``located``: where its bytes lie, of a sample."""

    score: float
    id: str
    caption: str | None
    leaf: int
    located: Located | None

    def to_json(self) -> dict[str, Any]:
        names = ("kind", "ext", "media", "offset", "bytes") if self.located else ()
        media = {name: getattr(self.located, name) for name in names}
        return {"score": self.score, "id": self.id, "caption": self.caption, "leaf": self.leaf, **media}


def results(index: Index, hits: Hits) -> list[Result]:
    """Each hit, in the order of scores."""
    rows = index.described(hits.rows).to_pylist()
    return [
        Result(round(float(score), 4), row["id"], row["caption"], row["leaf"], _located(row))
        for row, score in zip(rows, hits.scores, strict=True)
    ]


def _located(row: dict[str, Any]) -> Located | None:
    if row["media"] is None:
        return None
    return Located(row["id"], row["kind"], row["ext"], row["bytes"], (), row["media"], row["offset"], {})


def cells(hits: Sequence[Result]) -> list[sheet.Cell]:
    """The hits on a contact sheet, under their scores."""
    return [sheet.Cell(hit.id, f"{hit.score:.4f}", hit.caption or "", hit.located) for hit in hits]


def write_sheet(path: Path, title: str, index: Index, hits: Sequence[Result], limits: Limits) -> None:
    """A contact sheet of the hits. Raises as ``sheet.write_sheet``."""
    sheet.write_sheet(path, title, cells(hits), index.store, limits)
