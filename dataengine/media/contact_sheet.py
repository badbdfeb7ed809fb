"""Draws thumbnails with texts below them on one picture. Runs in the decode child."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

_SIDE, _PAD, _LINES, _COLUMNS = 160, 12, 3, 5
_HEIGHT = _SIDE + 16 * (_LINES + 1) + _PAD


def draw(context: None, item: tuple[str, Sequence[tuple[bytes, str, str]]]) -> bytes:
    """PNG of ``(title, cells)``; a cell is (JPEG or nothing, score, text), five in a row."""
    title, cells = item
    columns = min(_COLUMNS, max(len(cells), 3))
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * (_SIDE + _PAD) + _PAD, rows * _HEIGHT + 48), "white")
    pen = ImageDraw.Draw(sheet)
    pen.text((_PAD, 14), title, "black", ImageFont.load_default(18))
    for n, (jpeg, score, text) in enumerate(cells):
        x, y = _PAD + n % columns * (_SIDE + _PAD), 48 + n // columns * _HEIGHT
        pen.rectangle((x, y, x + _SIDE - 1, y + _SIDE - 1), "#f0f0ee")
        if jpeg:
            with Image.open(io.BytesIO(jpeg)) as picture:
                sheet.paste(picture, (x + (_SIDE - picture.width) // 2, y + (_SIDE - picture.height) // 2))
        pen.text((x, y + _SIDE + 2), score, "#555", ImageFont.load_default(13))
        lines = textwrap.wrap(text, 26)[:_LINES]
        pen.multiline_text((x, y + _SIDE + 18), "\n".join(lines), "black", ImageFont.load_default(12), spacing=3)
    out = io.BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()
