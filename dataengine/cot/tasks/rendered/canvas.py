"""Drawing for rendered pictures: papers and inks, lines of text, tables; sizes in pixels, colours as RGB."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered.fonts import Face, font
from dataengine.media.image.pixels import Pixels

Colour = tuple[int, int, int]
Position = tuple[float, float]


@dataclass(frozen=True)
class Theme:
    """``ink`` on ``paper``; ``accent`` for headings and bars, ``line`` for rules."""

    paper: Colour
    ink: Colour
    accent: Colour
    line: Colour


THEMES = (
    Theme((255, 255, 255), (20, 20, 20), (31, 88, 160), (150, 150, 150)),
    Theme((250, 244, 230), (52, 38, 24), (150, 60, 30), (180, 160, 130)),
    Theme((30, 33, 40), (232, 234, 237), (120, 190, 255), (90, 96, 108)),
    Theme((238, 244, 240), (18, 46, 36), (20, 120, 80), (140, 170, 155)),
    Theme((245, 240, 250), (45, 25, 70), (120, 60, 170), (175, 160, 195)),
    Theme((16, 42, 48), (225, 240, 235), (250, 190, 90), (70, 110, 115)),
)


def blank(width: int, height: int, paper: Colour) -> Image.Image:
    return Image.new("RGB", (width, height), paper)


def pixels_of(image: Image.Image) -> Pixels:
    return np.asarray(image)


def text_width(text: str, face: Face, size: int) -> int:
    return round(font(face, size).getlength(text))


def text(draw: ImageDraw.ImageDraw, at: Position, words: str, face: Face, size: int, ink: Colour, anchor: str) -> None:
    """``anchor`` as Pillow has it: ``lt`` the top left, ``mm`` the middle, ``rm`` right and middle."""
    draw.text(at, words, fill=ink, font=font(face, size), anchor=anchor)


def page(
    lines: Sequence[str], face: Face, size: int, theme: Theme, margin: int = 24, least_width: int = 160
) -> Image.Image:
    """Lines of text, one below another, on a page as wide as the longest."""
    width = max([least_width, *(text_width(line, face, size) for line in lines)]) + 2 * margin
    step = round(1.45 * size)
    image = blank(width, step * len(lines) + 2 * margin, theme.paper)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        text(draw, (margin, margin + number * step + step / 2), line, face, size, theme.ink, "lm")
    return image


def later(lines: Sequence[str], face: Face, size: int, theme: Theme) -> Callable[[], Pixels]:
    """What draws such a page when it is called."""
    return lambda: pixels_of(page(lines, face, size, theme))


def table(rows: Sequence[Sequence[str]], size: int, theme: Theme, face: Face = "sans", margin: int = 20) -> Image.Image:
    """A ruled table; the first row is its head."""
    bold: Face = "serif bold" if face == "serif" else "sans bold"
    faces: list[Face] = [bold, *[face] * (len(rows) - 1)]
    widths = [
        max(text_width(row[column], one, size) for row, one in zip(rows, faces, strict=True)) + size
        for column in range(len(rows[0]))
    ]
    step = round(1.9 * size)
    image = blank(sum(widths) + 2 * margin, step * len(rows) + 2 * margin, theme.paper)
    draw = ImageDraw.Draw(image)
    for place, (row, one) in enumerate(zip(rows, faces, strict=True)):
        top, left = margin + place * step, margin
        for words, width in zip(row, widths, strict=True):
            draw.rectangle((left, top, left + width, top + step), outline=theme.line)
            ink = theme.ink if place else theme.accent
            text(draw, (left + size / 2, top + step / 2), words, one, size, ink, "lm")
            left += width
    return image


def theme(draw: Draw) -> Theme:
    return draw.choice(THEMES)
