"""Drawn scenes of coloured shapes; what is asked about them is in ``shape_questions``."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from PIL import ImageDraw

from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered import canvas
from dataengine.media.image.pixels import Pixels

COLOURS: dict[str, canvas.Colour] = {
    "red": (214, 40, 40), "orange": (245, 140, 20), "yellow": (240, 205, 30), "green": (40, 150, 70),
    "blue": (40, 90, 200), "purple": (130, 60, 170), "pink": (245, 140, 180), "brown": (120, 75, 40),
    "black": (25, 25, 25), "grey": (140, 140, 140),
}  # fmt: skip
FORMS = ("circle", "square", "triangle", "star", "diamond", "pentagon", "cross", "ring")
_INNER = {"star": 0.42, "pentagon": 0.809}
"""Inner by outer radius of forms with five points."""
_ROWS, _COLUMNS, _CELL = 4, 4, 112
_SIDE = _ROWS * _CELL
_THIRDS = (
    ("top left", "top middle", "top right"),
    ("middle left", "centre", "middle right"),
    ("bottom left", "bottom middle", "bottom right"),
)
_CLEAR = 10
"""Pixels that a shape's middle keeps from the border between two thirds."""
_RULE = (170, 170, 170)
_PAPERS = ((255, 255, 255), (246, 240, 228), (228, 238, 246), (236, 246, 232), (244, 234, 244))


@dataclass(frozen=True)
class Shape:
    """``row`` and ``column`` of its cell; centre and radius in pixels."""

    form: str
    colour: str
    row: int
    column: int
    x: int
    y: int
    radius: int

    @property
    def name(self) -> str:
        return f"{self.colour} {self.form}"

    @property
    def place(self) -> str:
        """In which thirds of the picture its middle is, in words that follow "in the"."""
        return _THIRDS[3 * self.y // _SIDE][3 * self.x // _SIDE]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """In thousandths of the sides."""
        corners = _star(self.x, self.y, self.radius, 5, _INNER[self.form]) if self.form in _INNER else []
        across = [x for x, _ in corners] or [self.x - self.radius, self.x + self.radius]
        down = [y for _, y in corners] or [self.y - self.radius, self.y + self.radius]
        edges = (round(min(across)), round(min(down)), round(max(across)), round(max(down)))
        scaled = [1000 * edge // _SIDE for edge in edges]
        return scaled[0], scaled[1], scaled[2], scaled[3]


@dataclass(frozen=True)
class Board:
    """``ruled``: the lines between rows and columns are drawn, so that these can be spoken of."""

    shapes: tuple[Shape, ...]
    paper: canvas.Colour
    ruled: bool = False

    def paint(self) -> Pixels:
        image = canvas.blank(_SIDE, _SIDE, self.paper)
        draw = ImageDraw.Draw(image)
        for n in range(_ROWS + 1) if self.ruled else ():
            at = min(n * _CELL, _SIDE - 1)
            draw.line((at, 0, at, _SIDE), fill=_RULE)
            draw.line((0, at, _SIDE, at), fill=_RULE)
        for shape in self.shapes:
            _PAINT[shape.form](draw, shape.x, shape.y, shape.radius, COLOURS[shape.colour])
        return canvas.pixels_of(image)


def board(draw: Draw, kinds: list[tuple[str, str]], ruled: bool = False) -> Board:
    """Shapes of these forms and colours, each in a cell of its own and a little off its middle."""
    cells = draw.shuffled([(row, column) for row in range(_ROWS) for column in range(_COLUMNS)])
    shapes = []
    for (form, colour), (row, column) in zip(kinds, cells, strict=False):
        radius = 24 + draw.below(20)
        slack = _CELL // 2 - radius - 4
        x, y = (draw.choice(_middles(at, slack)) for at in (column, row))
        shapes.append(Shape(form, colour, row, column, x, y, radius))
    return Board(tuple(shapes), draw.choice(_PAPERS), ruled)


def _middles(cell: int, slack: int) -> list[int]:
    """Where the middle of a shape may be within its row or column."""
    middle = _CELL * cell + _CELL // 2
    places = range(middle - slack, middle + slack + 1)
    return [at for at in places if all(abs(at - n * _SIDE / 3) >= _CLEAR for n in (1, 2))]


def different(draw: Draw, count: int) -> list[tuple[str, str]]:
    """``count`` pairs of form and colour in which no form and no colour stands twice."""
    return list(zip(draw.shuffled(FORMS)[:count], draw.shuffled(sorted(COLOURS))[:count], strict=True))


def _star(x: int, y: int, radius: int, points: int, inner: float, turn: float = -90.0) -> list[tuple[float, float]]:
    corners = []
    for n in range(2 * points):
        angle, length = math.radians(turn + 180 * n / points), radius * (1.0 if n % 2 == 0 else inner)
        corners.append((round(x + length * math.cos(angle), 3), round(y + length * math.sin(angle), 3)))
    return corners


def _polygon(points: int, inner: float) -> Callable[..., None]:
    return lambda draw, x, y, r, fill: draw.polygon(_star(x, y, r, points, inner), fill=fill)


def _cross(draw: ImageDraw.ImageDraw, x: int, y: int, r: int, fill: canvas.Colour) -> None:
    arm = r // 3
    draw.rectangle((x - r, y - arm, x + r, y + arm), fill=fill)
    draw.rectangle((x - arm, y - r, x + arm, y + r), fill=fill)


_PAINT: dict[str, Callable[..., None]] = {
    "circle": lambda draw, x, y, r, fill: draw.ellipse((x - r, y - r, x + r, y + r), fill=fill),
    "ring": lambda draw, x, y, r, fill: draw.ellipse((x - r, y - r, x + r, y + r), outline=fill, width=max(6, r // 3)),
    "square": lambda draw, x, y, r, fill: draw.rectangle((x - r, y - r, x + r, y + r), fill=fill),
    "diamond": lambda draw, x, y, r, fill: draw.polygon([(x, y - r), (x + r, y), (x, y + r), (x - r, y)], fill=fill),
    "triangle": lambda draw, x, y, r, fill: draw.polygon([(x, y - r), (x + r, y + r), (x - r, y + r)], fill=fill),
    "star": _polygon(5, _INNER["star"]),
    "pentagon": _polygon(5, _INNER["pentagon"]),
    "cross": _cross,
}
