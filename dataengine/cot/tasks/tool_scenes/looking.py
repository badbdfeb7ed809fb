"""Makers of pictures with small labels: crates on a shelf, bars of a chart, a sign in a photograph."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.base import Abstain, Params
from dataengine.cot.tasks.composed.base import sides_ok
from dataengine.cot.tasks.rendered import canvas
from dataengine.cot.tasks.rendered.shapes import COLOURS
from dataengine.cot.tasks.rendered.words import NOUNS, TOWNS, ordinal, some
from dataengine.cot.tasks.tool_scenes import wording_looking as w
from dataengine.cot.tasks.tool_scenes.base import SIDE, ToolScene, Turn, WithTools
from dataengine.cot.tasks.tool_scenes.programs import crop, enlarge, factor_for, program, region_of, save
from dataengine.cot.tasks.tool_scenes.reading import SMALL
from dataengine.media.image.pixels import Pixels

Box = tuple[int, int, int, int]
_WHITE, _BLACK, _FLOOR = (252, 252, 250), (20, 20, 20), (214, 206, 192)
_LETTERS = "ACDEFHJKLMNPRTUVWXY"
_ROWS = ("top", "middle", "bottom")
_LINES, _BASE, _TOP = 6, 990, 180


def crates(draw: Draw) -> ToolScene:
    """Nine crates on a shelf, each of another colour and with a code of its own."""
    colours = some(draw, sorted(COLOURS.keys() - {"black"}), 9)
    sheet = canvas.blank(SIDE, 1260, _FLOOR)
    pen = ImageDraw.Draw(sheet)
    codes = [
        f"{draw.choice(_LETTERS)}{2 + draw.below(8)}-{draw.choice(_LETTERS)}{100 + draw.below(900)}" for _ in colours
    ]
    boxes = [
        _crate(pen, n, COLOURS[colour], code, draw) for n, (colour, code) in enumerate(zip(colours, codes, strict=True))
    ]
    at = draw.below(len(colours))
    code, slots = _closer(boxes[at], sheet.size, 3)
    row, column = _ROWS[at // 3], at % 3
    slots |= {"colour": colours[at], "row": row, "Row": row.capitalize(), "column": ordinal(column + 1)}
    slots["number"] = str(column + 1)
    turns = (Turn(w.CRATE_THOUGHTS, code),)
    pixels = canvas.pixels_of(sheet)
    return ToolScene("crates", codes[at], "word", pixels, turns, w.CRATE_CLOSINGS, w.CRATE_FINALS, slots)


def _crate(pen: ImageDraw.ImageDraw, place: int, colour: canvas.Colour, code: str, draw: Draw) -> Box:
    """Draws a crate; gives the box of its middle, where the label is."""
    left, top = 60 + place % 3 * 495, 45 + place // 3 * 405
    width, height = 330 + draw.below(60), 270 + draw.below(45)
    top += 315 - height
    pen.rectangle((0, top + height, SIDE, top + height + 20), fill=(120, 98, 72))
    pen.rectangle((left, top, left + width, top + height), fill=colour, outline=_BLACK, width=3)
    for third in (1, 2):
        edge = top + third * height // 3
        pen.line((left, edge, left + width, edge), fill=_BLACK, width=2)
    text_width = canvas.text_width(code, "sans", SMALL)
    x, y = left + width // 2 - text_width // 2, top + height // 2
    pen.rectangle((x - 12, y - 15, x + text_width + 12, y + 15), fill=_WHITE)
    canvas.text(pen, (x, y), code, "sans", SMALL, _BLACK, "lm")
    return left + width // 4, top + height // 4, width // 2, height // 2


def bars(draw: Draw) -> ToolScene:
    """A bar chart whose names are large and whose numbers, above the bars or on the axis, are tiny."""
    return draw.choice((_labelled, _on_grid))(draw)


def _labelled(draw: Draw) -> ToolScene:
    theme, names = canvas.theme(draw), some(draw, TOWNS, 5)
    values = [10 + draw.below(88) + (1 + draw.below(9)) / 10 for _ in names]
    sheet = canvas.blank(SIDE, 1152, theme.paper)
    pen = ImageDraw.Draw(sheet)
    tops = [round(_BASE - (_BASE - _TOP) * value / 100) for value in values]
    places = [_bar(pen, theme, n, name, top) for n, (name, top) in enumerate(zip(names, tops, strict=True))]
    for middle, top, value in zip(places, tops, values, strict=True):
        canvas.text(pen, (middle, top - 18), f"{value:g}", "sans", SMALL, theme.ink, "mm")
    pen.line((130, _BASE, SIDE - 40, _BASE), fill=theme.ink, width=3)
    at = draw.below(len(names))
    code, slots = _closer((places[at] - 60, tops[at] - 50, 120, 70), sheet.size, 4)
    slots |= {"name": names[at], "place": ordinal(at + 1)}
    turns = (Turn(w.LABEL_THOUGHTS, code),)
    pixels = canvas.pixels_of(sheet)
    return ToolScene("labels", f"{values[at]:g}", "number", pixels, turns, w.LABEL_CLOSINGS, w.BAR_FINALS, slots)


def _on_grid(draw: Draw) -> ToolScene:
    theme, names, step = canvas.theme(draw), some(draw, TOWNS, 5), 13 + draw.below(80)
    levels = [1 + draw.below(_LINES) for _ in names]
    sheet = canvas.blank(SIDE, 1152, theme.paper)
    pen = ImageDraw.Draw(sheet)
    heights = [_BASE - (_BASE - _TOP) * n // _LINES for n in range(_LINES + 1)]
    for n, height in enumerate(heights):
        pen.line((130, height, SIDE - 40, height), fill=theme.line if n else theme.ink, width=2)
        canvas.text(pen, (118, height), str(n * step), "sans", SMALL, theme.ink, "rm")
    for n, (name, level) in enumerate(zip(names, levels, strict=True)):
        _bar(pen, theme, n, name, heights[level])
    at = draw.below(len(names))
    code, slots = _closer((40, heights[levels[at]] - 40, 90, 80), sheet.size, 4)
    slots |= {"name": names[at], "place": ordinal(at + 1), "line": ordinal(levels[at])}
    turns = (Turn(w.TICK_THOUGHTS, code),)
    answer, pixels = str(levels[at] * step), canvas.pixels_of(sheet)
    return ToolScene("ticks", answer, "number", pixels, turns, w.TICK_CLOSINGS, w.BAR_FINALS, slots)


def _bar(pen: ImageDraw.ImageDraw, theme: canvas.Theme, place: int, name: str, top: int) -> int:
    """Draws a bar and its name; gives its middle."""
    middle = 285 + place * 262
    pen.rectangle((middle - 82, top, middle + 82, _BASE), fill=theme.accent)
    canvas.text(pen, (middle, _BASE + 66), name, "sans bold", 51, theme.ink, "mm")
    return middle


def sign(draw: Draw) -> ToolScene:
    """A sign on an even ground, where there is no photograph."""
    return _sign(np.full((1024, SIDE, 3), 128, np.uint8), draw)


@lru_cache(maxsize=4)
def _without_photo(width: int, height: int, name: str, seed: str) -> ToolScene:
    return _sign(np.full((height, width, 3), 128, np.uint8), Draw("scene", name, seed))


class SignInPhoto(WithTools):
    """A sample's picture with a small sign in it. ``size`` is that of the sheet, of the sample's shape."""

    def takes(self, source: CotInput) -> bool:
        return source.kind == "image"

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params] | Abstain:
        if not sides_ok(source):
            return Abstain("too small, or a strip")
        height, width = source.picture().shape[:2]
        sides = (str(round(side * SIDE / max(width, height))) for side in (width, height))
        return [{"scene": str(draw.below(1 << 52)), "size": " ".join(sides)}]

    def scene(self, params: Params) -> ToolScene:
        """Without the photograph, on an even ground of its size."""
        width, height = map(int, params["size"].split())
        return _without_photo(width, height, self.name, params["scene"])

    def canvas(self, params: Params, source: CotInput) -> Pixels:
        width, height = map(int, params["size"].split())
        photo = Image.fromarray(np.ascontiguousarray(source.picture())).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        return _sign(np.asarray(photo), Draw("scene", self.name, params["scene"])).sheet


def _sign(ground: Pixels, draw: Draw) -> ToolScene:
    text = f"{draw.choice(NOUNS)} {10 + draw.below(90)}"
    colour = draw.choice(("red", "orange", "yellow", "green", "blue", "purple", "pink"))
    ink = _BLACK if colour in ("yellow", "orange", "pink") else _WHITE
    sheet = Image.fromarray(ground)
    width, height = canvas.text_width(text, "sans bold", SMALL) + 36, 42
    left, top = 20 + draw.below(sheet.width - width - 40), 20 + draw.below(sheet.height - height - 40)
    pen = ImageDraw.Draw(sheet)
    for inset, fill in ((0, _BLACK), (3, _WHITE), (6, COLOURS[colour])):
        pen.rectangle((left + inset, top + inset, left + width - inset, top + height - inset), fill=fill)
    canvas.text(pen, (left + width / 2, top + height / 2), text, "sans bold", SMALL, ink, "mm")
    code, slots = _closer((left, top, width, height), sheet.size, 4)
    slots["colour"] = colour
    turns = (Turn(w.SIGN_THOUGHTS, code),)
    return ToolScene("sign", text, "word", canvas.pixels_of(sheet), turns, w.SIGN_CLOSINGS, w.SIGN_FINALS, slots)


def _closer(box: Box, size: tuple[int, int], most: int) -> tuple[str, dict[str, str]]:
    """The program that cuts out the region around a box of pixels and enlarges it, and the words for where that is."""
    region = region_of(*box, size)
    factor = factor_for(region, size, most)
    return program(*crop(region), enlarge(factor), save()), {**region.slots, "factor": str(factor)}
