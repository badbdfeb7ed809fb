"""Makers of pictures whose questions take a program that computes: sums of prices, shares of a map, two copies compared."""

from __future__ import annotations

import math

import numpy as np
from PIL import ImageDraw

from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered import canvas
from dataengine.cot.tasks.rendered.words import NUMBER_WORDS, some
from dataengine.cot.tasks.tool_scenes import wording_computing as w
from dataengine.cot.tasks.tool_scenes.base import SIDE, ToolScene, Turn
from dataengine.cot.tasks.tool_scenes.programs import crop, enlarge, factor_for, program, region_of, save
from dataengine.cot.tasks.tool_scenes.reading import SMALL
from dataengine.cot.tasks.tool_scenes.sheets import KINDS, SMALL_FACES, block, content, placed
from dataengine.media.image.pixels import Pixels

_LANDS = {
    "water": ("blue", (70, 130, 200)),
    "forest": ("green", (50, 120, 60)),
    "sand": ("yellow", (230, 205, 120)),
    "moorland": ("purple", (130, 90, 150)),
}
_MAP, _GROUND = 448, (238, 234, 224)
_CENTRES = ((118, 118), (330, 118), (118, 330), (330, 330))
_CORNERS, _OFF = 24, 10
_TINY, _BEFORE = 11, 220
"""Pixels of the letters of the copies, and to the left of a changed entry within which its line begins."""


def price_total(draw: Draw) -> ToolScene:
    """Reads two prices, then multiplies and adds them; the total has two decimals, as Python prints it."""
    lines, theme = content(draw, "prices"), canvas.theme(draw)
    page = placed(block(lines.rows, draw.choice(SMALL_FACES), SMALL, theme), lines.heading, theme, draw, SIDE, 1248)
    region = region_of(*page.box, page.image.size)
    factor = factor_for(region, page.image.size)
    (item, price), (other, other_price) = draw.shuffled(lines.rows)[:2]
    count = 2 + draw.below(8)
    counts = [n for n in range(2, 10) if (count * _cents(price) + n * _cents(other_price)) % 10]
    other_count = draw.choice(counts)
    answer = f"{(count * _cents(price) + other_count * _cents(other_price)) / 100:.2f}"
    total = f"round({count} * {price} + {other_count} * {other_price}, 2)"
    turns = (
        Turn(w.TOTAL_FIRST, program(*crop(region), enlarge(factor), save())),
        Turn(w.TOTAL_THEN, f"total = {total}\nprint(total)", answer),
    )
    slots = {
        **region.slots,
        "factor": str(factor),
        "item": item,
        "price": price,
        "other": other,
        "other_price": other_price,
    }
    slots |= {"count": str(count), "other_count": str(other_count)}
    slots |= {"first": f"{NUMBER_WORDS[count]} {item}s", "second": f"{NUMBER_WORDS[other_count]} {other}s"}
    slots["first_capital"] = slots["first"].capitalize()
    pixels = canvas.pixels_of(page.image)
    return ToolScene("total", answer, "number", pixels, turns, w.TOTAL_CLOSINGS, w.TOTAL_FINALS, slots)


def _cents(price: str) -> int:
    return round(100 * float(price))


