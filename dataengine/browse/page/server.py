"""Server of the browse page: rows, counts and histograms as JSON, thumbnails and media; nothing it answers changes anything."""

from __future__ import annotations

import re
from dataclasses import asdict
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from dataengine.browse.page.filters import read_filters
from dataengine.browse.page.inputs_table import PAGE, InputsTable
from dataengine.browse.page.nearest import Nearest
from dataengine.browse.page.pictures import Pictures
from dataengine.web.server import PrivateHandler, PrivateServer

#: A stored file that a browser is sent to by itself runs nothing.
_MEDIA = [("Content-Security-Policy", "sandbox; default-src 'none'")]
#: Bytes of an answer to a part of a file.
_PIECE = 4 << 20
_THUMBNAIL = [("Cache-Control", "private, max-age=86400")]


class BrowseServer(PrivateServer):
    """Serves what is browsed; ``title``: its name."""

    def __init__(
        self, table: InputsTable, pictures: Pictures, nearest: Nearest, title: str, host: str, port: int
    ) -> None:
        super().__init__(_Handler, host, port, "browse", "dataengine.browse.page")
        self.table, self.pictures, self.nearest, self.title = table, pictures, nearest, title


class _Handler(PrivateHandler):
    server: BrowseServer

    def get(self, path: str, query: dict[str, str]) -> None:
        kind, _, name = path.removeprefix("/").partition("/")
        if kind == "thumbnail":
            self.send(HTTPStatus.OK, "image/jpeg", self.server.pictures.thumbnail(unquote(name)), _THUMBNAIL)
        elif kind == "media":
            self._media(unquote(name))
        elif kind == "api":
            self.send_json(self._answer_of(unquote(name), query))
        else:
            raise KeyError(path)

    def _media(self, id_: str) -> None:
        """A file, or what is asked of it, piece by piece: players seek in videos that way."""
        span = read_range(self.headers.get("Range", ""))
        if span is None:
            kind, data, _ = self.server.pictures.media(id_)
            self.send(HTTPStatus.OK, kind, data, [*_MEDIA, ("Accept-Ranges", "bytes")])
            return
        start, length = span
        kind, data, size = self.server.pictures.media(id_, start, length)
        if data:
            place = ("Content-Range", f"bytes {start}-{start + len(data) - 1}/{size}")
            self.send(HTTPStatus.PARTIAL_CONTENT, kind, data, [*_MEDIA, place])
        else:
            status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            self.send(status, "text/plain", b"", [("Content-Range", f"bytes */{size}")])

    def _answer_of(self, name: str, query: dict[str, str]) -> Any:
        table = self.server.table
        if name.startswith("input/"):
            return {"lines": table.life(name.removeprefix("input/"))}
        if name.startswith("one/"):
            return table.one(name.removeprefix("one/"))
        if name.startswith("group/"):
            return {"rows": table.group(name.removeprefix("group/"))}
        if name == "nearest":
            return self._nearest(query)
        if name == "try":
            return table.attempt(query.get("condition", ""))
        filters = read_filters(query.get("filters", ""))
        if name == "about":
            limits = {column: [asdict(one) for one in listed] for column, listed in table.thresholds.items()}
            return {
                "title": self.server.title,
                "total": table.total,
                "numbers": table.numbers,
                "columns": list(table.columns),
                "thresholds": limits,
            }
        if name == "rows":
            offset, limit = _whole(query, "offset", 0), _whole(query, "limit", PAGE)
            return table.page(filters, query.get("sort", ""), query.get("order") == "down", offset, limit)
        if name == "counts":
            return table.counts(filters)
        if name == "histogram":
            return table.histogram(query.get("column", ""), filters)
        raise KeyError(name)

    def _nearest(self, query: dict[str, str]) -> dict[str, Any]:
        nearest = self.server.nearest
        meaning, hits = nearest.to_sample(query["id"]) if "id" in query else nearest.to_text(query.get("text", ""))
        rows = self.server.table.samples([id_ for id_, _ in hits])
        return {"compares": meaning, "rows": [rows[id_] | {"score": score} for id_, score in hits if id_ in rows]}


def read_range(header: str) -> tuple[int, int] | None:
    """Start and length, at most _PIECE, of ``bytes=START-`` or ``bytes=START-END``; None for anything else, which is answered
    with the whole file."""
    match = re.fullmatch(r"bytes=([0-9]{1,15})-([0-9]{0,15})", header)
    if match is None or (match[2] and int(match[2]) < int(match[1])):
        return None
    start = int(match[1])
    return start, min(_PIECE, int(match[2]) - start + 1) if match[2] else _PIECE


def _whole(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 12):
        raise ValueError(f"{name} must be a whole number")
    return int(text or default)
