"""Server of the review page: gives items to reviewers, and takes their decisions. Everything shown is inserted as text."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from dataengine.cot.review.board import Board
from dataengine.web.server import PrivateHandler, PrivateServer

Media = Callable[[str], tuple[str, bytes]]
"""Content type and bytes by sample id, or of an item's picture by ``QID/NAME``. Raises KeyError."""


class ReviewServer(PrivateServer):
    """Serves the items of ``board``; ``reviewer`` is who decides unless the page says another name."""

    def __init__(self, board: Board, media: Media, host: str, port: int, reviewer: str = "") -> None:
        super().__init__(_Handler, host, port, "review", "dataengine.cot.review")
        self.board, self.media, self.reviewer = board, media, reviewer


class _Handler(PrivateHandler):
    server: ReviewServer

    def get(self, path: str, query: dict[str, str]) -> None:
        if path == "/api/next":
            reviewer = query.get("reviewer") or self.server.reviewer
            following = self.server.board.next(reviewer, query.get("after", ""), self.browser)
            self.send_json(following | {"reviewer": reviewer})
        elif path.startswith("/api/item/"):
            self.send_json(self.server.board.show(path.removeprefix("/api/item/")))
        elif path.startswith("/media/"):
            kind, data = self.server.media(unquote(path.removeprefix("/media/")))
            self.send(HTTPStatus.OK, kind, data)
        else:
            raise KeyError(path)

    def post(self, path: str, fields: dict[str, Any]) -> None:
        if path != "/api/decide":
            raise ValueError("post a decision to /api/decide")
        self.send_json(self.server.board.decide(fields, self.browser))
