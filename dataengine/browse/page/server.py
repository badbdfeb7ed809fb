"""Server of the browse page: rows, counts, histograms and records as JSON, pictures and media; it changes nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from dataengine.browse.page.content import Content
from dataengine.browse.page.faceted_table import PAGE
from dataengine.browse.page.filters import read_filters
from dataengine.web.server import PrivateHandler, PrivateServer

#: A stored file that a browser is sent to by itself runs nothing.
_MEDIA = [("Content-Security-Policy", "sandbox; default-src 'none'")]
#: Bytes of an answer to a part of a file.
_PIECE = 4 << 20
_THUMBNAIL = [("Cache-Control", "private, max-age=86400")]


class BrowseServer(PrivateServer):
    """Serves what is browsed; ``title``: its name."""

    def __init__(self, content: Content, title: str, host: str, port: int) -> None:
        super().__init__(_Handler, host, port, "browse", "dataengine.browse.page")
        self.content, self.title = content, title


class _Handler(PrivateHandler):
    server: BrowseServer

    def get(self, path: str, query: dict[str, str]) -> None:
        kind, _, rest = path.removeprefix("/").partition("/")
        name = unquote(rest)
        content = self.server.content
        if kind == "thumbnail":
            self.send(HTTPStatus.OK, "image/jpeg", content.pictures.thumbnail(name), _THUMBNAIL)
        elif kind == "frame":
            self.send(HTTPStatus.OK, "image/jpeg", content.frame(*_numbered(name)))
        elif kind == "reconstruction":
            self.send(HTTPStatus.OK, "image/jpeg", content.reconstructions.picture(*_numbered(name)))
        elif kind == "observation":
            rid, _, member = name.partition("/")
            self.send(HTTPStatus.OK, "image/png", content.records.picture(rid, member), _MEDIA)
        elif kind == "media":
            self._media(name)
        elif kind == "api":
            self.send_json(self._answer_of(name, query))
        else:
            raise KeyError(path)

    def _media(self, id_: str) -> None:
        """A file, or what is asked of it, piece by piece: players seek in videos that way."""
        span = read_range(self.headers.get("Range", ""))
        if span is None:
            kind, data, _ = self.server.content.pictures.media(id_)
            self.send(HTTPStatus.OK, kind, data, [*_MEDIA, ("Accept-Ranges", "bytes")])
            return
        start, length = span
        kind, data, size = self.server.content.pictures.media(id_, start, length)
        if data:
            place = ("Content-Range", f"bytes {start}-{start + len(data) - 1}/{size}")
            self.send(HTTPStatus.PARTIAL_CONTENT, kind, data, [*_MEDIA, place])
        else:
            status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            self.send(status, "text/plain", b"", [("Content-Range", f"bytes */{size}")])

    def _answer_of(self, name: str, query: dict[str, str]) -> Any:
        table, content = self.server.content.table, self.server.content
        about, _, what = name.partition("/")
        one: dict[str, Callable[[str], Any]] = {
            "input": lambda id_: {"lines": table.life(id_)},
            "one": table.one,
            "sample": lambda id_: table.samples([id_])[id_],
            "group": lambda id_: {"rows": table.group(id_)},
            "visuals": content.visuals,
            "bytes": content.first_bytes,
        }
        if what:
            return one[about](what)
        if name == "nearest":
            return self._nearest(query)
        if name == "try":
            return table.attempt(query.get("condition", ""))
        if name == "about":
            return self._about()
        filters = read_filters(query.get("filters", ""))
        offset, limit = _whole(query, "offset", 0), _whole(query, "limit", PAGE)
        if name == "rows":
            return table.page(filters, query.get("sort", ""), query.get("order") == "down", offset, limit)
        if name == "counts":
            return table.counts(filters)
        if name == "histogram":
            return table.histogram(query.get("column", ""), filters)
        if name == "records":
            return content.records.page(filters, offset, limit)
        if name == "record-counts":
            return content.records.counts(filters)
        raise KeyError(name)

    def _about(self) -> dict[str, Any]:
        table, content = self.server.content.table, self.server.content
        return {
            "title": self.server.title,
            "workspace": content.workspace,
            "records": content.records.there,
            "total": table.total,
            "numbers": table.numbers,
            "columns": list(table.columns),
            "thresholds": {column: [asdict(one) for one in listed] for column, listed in table.thresholds.items()},
        }

    def _nearest(self, query: dict[str, str]) -> dict[str, Any]:
        nearest = self.server.content.nearest
        meaning, hits = nearest.to_sample(query["id"]) if "id" in query else nearest.to_text(query.get("text", ""))
        rows = self.server.content.table.samples([id_ for id_, _ in hits])
        return {"compares": meaning, "rows": [rows[id_] | {"score": score} for id_, score in hits if id_ in rows]}


def read_range(header: str) -> tuple[int, int] | None:
    """Start and length, at most _PIECE, of ``bytes=START-`` or ``bytes=START-END``; None for anything else, which is answered
    with the whole file."""
    match = re.fullmatch(r"bytes=([0-9]{1,15})-([0-9]{0,15})", header)
    if match is None or (match[2] and int(match[2]) < int(match[1])):
        return None
    start = int(match[1])
    return start, min(_PIECE, int(match[2]) - start + 1) if match[2] else _PIECE


def _numbered(name: str) -> tuple[str, int]:
    """An id and a number, as in ``ID/7``. Raises ValueError."""
    id_, _, number = name.rpartition("/")
    if not (number.isascii() and number.isdigit() and len(number) < 8):
        raise ValueError("a frame is asked for by its number")
    return id_, int(number)


def _whole(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 12):
        raise ValueError(f"{name} must be a whole number")
    return int(text or default)