def area_share(draw: Draw) -> ToolScene:
    """Counts the pixels of one colour."""
    lands = some(draw, sorted(_LANDS), 3)
    centres = [(x + draw.below(2 * _OFF) - _OFF, y + draw.below(2 * _OFF) - _OFF) for x, y in draw.shuffled(_CENTRES)]
    sheet = canvas.blank(_MAP, _MAP, _GROUND)
    pen = ImageDraw.Draw(sheet)
    for land, centre in zip(lands, centres, strict=False):
        pen.polygon(_outline(centre, draw), fill=_LANDS[land][1])
    land, centre = lands[0], centres[0]
    x, y = (100 * at // _MAP for at in centre)
    pixels = canvas.pixels_of(sheet)
    counted = int((pixels == np.array(_LANDS[land][1], np.uint8)).all(axis=2).sum())
    answer = str(round(100 * counted / _MAP**2))
    code = program(
        "width, height = image.size",
        f"wanted = image.getpixel(({x} * width // 100, {y} * height // 100))",
        "counted = 0",
        "for number, colour in image.getcolors():",
        "    if colour == wanted:",
        "        counted = number",
        "print(counted, width * height, round(100 * counted / (width * height)))",
    )
    slots = {"land": land, "colour": _LANDS[land][0], "x": str(x), "y": str(y), "counted": str(counted)}
    slots["all"] = str(_MAP**2)
    turns = (Turn(w.SHARE_THOUGHTS, code, f"{counted} {_MAP**2} {answer}"),)
    return ToolScene("share", answer, "number", pixels, turns, w.SHARE_CLOSINGS, w.SHARE_FINALS, slots, reduced=False)


def _outline(centre: tuple[int, int], draw: Draw) -> list[tuple[float, float]]:
    """An irregular area around a point that stays within its quarter of the map."""
    mean = 40 + draw.below(40)
    rough = [mean + draw.below(40) - 20 for _ in range(_CORNERS)]
    radii = [(rough[n - 1] + rough[n] + rough[(n + 1) % _CORNERS]) / 3 for n in range(_CORNERS)]
    angles = [2 * math.pi * n / _CORNERS for n in range(_CORNERS)]
    return [
        (centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle))
        for radius, angle in zip(radii, angles, strict=True)
    ]


def changed_entry(draw: Draw) -> ToolScene:
    """Finds where two copies of a list differ, then reads that line of the second."""
    theme, face, count = canvas.theme(draw), draw.choice(SMALL_FACES), 9 + draw.below(6)
    kind = draw.choice(sorted(KINDS))
    lines = content(draw, kind, count)
    rows, at = list(lines.rows), lines.place
    before = rows[at][1]
    rows[at] = (rows[at][0], _altered(before, draw))
    half = SIDE // 2
    left, right = (block(tuple(one), face, _TINY, theme) for one in (lines.rows, rows))
    x, y = 30 + draw.below(half - max(left.width, right.width) - 60), 30 + draw.below(300)
    sheet = canvas.blank(SIDE, left.height + 390, theme.paper)
    sheet.paste(left, (x, y))
    sheet.paste(right, (half + x, y))
    pixels = canvas.pixels_of(sheet)
    box = _differing(pixels[:, :half], pixels[:, half:])
    start, end, top, bottom = max(0, box[0] - _BEFORE), box[2] + 40, box[1] - 8, box[3] + 8
    halves = (
        "width, height = image.size",
        "left = image.crop((0, 0, width // 2, height))",
        "right = image.crop((width // 2, 0, width, height))",
    )
    difference = program(*halves, "print(ImageChops.difference(left, right).getbbox())", modules=("ImageChops",))
    line = program(*halves[:1], halves[2], f"part = right.crop(({start}, {top}, {end}, {bottom}))", enlarge(3), save())
    turns = (Turn(w.COPY_FIRST, difference, str(box)), Turn(w.COPY_THEN, line))
    slots = {
        "key": rows[at][0],
        "top": str(box[1]),
        "bottom": str(box[3]),
        "margin": f"{box[0] - start} pixels more on the left, 40 on the right",
    }
    answer_type = lines.answer_type
    return ToolScene("changed", rows[at][1], answer_type, pixels, turns, w.COPY_CLOSINGS, w.COPY_FINALS, slots)


def _altered(entry: str, draw: Draw) -> str:
    """The entry with another last digit."""
    digits = [digit for digit in "123456789" if digit != entry[-1]]
    return entry[:-1] + draw.choice(digits)


def _differing(a: Pixels, b: Pixels) -> tuple[int, int, int, int]:
    """The box around the pixels in which two pictures differ: left, top, right, bottom."""
    rows, columns = np.nonzero((a != b).any(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
