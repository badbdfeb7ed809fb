"""Crops, rotations and mirrorings of a picture, as array operations and as the tool calls that make them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dataengine.cot.core.measure import LEVELS, PARTS, QUARTERS, SIDES, cut
from dataengine.cot.core.tools import Call, zoom
from dataengine.media.image.pixels import Pixels

#: Views by name, in words that follow "the picture".
VIEWS = {
    **{part: f"cropped to its {part}" for part in QUARTERS},
    "rotate 90": "rotated a quarter turn clockwise",
    "rotate 180": "rotated by half a turn",
    "rotate 270": "rotated a quarter turn counter-clockwise",
    "flip horizontal": "mirrored left to right",
    "flip vertical": "flipped top to bottom",
}

#: Views that leave halves where they are, so that a question about these would not need the view.
IDLE = {("flip vertical", SIDES), ("flip horizontal", LEVELS)}


def apply_view(view: str, pixels: Pixels) -> Pixels:
    """Apply a view to ``(H, W, 3)`` without the tools."""
    if view in PARTS:
        return cut(pixels, PARTS[view])
    kind, _, how = view.partition(" ")
    if kind == "rotate":
        return np.rot90(pixels, -int(how) // 90)
    return pixels[:, ::-1] if how == "horizontal" else pixels[::-1]


def code(view: str) -> str:
    """The tool call that makes a view."""
    if view in PARTS:
        return Call("crop", PARTS[view]).render()
    kind, _, how = view.partition(" ")
    return Call(kind, (int(how) if kind == "rotate" else how,)).render()


def enlarged(view: str, pixels: Pixels) -> Pixels:
    """The view as a picture to look at: quarters are enlarged."""
    return zoom(apply_view(view, pixels), 2) if view in PARTS else apply_view(view, pixels)


def enlarged_code(view: str) -> str:
    """The tool calls that give ``enlarged``."""
    return f"{code(view)}\nzoom(2)" if view in PARTS else code(view)


def measures(what: str, parts: Sequence[str]) -> str:
    """The tool calls that measure ``parts``, a line each."""
    return "\n".join(Call("measure", (what, *PARTS[part])).render() for part in parts)
