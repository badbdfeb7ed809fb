"""Drawn scenes of coloured shapes: how many, what, which colour, where, what lies beside what, and what is not there."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from PIL import ImageDraw

from dataengine.cot.core import grounding
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered import canvas
from dataengine.cot.tasks.rendered import wording_shapes as w
from dataengine.cot.tasks.rendered.base import Maker, Scene, Sentence
from dataengine.cot.tasks.rendered.words import NUMBER_WORDS, joined
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
_PLACES = (("top", "upper", "lower", "bottom"), ("far left", "left", "right", "far right"))
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
        """Where it is, in words that follow "in the"."""
        return f"{_PLACES[0][self.row]} row, {_PLACES[1][self.column]}"

    @property
    def box(self) -> tuple[int, int, int, int]:
        """In thousandths of the sides."""
        width, height = _COLUMNS * _CELL, _ROWS * _CELL
        corners = _star(self.x, self.y, self.radius, 5, _INNER[self.form]) if self.form in _INNER else []
        across = [x for x, _ in corners] or [self.x - self.radius, self.x + self.radius]
        down = [y for _, y in corners] or [self.y - self.radius, self.y + self.radius]
        edges = (round(min(across)), round(min(down)), round(max(across)), round(max(down)))
        scaled = [1000 * edge // side for edge, side in zip(edges, (width, height) * 2, strict=True)]
        return scaled[0], scaled[1], scaled[2], scaled[3]


@dataclass(frozen=True)
class Board:
    shapes: tuple[Shape, ...]
    paper: canvas.Colour

    def paint(self) -> Pixels:
        image = canvas.blank(_COLUMNS * _CELL, _ROWS * _CELL, self.paper)
        draw = ImageDraw.Draw(image)
        for shape in self.shapes:
            _PAINT[shape.form](draw, shape.x, shape.y, shape.radius, COLOURS[shape.colour])
        return canvas.pixels_of(image)


def board(draw: Draw, kinds: list[tuple[str, str]]) -> Board:
    """Shapes of these forms and colours, each in a cell of its own and a little off its middle."""
    cells = draw.shuffled([(row, column) for row in range(_ROWS) for column in range(_COLUMNS)])
    shapes = []
    for (form, colour), (row, column) in zip(kinds, cells, strict=False):
        radius = 24 + draw.below(20)
        slack = _CELL // 2 - radius - 4
        x, y = (_CELL * at + _CELL // 2 - slack + draw.below(2 * slack + 1) for at in (column, row))
        shapes.append(Shape(form, colour, row, column, x, y, radius))
    return Board(tuple(shapes), draw.choice(_PAPERS))


def _different(draw: Draw, count: int) -> list[tuple[str, str]]:
    """``count`` pairs of form and colour in which no form and no colour stands twice."""
    return list(zip(draw.shuffled(FORMS)[:count], draw.shuffled(sorted(COLOURS))[:count], strict=True))


def _scene(
    on: Board, kind: str, answer: str, slots: dict[str, str], steps: list[Sentence], *, type_: str = "word"
) -> Scene:
    return Scene(kind, answer, type_, on.paint, slots, tuple(steps), w.FINALS[kind], w.PLAIN[kind])  # type: ignore[arg-type]


def _at(shape: Shape) -> str:
    return f"the {shape.name} ({shape.place})"


def _count(draw: Draw) -> Scene:
    """Of a colour, a form, or what has neither."""
    kind, wanted = draw.choice(("colour", "form", "other")), 1 + draw.below(7)
    form, colour = draw.choice(FORMS), draw.choice(sorted(COLOURS))
    forms = [one for one in FORMS if one != form]
    colours = [one for one in sorted(COLOURS) if one != colour]
    if kind == "colour":
        subjects = [(draw.choice(FORMS), colour) for _ in range(wanted)]
        rest = [(draw.choice(FORMS), draw.choice(colours)) for _ in range(2 + draw.below(6))]
    elif kind == "form":
        subjects = [(form, draw.choice(sorted(COLOURS))) for _ in range(wanted)]
        rest = [(draw.choice(forms), draw.choice(sorted(COLOURS))) for _ in range(2 + draw.below(6))]
    else:
        subjects = [(draw.choice(forms), draw.choice(colours)) for _ in range(wanted)]
        rest = [(form, draw.choice(sorted(COLOURS))) for _ in range(2 + draw.below(6))]
    on = board(draw, [*subjects, *rest])
    counted = sorted(on.shapes[:wanted], key=lambda s: (s.row, s.column))
    listed = joined([_at(one) for one in counted])
    what = {"colour": f"{colour} ones", "form": f"{form}s" if form != "cross" else "crosses"}.get(
        kind, "ones that count"
    )
    steps: list[Sentence] = [
        (f"From top to bottom, the {what} are {listed}.", f"I go through the rows and find {listed}.")
        if wanted > 1
        else (f"Only {listed} fits.", f"Going through all shapes, I find one that fits: {listed}."),
        (f"That is {NUMBER_WORDS[wanted]} in all.", f"I count {wanted}."),
    ]
    slots = {"form": form, "forms": "crosses" if form == "cross" else f"{form}s", "colour": colour}
    return _scene(on, kind, str(wanted), slots, steps, type_="number")


def _attribute(draw: Draw) -> Scene:
    on = board(draw, _different(draw, 5 + draw.below(3)))
    shape = draw.choice(on.shapes)
    step = (f"There is one {shape.form}, in the {shape.place}, and it is {shape.colour}.",)
    return _scene(on, "attribute", shape.colour, {"form": shape.form}, [step])


def _object(draw: Draw) -> Scene:
    on = board(draw, _different(draw, 5 + draw.below(3)))
    shape = draw.choice(on.shapes)
    step = (f"Only one shape is {shape.colour}: the {shape.form} in the {shape.place}.",)
    return _scene(on, "object", shape.form, {"colour": shape.colour}, [step])


_SIDES: dict[str, Callable[[Shape, Shape], bool]] = {
    "to the right of": lambda a, b: a.row == b.row and a.column > b.column,
    "to the left of": lambda a, b: a.row == b.row and a.column < b.column,
    "below": lambda a, b: a.column == b.column and a.row > b.row,
    "above": lambda a, b: a.column == b.column and a.row < b.row,
}


def _relation(draw: Draw) -> Scene:
    """What is the nearest shape in the same row or column on one side of another."""
    on = board(draw, _different(draw, 7))
    pairs = [(side, shape) for side in sorted(_SIDES) for shape in on.shapes]
    for side, shape in draw.shuffled(pairs):
        neighbours = [one for one in on.shapes if _SIDES[side](one, shape)]
        if neighbours:
            near = min(neighbours, key=lambda one: abs(one.row - shape.row) + abs(one.column - shape.column))
            line = "row" if near.row == shape.row else "column"
            steps: list[Sentence] = [
                (f"The {shape.name} is in the {shape.place}.", f"I find the {shape.name}: {shape.place}."),
                (
                    f"In the same {line}, the next shape {side} it is the {near.name} ({near.place}).",
                    f"Going on from there in the same {line}, I come to the {near.name} ({near.place}).",
                ),
            ]
            return _scene(on, "relation", near.name, {"name": shape.name, "side": side, "line": line}, steps)
    return _relation(draw)


def _grounded(shape_of: str, draw: Draw) -> Scene:
    """The box or the middle of a shape, as a grounding label."""
    on = board(draw, _different(draw, 5 + draw.below(4)))
    shape = draw.choice(on.shapes)
    left, top, right, bottom = shape.box
    places = (shape.box,) if shape_of == "box" else (((left + right) // 2, (top + bottom) // 2),)
    label = grounding.Label(shape_of, places, "object_ref", shape.name)  # type: ignore[arg-type]
    type_ = shape_of
    return _scene(on, shape_of, label.render(), {"name": shape.name}, [(f"The {shape.place}.",)], type_=type_)


def _trap(draw: Draw) -> Scene:
    """A question about a shape that is not there, or about a pair of a form and a colour that belong to different shapes; one in
    three is about a shape that is there."""
    on = board(draw, _different(draw, 6))
    first, second = on.shapes[0], on.shapes[1]
    kind = draw.choice(("present", "missing", "mixed"))
    seen = joined([f"a {one.name}" if one.colour[0] not in "o" else f"an {one.name}" for one in on.shapes])
    steps: list[Sentence] = [(f"The picture shows {seen}.", f"These shapes are there: {seen}.")]
    if kind == "present":
        steps.append((f"One of them is a {first.form}, and it is {first.colour}.",))
        return _scene(on, kind, first.colour, {"form": first.form}, steps)
    if kind == "missing":
        form = draw.choice([one for one in FORMS if one not in {s.form for s in on.shapes}])
        steps.append((f"None of them is a {form}, so the question rests on something that is not there.",))
        return _scene(on, kind, f"no {form}", {"form": form}, steps)
    slots = {"name": f"{first.colour} {second.form}"}
    steps.append(
        (f"The {second.form} is {second.colour}, not {first.colour}; only the {first.form} is {first.colour}.",)
    )
    return _scene(on, kind, f"no {first.colour} {second.form}", slots, steps)


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

COUNT = Maker("counting", _count, w.COUNT)
ATTRIBUTE = Maker("attributes", _attribute, w.ATTRIBUTE)
OBJECT = Maker("objects", _object, w.OBJECT)
RELATION = Maker("relations", _relation, w.RELATION)
BOX = Maker("grounding", partial(_grounded, "box"), w.BOX)
POINT = Maker("grounding", partial(_grounded, "point"), w.POINT)
TRAP = Maker("objects", _trap, w.TRAP)
