"""Boxes and points in any of the forms that models write, compared by intersection over union and by distance.

Coordinates are thousandths of the sides (``core.grounding``); decimals between 0 and 1 are read as shares of them. Forms:
grounding labels, ``[x1, y1, x2, y2]``, ``(x1,y1),(x2,y2)``, JSON with ``bbox_2d``, ``box_2d`` or ``point_2d``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import permutations
from math import hypot

from dataengine.cot.core.formats import FormatError
from dataengine.cot.core.grounding import SIDE, Label
from dataengine.cot.replies.wrappers import bare

LEAST_IOU = 0.5
"""As in the accuracy of RefCOCO (Acc@0.5)."""
MOST_DISTANCE = 50.0
"""Thousandths of the sides between two points that are the same."""
_LONGEST = 4000
_MOST = 6
"""More shapes than this are compared in their order alone."""
_NUMBER = re.compile(r"-?\d{1,6}(?:\.\d{1,12})?")
_NAMES = re.compile(r'"?(?:bbox|box|point|label|quad)_?(?:2d|3d)?"?|<\|\w{1,30}\|>|</?\w{1,12}>')
_LABELS = re.compile(
    r'"(?:label|text|name|category)"\s{0,4}:\s{0,4}"[^"]{0,200}"|<\|object_ref_start\|>.{0,200}?<\|object_ref_end\|>'
)
_LISTS = re.compile(r"\[[^\[\]]{1,200}\]|\([^()]{1,200}\)")

Place = tuple[float, ...]


def places(text: str, size: int) -> list[Place] | None:
    """Coordinates of the boxes (``size`` 4) or points (2) in a text; None where it has none, or numbers beside them."""
    text = bare(text)
    if len(text) > _LONGEST:
        return None
    text = _NAMES.sub(" ", _LABELS.sub(" ", text))
    groups = [[float(n) for n in _NUMBER.findall(group)] for group in _LISTS.findall(text)]
    groups = [group for group in groups if group]
    rest = _NUMBER.findall(_LISTS.sub(" ", text))
    numbers = [n for group in groups for n in group] if groups else [float(n) for n in rest]
    if (groups and rest) or not numbers or len(numbers) % size or any(len(group) % 2 for group in groups):
        return None
    if re.search(r"(?i)\b(?:or|not|either|between)\b", text):
        return None
    if all(0 <= n <= 1 for n in numbers) and any(n % 1 for n in numbers):
        numbers = [n * SIDE for n in numbers]
    return [tuple(numbers[at : at + size]) for at in range(0, len(numbers), size)]


def same_places(expected: str, candidate: str, size: int) -> bool:
    """Whether a candidate's boxes (or points) are the expected ones: as many, each by IoU (or distance), in any order."""
    ours, theirs = places(expected, size), places(candidate, size)
    if ours is None or theirs is None or len(ours) != len(theirs):
        return False
    near = _near_boxes if size == 4 else _near_points
    orders = permutations(theirs) if len(theirs) <= _MOST else [tuple(theirs)]
    return any(all(near(a, b) for a, b in zip(ours, order, strict=True)) for order in orders)


def label_of(text: str, size: int) -> str | None:
    """The grounding label of a text's boxes or points, rounded to whole thousandths; None where they are none."""
    located = places(text, size)
    if located is None:
        return None
    whole = tuple(tuple(min(max(round(n), 0), SIDE - 1) for n in place) for place in located)
    try:
        return Label("box" if size == 4 else "point", whole).render()
    except FormatError:
        return None


def iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes (x1, y1, x2, y2); 0 for a box without area."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (_area(a) + _area(b) - both)


def _area(box: Sequence[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _near_boxes(a: Place, b: Place) -> bool:
    return b[0] < b[2] and b[1] < b[3] and iou(a, b) >= LEAST_IOU


def _near_points(a: Place, b: Place) -> bool:
    return hypot(a[0] - b[0], a[1] - b[1]) <= MOST_DISTANCE
