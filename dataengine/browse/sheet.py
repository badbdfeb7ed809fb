"""Contact sheets: thumbnails with a line above and a text below, as one HTML page or one PNG. Media are decoded and the picture
is drawn in children that can be killed."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dataengine.errors import UsageError
from dataengine.media.limits import Limits
from dataengine.media.sandbox.pool import Ok, Sandbox
from dataengine.samples.locate import Located, payloads
from dataengine.storage.store import Store
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
class Cell:
    """One picture of a sheet: ``label``, a score or what happened; ``located``: its media, None where it has none."""

    id: str
    label: str
    text: str
    located: Located | None


def write_sheet(path: Path, title: str, cells: Sequence[Cell], store: Store, limits: Limits) -> None:
    """A contact sheet, HTML or PNG by the ending of its name. Raises UsageError for another."""
    check_name(path)
    pictures = thumbnails(cells, store, limits)
    data = page(title, cells, pictures) if path.suffix.lower() == ".html" else picture(title, cells, pictures, limits)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise UsageError(f"--sheet {path} cannot be written: {error.strerror}; name another place") from None


def check_name(path: Path) -> None:
    """Raises UsageError where the name of a sheet has another ending than .html or .png."""
    if path.suffix.lower() not in (".html", ".png"):
        raise UsageError(f"--sheet {path}: a contact sheet ends in .html or .png")


def thumbnails(cells: Sequence[Cell], store: Store, limits: Limits) -> dict[str, bytes]:
    """JPEGs by id, decoded in a child that can be killed; cells without media, or whose media cannot be decoded, have none."""
    rows = sorted((cell.located for cell in cells if cell.located is not None), key=lambda row: (row.media, row.offset))
    if not rows:
        return {}
    with Sandbox("dataengine.media.thumbnail:thumbnail", limits, workers=1, limits=limits, answer=bytes) as children:
        items = ((data, row.kind) for row, data in payloads(store, rows))
        outcomes = zip(rows, children.map(items), strict=True)
        return {row.id: outcome.value for row, outcome in outcomes if isinstance(outcome, Ok)}


def page(title: str, cells: Sequence[Cell], pictures: dict[str, bytes]) -> bytes:
    """One self-contained page without scripts; every text is escaped."""
    csp = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    figures = "\n".join(_figure(cell, pictures.get(cell.id)) for cell in cells)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        f'content="{csp}"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_escaped(title)}</title><style>{_STYLE}</style></head>\n"
        f'<body><h1>{_escaped(title)}</h1>\n<div class="hits">\n{figures}\n</div></body></html>\n'
    ).encode()


def _figure(cell: Cell, jpeg: bytes | None) -> str:
    source = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" if jpeg else ""
    shown = f'<img src="{source}" alt="">' if jpeg else '<div class="none"></div>'
    text = f'<b>{_escaped(cell.label)}</b> {_escaped(cell.text)}<br><span class="id">{_escaped(cell.id)}</span>'
    return f"<figure>{shown}<figcaption>{text}</figcaption></figure>"


def _escaped(text: str) -> str:
    return html.escape(visible_lines(text[:_LONGEST]))


def picture(title: str, cells: Sequence[Cell], pictures: dict[str, bytes], limits: Limits) -> bytes:
    """The sheet as a PNG, drawn in a child: the thumbnails come from decoded media."""
    drawn = [
        (
            pictures.get(cell.id, b""),
            visible_lines(cell.label[:_LONGEST]),
            visible_lines((cell.text or cell.id)[:_LONGEST]),
        )
        for cell in cells
    ]
    with Sandbox("dataengine.media.contact_sheet:draw", None, workers=1, limits=limits, answer=bytes) as children:
        [outcome] = children.map([(visible_lines(title[:_LONGEST]), drawn)])
    if not isinstance(outcome, Ok):
        raise UsageError(f"the contact sheet could not be drawn: {outcome.failure}: {outcome.message}")
    return bytes(outcome.value)
