"""Questions about drawn shapes: how many, what, which colour, where, what is beside what, and what is not there."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from dataengine.cot.core import grounding
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered import effort
from dataengine.cot.tasks.rendered import wording_shapes as w
from dataengine.cot.tasks.rendered.base import Maker, Scene
from dataengine.cot.tasks.rendered.effort import Sentence
from dataengine.cot.tasks.rendered.shapes import COLOURS, FORMS, Board, Shape, board, different
from dataengine.cot.tasks.rendered.words import NUMBER_WORDS, joined, ordinal

_NEARER = 25
"""Pixels by which the nearest shape must be nearer than the next."""


def _scene(
    on: Board, kind: str, answer: str, slots: dict[str, str], steps: list[Sentence], *, type_: str = "word"
) -> Scene:
    return Scene(kind, answer, type_, on.paint, slots, tuple(steps), w.FINALS[kind], w.PLAIN[kind])  # type: ignore[arg-type]


def _at(shape: Shape) -> str:
    return f"the {shape.name} ({shape.place})"


def _a(shape: Shape) -> str:
    return f"a{'n' if shape.colour[0] == 'o' else ''} {shape.name}"


def _plural(form: str) -> str:
    return "crosses" if form == "cross" else f"{form}s"


def _down(shapes: list[Shape]) -> list[Shape]:
    """From top to bottom of the picture."""
    return sorted(shapes, key=lambda shape: (shape.y, shape.x))


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
    many = wanted > 1
    things = {
        "colour": f"{colour} shape{'s' if many else ''}",
        "form": _plural(form) if many else form,
        "other": f"such shape{'s' if many else ''}",
    }[kind]
    listed = joined([_at(one) for one in _down(list(on.shapes[:wanted]))])
    others = joined([f"the {one.name}" for one in _down(list(on.shapes[wanted:]))])
    steps: list[Sentence] = [
        (
            f"From top to bottom I find {listed}.",
            f"Going down the picture, these fit: {listed}.",
            f"The ones that fit are {listed}.",
        )
        if many
        else (f"Only {listed} fits.", f"Going through all shapes, I find one that fits: {listed}."),
        (f"That makes {NUMBER_WORDS[wanted]} in all.", f"I count {wanted}."),
    ]
    slots = {"form": form, "forms": _plural(form), "colour": colour, "there": "There are" if many else "There is"}
    return Scene(
        kind,
        str(wanted),
        "number",
        on.paint,
        slots | {"things": things},
        tuple(steps),
        w.FINALS[kind],
        w.PLAIN[kind],
        opening=(
            (f"There are {len(on.shapes)} shapes in the picture.", f"I look at all {len(on.shapes)} shapes.", ""),
        ),
        check=((f"The rest do not count: {others}.", f"The others, {others}, do not count.", "", ""),),
        effort=effort.shapes(len(on.shapes)),
    )


def _attribute(draw: Draw) -> Scene:
    on = board(draw, different(draw, 5 + draw.below(3)))
    shape = draw.choice(on.shapes)
    step = (f"There is one {shape.form}, in the {shape.place}, and it is {shape.colour}.",)
    return _scene(on, "attribute", shape.colour, {"form": shape.form}, [step])


def _object(draw: Draw) -> Scene:
    on = board(draw, different(draw, 5 + draw.below(3)))
    shape = draw.choice(on.shapes)
    step = (f"Only one shape is {shape.colour}: the {shape.form} in the {shape.place}.",)
    return _scene(on, "object", shape.form, {"colour": shape.colour}, [step])


_SIDES: dict[str, Callable[[Shape, Shape], bool]] = {
    "to the right of": lambda a, b: a.row == b.row and a.column > b.column,
    "to the left of": lambda a, b: a.row == b.row and a.column < b.column,
    "below": lambda a, b: a.column == b.column and a.row > b.row,
    "above": lambda a, b: a.column == b.column and a.row < b.row,
}


def _cell(shape: Shape) -> str:
    """Where it is on a grid that is drawn."""
    return f"{ordinal(shape.row + 1)} row, {ordinal(shape.column + 1)} column"


def _relation(draw: Draw) -> Scene:
    """What is the nearest shape in the same row or column of the grid on one side of another."""
    on = board(draw, different(draw, 7), ruled=True)
    pairs = [(side, shape) for side in sorted(_SIDES) for shape in on.shapes]
    for side, shape in draw.shuffled(pairs):
        neighbours = [one for one in on.shapes if _SIDES[side](one, shape)]
        if neighbours:
            near = min(neighbours, key=lambda one: abs(one.row - shape.row) + abs(one.column - shape.column))
            line = "row" if near.row == shape.row else "column"
            steps: list[Sentence] = [
                (f"The grid has the {shape.name} in the {ordinal(shape.row + 1)} row and the {ordinal(shape.column + 1)} column.",
                 f"I find the {shape.name} on the grid in the {_cell(shape)}."),
                (f"In the same {line}, the next shape {side} it is the {near.name} ({_cell(near)}).",
                 f"Going on from there in the same {line}, I come to the {near.name} ({_cell(near)})."),
            ]  # fmt: skip
            return _scene(on, "relation", near.name, {"name": shape.name, "side": side, "line": line}, steps)
    return _relation(draw)


def _grounded(shape_of: str, draw: Draw) -> Scene:
    """The box or the middle of a shape, as a grounding label."""
    on = board(draw, different(draw, 5 + draw.below(4)))
    shape = draw.choice(on.shapes)
    left, top, right, bottom = shape.box
    places = (shape.box,) if shape_of == "box" else (((left + right) // 2, (top + bottom) // 2),)
    label = grounding.Label(shape_of, places, "object_ref", shape.name)  # type: ignore[arg-type]
    step = (f"It is in the {shape.place}.",)
    return _scene(on, shape_of, label.render(), {"name": shape.name}, [step], type_=shape_of)


def _trap(draw: Draw) -> Scene:
    """A question about a shape that is there or, half of the time and in the same words, is not: no such form, or the form of
    one shape with the colour of another."""
    on = board(draw, different(draw, 6))
    kind = draw.choice(("colour_of", "side_of", "level_of", "nearest_to"))
    seen = joined([_a(one) for one in on.shapes])
    opening: Sentence = (f"The picture shows {seen}.", f"In the picture there are {seen}.", f"I see {seen}.")
    if draw.below(2):
        if (asked := _about(on, kind)) is None:
            return _trap(draw)
        answer, step = asked
        return _checked(on, kind, answer, (on.shapes[0].form, on.shapes[0].name), opening, [step])
    first, second = on.shapes[0], on.shapes[1]
    if kind == "colour_of" or draw.below(2):
        form = draw.choice([one for one in FORMS if one not in {shape.form for shape in on.shapes}])
        name, missing = f"{first.colour} {form}", form if kind == "colour_of" else f"{first.colour} {form}"
        step = (f"None of them is a {form}.", f"There is no {form} among them.")
        return _checked(on, kind, f"no {missing}", (form, name), opening, [step])
    name = f"{first.colour} {second.form}"
    step = (
        f"The {second.form} is {second.colour}, not {first.colour}; only the {first.form} is {first.colour}.",
        f"What is {first.colour} is the {first.form}, while the {second.form} is {second.colour}.",
    )
    return _checked(on, kind, f"no {name}", (second.form, name), opening, [step])


def _checked(
    on: Board, kind: str, answer: str, asked: tuple[str, str], opening: Sentence, steps: list[Sentence]
) -> Scene:
    form, name = asked
    there = "missing" if answer.startswith("no ") else kind
    return Scene(
        kind,
        answer,
        "word",
        on.paint,
        {"form": form, "name": name},
        (opening, *steps),
        w.FINALS[there],
        w.PLAIN[there],
    )


def _about(on: Board, kind: str) -> tuple[str, Sentence] | None:
    """The answer about the first shape, and the step to it; None where another shape is nearly as near."""
    shape = on.shapes[0]
    if kind == "colour_of":
        return shape.colour, (
            f"One of them is a {shape.form}, and it is {shape.colour}.",
            f"The {shape.form} is {shape.colour}.",
        )
    if kind == "side_of":
        half = "left" if shape.column < 2 else "right"
        return half, (
            f"The {shape.name} is on the {half}.",
            f"A line down the middle of the picture has the {shape.name} on its {half}.",
        )
    if kind == "level_of":
        level = "above" if shape.row < 2 else "below"
        return level, (
            f"The {shape.name} is {level} the middle.",
            f"A line across the middle of the picture has the {shape.name} {level} it.",
        )
    by_distance = sorted(on.shapes[1:], key=lambda one: _distance(one, shape))
    near, next_ = by_distance[:2]
    if _distance(next_, shape) - _distance(near, shape) < _NEARER:
        return None
    return near.name, (
        f"The {shape.name} is in the {shape.place}; nothing is closer to it than the {near.name} ({near.place}).",
        f"The shortest way from the {shape.name} ({shape.place}) leads to the {near.name} ({near.place}).",
    )


def _distance(a: Shape, b: Shape) -> float:
    return math.hypot(a.x - b.x, a.y - b.y)


COUNT = Maker("counting", _count, w.COUNT)
ATTRIBUTE = Maker("attributes", _attribute, w.ATTRIBUTE)
OBJECT = Maker("objects", _object, w.OBJECT)
RELATION = Maker("relations", _relation, w.RELATION)
BOX = Maker("grounding", partial(_grounded, "box"), w.BOX)
POINT = Maker("grounding", partial(_grounded, "point"), w.POINT)
TRAP = Maker("objects", _trap, w.TRAP)
