"""``dataengine cot review``: items of a recipe's last run to people, and what they decide back into its workspace."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from pathlib import Path

from dataengine import recipe as recipes
from dataengine.cot.review.base import ReviewItem
from dataengine.cot.review.board import Board
from dataengine.cot.review.decisions import log
from dataengine.cot.review.exchange import LABEL_STUDIO_CONFIG, decisions_in, export_jsonl, export_label_studio
from dataengine.cot.review.server import Media, ReviewServer
from dataengine.cot.stages.questions import samples
from dataengine.cot.stages.review import base, items_of
from dataengine.cot.tables import QUESTIONS
from dataengine.errors import UsageError
from dataengine.pipeline import committed
from dataengine.stage import Run


def work(
    recipe: str,
    workspace: str | None,
    host: str,
    port: int,
    reviewer: str,
    export: Path | None,
    label_studio: Path | None,
    take_in: Path | None,
) -> None:
    """What the command does: export, take in, or serve until interrupted. Raises UsageError."""
    run = committed(recipes.load(recipe, workspace=workspace), "cot")
    items = items_of(run)
    if take_in is not None:
        print(f"{_taken_in(run, items, take_in)} decisions taken in; run `dataengine cot {recipe}` again")
    elif export is not None or label_studio is not None:
        if export is not None:
            export.write_bytes(export_jsonl(items))
        if label_studio is not None:
            label_studio.write_bytes(export_label_studio(items))
            label_studio.with_suffix(".xml").write_text(LABEL_STUDIO_CONFIG)
        print(f"{len(items)} items written")
    else:
        _serve(run, items, host, port, reviewer, recipe)


def _serve(run: Run, items: Sequence[ReviewItem], host: str, port: int, reviewer: str, recipe: str) -> None:
    board = Board(items, run.workspace.store, base(run.recipe))
    with ReviewServer(board, media_of(run), host, port, reviewer) as server:
        print(f"{len(items)} items wait for review: {server.address}\nCtrl-C ends it.", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print(f"\nrun `dataengine cot {recipe}` to take the decisions in")


def _taken_in(run: Run, items: Sequence[ReviewItem], path: Path) -> int:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    try:
        decisions = decisions_in(data, items)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    for decision in decisions:
        log(run.workspace.store, base(run.recipe), decision)
    return len(decisions)


def media_of(run: Run) -> Media:
    """Media of samples by id, and pictures of questions by ``QID/NAME``."""
    store = run.workspace.store
    located = {row.id: row for rows in samples(run).values() for row in rows}
    questions = run.table("cot.questions", "questions", QUESTIONS, ("rid", "pack", "members")).to_pylist()
    packed = {
        f"{q['rid']}/{m['name']}": (q["pack"], m["offset"], m["size"]) for q in questions for m in q["members"] or []
    }

    def media(name: str) -> tuple[str, bytes]:
        if name in packed:
            return "image/png", store.get_range(*packed[name])
        row = located[name]
        kind = mimetypes.guess_type(f"x.{row.ext}")[0] or "application/octet-stream"
        return kind, store.get_range(row.media, row.offset, row.bytes)

    return media
