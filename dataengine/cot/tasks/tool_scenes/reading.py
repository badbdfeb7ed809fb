"""Makers of pages that have to be enlarged, turned, mirrored or strengthened before they can be read."""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL import Image, ImageOps

from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered import canvas
from dataengine.cot.tasks.tool_scenes import wording_reading as w
from dataengine.cot.tasks.tool_scenes import wording_worn as worn
from dataengine.cot.tasks.tool_scenes.base import SIDE, ToolScene, Turn
from dataengine.cot.tasks.tool_scenes.programs import (
    Region,
    crop,
    enlarge,
    factor_for,
    program,
    region_of,
    save,
    turned,
)
from dataengine.cot.tasks.tool_scenes.sheets import FACES, SMALL_FACES, Content, Placed, block, content, placed
from dataengine.cot.tasks.tool_scenes.wording_sheets import CLOSINGS, FINALS

SMALL = 13
"""Pixels of the letters of small print: less than 4 as the question shows them."""
_LARGE, _FIRST, _STRONG = 26, 4, 16
_MIDDLE_GREY = 120


def tiny(draw: Draw) -> ToolScene:
    lines, theme = content(draw), canvas.theme(draw)
    page = _page(draw, lines, theme)
    region, factor = _region(page.image, page.box)
    code = program(*crop(region), enlarge(factor), save())
    slots = {**region.slots, "factor": str(factor)}
    return _scene("small", lines, page.image, (Turn(w.TINY_THOUGHTS, code),), slots)


def sideways(draw: Draw) -> ToolScene:
    """A page that was turned by one to three quarters; it is turned back at once, or after a look at the enlarged part."""
    lines, theme, degrees = content(draw), canvas.theme(draw), draw.choice((90, 180, 270))
    page = _page(draw, lines, theme)
    image, box = turned(page.image, degrees), _turned_box(page, degrees)
    region, factor = _region(image, box)
    back = f"part = part.rotate({_angle_back(degrees)}, expand=True)"
    code = program(*crop(region), back, enlarge(factor), save())
    turns: tuple[Turn, ...] = (Turn(w.TURNED_THOUGHTS, code),)
    if draw.below(2):
        turns = (Turn(w.SIDEWAYS_FIRST, program(*crop(region), enlarge(factor), save())), Turn(w.SIDEWAYS_THEN, code))
    return _scene("turned", lines, image, turns, {**region.slots, **_turn_slots(degrees), "factor": str(factor)})


def mirrored(draw: Draw) -> ToolScene:
    lines, theme, way = content(draw), canvas.theme(draw), draw.choice(("left-right", "top-bottom"))
    page = _page(draw, lines, theme)
    left, top, width, height = page.box
    if way == "left-right":
        image, back, left = ImageOps.mirror(page.image), "mirror", page.image.width - left - width
    else:
        image, back, top = ImageOps.flip(page.image), "flip", page.image.height - top - height
    region, factor = _region(image, (left, top, width, height))
    code = program(*crop(region), f"part = ImageOps.{back}(part)", enlarge(factor), save(), modules=("ImageOps",))
    seen, mend = w.FLIPPED[way]
    slots = {**region.slots, "factor": str(factor), "flipped": seen, "back": mend, "function": back}
    return _scene(way, lines, image, (Turn(w.MIRRORED_THOUGHTS, code),), slots)


def faint(draw: Draw) -> ToolScene:
    lines = content(draw, count=4 + draw.below(2))
    image = block(lines.rows, draw.choice(FACES), _LARGE, _grey(draw, 1))
    stronger = draw.choice(sorted(w.STRONGER))
    last = (
        ("part = ImageOps.autocontrast(image)", ("ImageOps",))
        if stronger == "autocontrast"
        else (_contrast("image", _STRONG), ("ImageEnhance",))
    )
    turns = (Turn(w.FAINT_FIRST, _strengthened(_FIRST)), Turn(w.FAINT_THEN, program(last[0], save(), modules=last[1])))
    slots = {"stronger": w.STRONGER[stronger], "count": str(len(lines.rows))}
    return _scene("faint", lines, image, turns, slots, reduced=False)


def two_defects(draw: Draw) -> ToolScene:
    """A page with two defects, mended one after the other."""
    return draw.choice((_faint_turned, _small_tilted, _small_faint))(draw)


def _faint_turned(draw: Draw) -> ToolScene:
    lines, degrees = content(draw, count=4 + draw.below(2)), draw.choice((90, 180, 270))
    image = turned(block(lines.rows, draw.choice(FACES), _LARGE, _grey(draw, 1)), degrees)
    back = f"part = part.rotate({_angle_back(degrees)}, expand=True)"
    second = program(_contrast("image", _STRONG), back, save(), modules=("ImageEnhance",))
    turns = (Turn(worn.FIRST["faint-turned"], _strengthened(_FIRST)), Turn(worn.THEN["faint-turned"], second))
    return _scene("faint-turned", lines, image, turns, _turn_slots(degrees), reduced=False)


