"""Review of a recipe's last run: items to reviewers, their decisions back into the workspace (``dataengine cot review``)."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine.config import recipe as recipes
from dataengine.cot.core.tables import PackedPath, PackedQuestion, R, rows_of
from dataengine.cot.review.base import ReviewItem
from dataengine.cot.review.board import Board
from dataengine.cot.review.decisions import append
from dataengine.cot.review.exchange import LABEL_STUDIO_CONFIG, export_jsonl, export_label_studio, import_decisions
from dataengine.cot.review.server import Media, ReviewServer
from dataengine.cot.review.stage import base, items_of
from dataengine.cot.review.verdicts import picture_of
from dataengine.errors import UsageError
from dataengine.pipeline import committed
from dataengine.samples.locate import locate
from dataengine.shards.plan import PLAN
from dataengine.stage import Run


def desk(recipe: str, workspace: str | None) -> Desk:
    """The review items of the recipe's last run. Raises UsageError where its CoT is not up to date."""
    run = committed(recipes.load(recipe, workspace=workspace), "cot")
    return Desk(run, items_of(run))


@dataclass(frozen=True)
class Desk:
    """A run's items: export, import, and the page."""

    run: Run
    items: Sequence[ReviewItem]

    def export(self, jsonl: Path | None, label_studio: Path | None) -> None:
        """Write the items for other tools; Label Studio's labelling interface as ``.xml`` beside its tasks."""
        if jsonl is not None:
            jsonl.write_bytes(export_jsonl(self.items))
        if label_studio is not None:
            label_studio.write_bytes(export_label_studio(self.items))
            label_studio.with_suffix(".xml").write_text(LABEL_STUDIO_CONFIG)

    def import_(self, path: Path) -> int:
        """Log the decisions of a file, all or none, and return their number. Raises UsageError naming file and line."""
        try:
            decisions = import_decisions(path.read_bytes(), self.items)
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from None
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from None
        for decision in decisions:
            append(self.run.workspace.store, base(self.run.recipe), decision)
        return len(decisions)

    def server(self, host: str, port: int, reviewer: str) -> ReviewServer:
        """The page's server, not serving yet. Raises UsageError where the port is taken."""
        board = Board(self.items, self.run.workspace.store, base(self.run.recipe))
        try:
            return ReviewServer(board, media_of(self.run, self.items), host, port, reviewer)
        except OSError as error:
            raise UsageError(f"{host}:{port}: {error.strerror}: choose another --port, or 0 for a free one") from None


def media_of(run: Run, items: Sequence[ReviewItem]) -> Media:
    """Media of the items' samples by id, and pictures of questions and of models' tools by ``QID/NAME``. Tables are read a
    file at a time, so memory grows with the items, not with the run."""
    store = run.workspace.store
    rids = pa.array([item.qid for item in items], pa.string())
    samples = pa.array(sorted({id_ for item in items for id_ in item.media}), pa.string())
    located = {}
    for role, file in run.records["shard.assign"].parts["all"].files.items():
        if role.startswith("plan/"):
            table = run.workspace.read_table([file], PLAN)
            located.update({row.id: row for row in locate(table.filter(pc.is_in(table["id"], value_set=samples)))})
    packed = {}
    for question in _rows(run, "cot.questions", "questions", PackedQuestion, rids):
        for m in question.members:
            packed[f"{question.rid}/{m.name}"] = (question.pack, m.offset, m.size)
    for path in _rows(run, "cot.paths", "paths", PackedPath, rids):
        for m in path.members:
            packed[f"{path.rid}/{picture_of(path.index, m.name)}"] = (path.pack, m.offset, m.size)

    def media(name: str) -> tuple[str, bytes]:
        if name in packed:
            return "image/png", store.get_range(*packed[name])
        row = located[name]
        kind = mimetypes.guess_type(f"x.{row.ext}")[0] or "application/octet-stream"
        return kind, store.get_range(row.media, row.offset, row.bytes)

    return media


def _rows(run: Run, stage: str, role: str, kind: type[R], rids: Any) -> Iterator[R]:
    for file in run.records[stage].files(role):
        table = run.workspace.read_table([file], kind.schema, kind.columns())
        yield from rows_of(table.filter(pc.is_in(table["rid"], value_set=rids)), kind)
