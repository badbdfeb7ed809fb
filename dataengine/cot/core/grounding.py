"""Grounding labels as text: points, boxes, polygons and spans of time, with strict parsers.

As in Keye-VL (arXiv 2507.01949, Table 1) and Keye-VL-1.5 (arXiv 2509.01563, Table 1). Coordinates are whole thousandths of the
sides, 0 to 999; boxes go from the top left to the bottom right, polygons clockwise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from dataengine.cot.core.formats import LONGEST, FormatError

Shape = Literal["point", "box", "polygon"]
Name = Literal["", "object_ref", "ocr_text"]
Coordinates = tuple[tuple[int, ...], ...]
"""A row a point (x, y), a box (x1, y1, x2, y2) or a polygon (x1, y1, x2, y2, ...)."""

SIDE = 1000
_LABEL = re.compile(
    r"(?:<\|(object_ref|ocr_text)_start\|>((?:(?!<\|).)+)<\|\1_end\|>)?"
    r"<\|(point|box|polygon)_start\|>(\[[\[\]0-9, -]+\])<\|\3_end\|>",
    re.DOTALL,
)
_TIME = re.compile(r"<\|clip_time_start\|>\[(\d+(?:\.\d+)?), (\d+(?:\.\d+)?)\]<\|clip_time_end\|> (.+)", re.DOTALL)
_LENGTHS = {"point": (2, 2), "box": (4, 4), "polygon": (6, 2 * SIDE)}


@dataclass(frozen=True)
class Label:
    """``name`` says what ``text`` is, an object or what is written there; points have no name of their own kind."""

    shape: Shape
    places: Coordinates
    name: Name = ""
    text: str = ""

    def __post_init__(self) -> None:
        least, most = _LENGTHS[self.shape]
        if not self.places or not all(least <= len(p) <= most and len(p) % 2 == 0 for p in self.places):
            raise FormatError.because(f"not the coordinates of a {self.shape}: {self.places}")
        if not all(0 <= n < SIDE for place in self.places for n in place):
            raise FormatError.because(f"coordinates are from 0 to {SIDE - 1}: {self.places}")
        if self.shape == "box" and not all(p[0] < p[2] and p[1] < p[3] for p in self.places):
            raise FormatError.because(f"a box goes from its top left to its bottom right: {self.places}")
        if self.shape == "polygon" and not all(is_clockwise(p) for p in self.places):
            raise FormatError.because(f"a polygon goes clockwise: {self.places}")
        if bool(self.name) != bool(self.text) or "<|" in self.text:
            raise FormatError.because("a name without text, or marks inside of it")

    def render(self) -> str:
        coordinates = [list(p) if self.shape != "polygon" else [list(xy) for xy in _corners(p)] for p in self.places]
        head = f"<|{self.name}_start|>{self.text}<|{self.name}_end|>" if self.name else ""
        return f"{head}<|{self.shape}_start|>{json.dumps(coordinates)}<|{self.shape}_end|>"


def parse(text: str) -> Label:
    """The label that renders to exactly ``text``. Raises FormatError."""
    match = _LABEL.fullmatch(text)
    if not match:
        raise FormatError.because(f"no grounding label: {text[:80]!r}")
    name, inside, shape, places = match.groups()
    if len(places) > LONGEST or "[[[[" in places:
        raise FormatError.because(f"not coordinates: {places[:80]}")
    try:
        rows = json.loads(places)
        flat = tuple(tuple(n for xy in p for n in xy) if shape == "polygon" else tuple(p) for p in rows)
    except (ValueError, TypeError):
        raise FormatError.because(f"not coordinates: {places[:80]}") from None
    if not all(type(n) is int for place in flat for n in place):
        raise FormatError.because(f"coordinates are whole numbers: {places[:80]}")
    label = Label(shape, flat, name or "", inside or "")  # type: ignore[arg-type]
    if label.render() != text:
        raise FormatError.because(f"not as it is written: {label.render()}")
    return label


@dataclass(frozen=True)
class Span:
    """An event of a video, from ``start`` to ``end`` seconds."""

    start: float
    end: float
    caption: str

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end or not self.caption.strip() or "<|" in self.caption:
            raise FormatError.because("an event ends after it starts, and has a caption")

    def render(self) -> str:
        return f"<|clip_time_start|>[{self.start:g}, {self.end:g}]<|clip_time_end|> {self.caption}"


def parse_span(text: str) -> Span:
    """The span that renders to exactly ``text``. Raises FormatError."""
    match = _TIME.fullmatch(text)
    if not match:
        raise FormatError.because(f"no span of time: {text[:80]!r}")
    span = Span(float(match[1]), float(match[2]), match[3])
    if span.render() != text:
        raise FormatError.because(f"not as it is written: {span.render()}")
    return span


def _corners(polygon: Sequence[int]) -> list[tuple[int, int]]:
    return list(zip(polygon[::2], polygon[1::2], strict=True))


def is_clockwise(polygon: Sequence[int]) -> bool:
    """Whether the corners (x1, y1, x2, y2, ...) go clockwise: as y points down, their signed area is then positive."""
    corners = _corners(polygon)
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairwise([*corners, corners[0]])) > 0