def _small_tilted(draw: Draw) -> ToolScene:
    lines, theme, degrees = content(draw), canvas.theme(draw), 5 * (6 + draw.below(4)) * (1 if draw.below(2) else -1)
    page = _page(draw, lines, theme, degrees)
    region, factor = _region(page.image, page.box, 3)
    start, larger = crop(region), _factor_turned(region, page.image.size, abs(degrees))
    straight = f"part = part.rotate({-degrees}, Image.Resampling.BICUBIC, expand=True)"
    turns = (
        Turn(worn.FIRST["small-tilted"], program(*start, enlarge(factor), save())),
        Turn(worn.THEN["small-tilted"], program(*start, enlarge(larger), straight, save())),
    )
    slots = {**region.slots, "factor": str(factor), "degrees": str(abs(degrees))}
    slots["slope"] = "rise to the right" if degrees > 0 else "fall to the right"
    slots["back"] = "clockwise" if degrees > 0 else "counter-clockwise"
    return _scene("small-tilted", lines, page.image, turns, slots)


def _small_faint(draw: Draw) -> ToolScene:
    lines, grey = content(draw), _grey(draw, 2)
    theme = canvas.Theme(grey.paper, grey.ink, (40, 40, 40), (70, 70, 70))
    page = _page(draw, lines, theme)
    region, factor = _region(page.image, page.box)
    second = program(*crop(region), _contrast("part", _STRONG), enlarge(factor), save(), modules=("ImageEnhance",))
    turns = (
        Turn(worn.FIRST["small-faint"], program(*crop(region), enlarge(factor), save())),
        Turn(worn.THEN["small-faint"], second),
    )
    return _scene("small-faint", lines, page.image, turns, {**region.slots, "factor": str(factor)})


def _scene(
    context: str,
    lines: Content,
    image: Image.Image,
    turns: tuple[Turn, ...],
    slots: dict[str, str],
    *,
    reduced: bool = True,
) -> ToolScene:
    kind, finals = f"{context} {lines.kind}", FINALS[lines.kind]
    pixels = canvas.pixels_of(image)
    return ToolScene(
        kind, lines.answer, lines.answer_type, pixels, turns, CLOSINGS, finals, {**lines.slots, **slots}, reduced
    )


def _page(draw: Draw, lines: Content, theme: canvas.Theme, tilt: int = 0) -> Placed:
    """A sheet with the lines in small print, turned counter-clockwise by ``tilt`` degrees."""
    note = block(lines.rows, draw.choice(SMALL_FACES), SMALL, theme)
    if tilt:
        note = note.rotate(tilt, Image.Resampling.BICUBIC, expand=True, fillcolor=theme.paper)
    return placed(note, lines.heading, theme, draw, SIDE, 1152 + 96 * draw.below(5))


def _region(image: Image.Image, box: tuple[int, int, int, int], most: int = 4) -> tuple[Region, int]:
    """The region around a box of a picture, and how far it can be enlarged."""
    region = region_of(*box, image.size)
    return region, factor_for(region, image.size, most)


def _factor_turned(region: Region, size: tuple[int, int], degrees: int) -> int:
    """By how much a region can be enlarged that is then turned, within 1,000 pixels."""
    width, height = (region.right - region.left) * size[0] / 100, (region.bottom - region.top) * size[1] / 100
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    return max(1, int(1000 // max(width * cosine + height * sine, width * sine + height * cosine)))


def _turned_box(page: Placed, degrees: int) -> tuple[int, int, int, int]:
    (left, top, width, height), (full_width, full_height) = page.box, page.image.size
    boxes: dict[int, Callable[[], tuple[int, int, int, int]]] = {
        90: lambda: (top, full_width - left - width, height, width),
        180: lambda: (full_width - left - width, full_height - top - height, width, height),
        270: lambda: (full_height - top - height, left, height, width),
    }
    return boxes[degrees]()


def _angle_back(degrees: int) -> int:
    """The angle of PIL, counter-clockwise, that undoes a turn."""
    return {90: -90, 180: 180, 270: 90}[degrees]


def _turn_slots(degrees: int) -> dict[str, str]:
    angle = w.ANGLES[degrees]
    return {
        "lies": w.LIES[degrees],
        "upright": w.UPRIGHT[degrees],
        "angle": angle,
        "Angle": angle[0].upper() + angle[1:],
        "runs": w.RUNS[degrees],
    }


def _grey(draw: Draw, least: int) -> canvas.Theme:
    """Ink and paper of nearly the same grey, ``least`` or one more level apart."""
    ground = _MIDDLE_GREY + draw.below(17)
    ink = ground + (least + draw.below(2)) * (1 if draw.below(2) else -1)
    return canvas.Theme((ground,) * 3, (ink,) * 3, (ink,) * 3, (ink,) * 3)


def _contrast(name: str, factor: int) -> str:
    return f"part = ImageEnhance.Contrast({name}).enhance({factor})"


def _strengthened(factor: int) -> str:
    return program(_contrast("image", factor), save(), modules=("ImageEnhance",))
