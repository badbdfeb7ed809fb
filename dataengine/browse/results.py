"""Hits of a search with what is known of them: for the terminal, as JSON, and as contact sheets."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataengine.errors import UsageError
from dataengine.index.search import Hits, Index
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Ok, Sandbox
from dataengine.samples.locate import Located, payloads
from dataengine.text.display import visible_lines

_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem; background: #fafaf8; color: #222 }
.hits { display: grid; grid-template-columns: repeat(auto-fill, minmax(170px, 1fr)); gap: 1rem }
figure { margin: 0; background: #fff; border: 1px solid #ddd; border-radius: 6px; padding: 5px; overflow-wrap: anywhere }
img, .none { width: 160px; height: 160px; object-fit: contain; background: #f0f0ee; display: block; margin: auto }
figcaption { font-size: 13px; padding-top: 4px } .id { color: #777; font: 11px monospace }
"""
_LONGEST = 160


@dataclass(frozen=True)
class Result:
    """One hit. ``caption``: a sample's longest, or an item's title."""

    score: float
    id: str
    caption: str | None
    leaf: int
    located: Located | None

    def to_json(self) -> dict[str, Any]:
        media = {"kind": self.located.kind, "media": self.located.media} if self.located else {}
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


def thumbnails(index: Index, hits: Sequence[Result], limits: Limits) -> dict[str, bytes]:
    """JPEGs by id, decoded in a child that can be killed; hits without media, or whose media cannot be decoded, have none."""
    rows = sorted((hit.located for hit in hits if hit.located is not None), key=lambda row: (row.media, row.offset))
    if not rows:
        return {}
    with Sandbox("dataengine.media.thumbnail:thumbnail", limits, workers=1, limits=limits, answer=bytes) as children:
        items = ((data, row.kind) for row, data in payloads(index.store, rows))
        outcomes = zip(rows, children.map(items), strict=True)
        return {row.id: outcome.value for row, outcome in outcomes if isinstance(outcome, Ok)}


def write_sheet(path: Path, title: str, index: Index, hits: Sequence[Result], limits: Limits) -> None:
    """A contact sheet, HTML or PNG by the ending of its name. Raises UsageError for another."""
    if path.suffix.lower() not in (".html", ".png"):
        raise UsageError(f"--sheet {path}: a contact sheet ends in .html or .png")
    pictures = thumbnails(index, hits, limits)
    data = page(title, hits, pictures) if path.suffix.lower() == ".html" else picture(title, hits, pictures, limits)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise UsageError(f"--sheet {path} cannot be written: {error.strerror}; name another place") from None


def page(title: str, hits: Sequence[Result], pictures: dict[str, bytes]) -> bytes:
    """One self-contained page without scripts; every text is escaped."""
    csp = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    figures = "\n".join(_figure(hit, pictures.get(hit.id)) for hit in hits)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        f'content="{csp}"><title>{_escaped(title)}</title><style>{_STYLE}</style></head>\n'
        f'<body><h1>{_escaped(title)}</h1>\n<div class="hits">\n{figures}\n</div></body></html>\n'
    ).encode()


def _figure(hit: Result, jpeg: bytes | None) -> str:
    source = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" if jpeg else ""
    shown = f'<img src="{source}" alt="">' if jpeg else '<div class="none"></div>'
    text = f'<b>{hit.score:.4f}</b> {_escaped(hit.caption or "")}<br><span class="id">{_escaped(hit.id)}</span>'
    return f"<figure>{shown}<figcaption>{text}</figcaption></figure>"


def _escaped(text: str) -> str:
    return html.escape(visible_lines(text[:_LONGEST]))


def picture(title: str, hits: Sequence[Result], pictures: dict[str, bytes], limits: Limits) -> bytes:
    """The sheet as a PNG, drawn in a child: the thumbnails come from decoded media."""
    cells = [
        (pictures.get(hit.id, b""), f"{hit.score:.4f}", visible_lines((hit.caption or hit.id)[:_LONGEST]))
        for hit in hits
    ]
    with Sandbox("dataengine.media.contact_sheet:draw", None, workers=1, limits=limits, answer=bytes) as children:
        [outcome] = children.map([(visible_lines(title[:_LONGEST]), cells)])
    if not isinstance(outcome, Ok):
        raise UsageError(f"the contact sheet could not be drawn: {outcome.failure}: {outcome.message}")
    return bytes(outcome.value)
