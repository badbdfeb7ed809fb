"""Rendered problems of mathematics, and clocks, each drawn with its one answer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from PIL import ImageDraw

from dataengine.cot.core.record import AnswerType
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered import canvas, effort
from dataengine.cot.tasks.rendered import wording_science as w
from dataengine.cot.tasks.rendered.base import Maker, Scene
from dataengine.cot.tasks.rendered.effort import Effort, Sentence
from dataengine.media.image.pixels import Pixels


def _expression(draw: Draw, short: bool) -> Scene:
    """An expression of one operation, or of three with brackets or products, solved in the right order."""
    a, b, c, d = (2 + draw.below(11) for _ in range(4))
    form = 2 + draw.below(2) if short else draw.below(2)
    if form == 0:
        text, value = f"{a} × ({b} + {c}) − {d}", a * (b + c) - d
        steps: list[Sentence] = [
            (
                f"The brackets come first: {b} + {c} = {b + c}.",
                f"What is in brackets is worked out first: {b} + {c} = {b + c}.",
            ),
            (f"Then {a} × {b + c} = {a * (b + c)}.", f"This is multiplied by {a}: {a} × {b + c} = {a * (b + c)}."),
            (f"Finally {a * (b + c)} − {d} = {value}.", f"Last comes the subtraction: {a * (b + c)} − {d} = {value}."),
        ]
    elif form == 1:
        text, value = f"{a} + {b} × {c} − {d}", a + b * c - d
        steps = [
            (f"Multiplication comes first: {b} × {c} = {b * c}.", f"Before adding, I multiply: {b} × {c} = {b * c}."),
            (f"Then {a} + {b * c} = {a + b * c}.", f"Now the sum: {a} + {b * c} = {a + b * c}."),
            (f"Finally {a + b * c} − {d} = {value}.", f"Last comes the subtraction: {a + b * c} − {d} = {value}."),
        ]
    else:
        sign, value = ("×", a * b) if form == 2 else ("+", 10 * a + b)
        text = f"{a} {sign} {b}" if form == 2 else f"{10 * a} {sign} {b}"
        steps = [(f"{text} = {value}.",)]
    paint = canvas.later([text], draw.choice(("serif", "hand", "sans")), 38, canvas.theme(draw))
    work, opening = effort.operations(1 if short else 3), (f"The expression is {text}.", f"I read {text}.")
    return _scene("expression", str(value), paint, {}, steps, opening, work)


def _equation(draw: Draw, short: bool) -> Scene:
    factor, x, plus = 1 if short else 2 + draw.below(8), 2 + draw.below(18), 1 + draw.below(30)
    name, right = draw.choice("xyznk"), factor * x + plus
    left = f"{'' if short else factor}{name}"
    text = f"{left} + {plus} = {right}"
    paint = canvas.later([text], draw.choice(("serif italic", "hand")), 40, canvas.theme(draw))
    steps: list[Sentence] = [
        (f"I subtract {plus} on both sides, and {right} − {plus} = {right - plus}, so {left} is {right - plus}.",
         f"Taking {plus} from both sides leaves {left} = {right - plus}."),
        (f"Dividing both sides by {factor} gives {name} = {x}.", f"Dividing, {right - plus} ÷ {factor} = {x}."),
    ]  # fmt: skip
    check = (
        f"Putting it back in, {factor} × {x} + {plus} = {right}.",
        f"Check: {factor} × {x} + {plus} = {right}, as it should be.",
        "",
    )
    opening: Sentence = (f"The equation is {text}.", f"What is written is {text}.")
    return _scene(
        "equation",
        str(x),
        paint,
        {"name": name},
        steps[: 1 if short else 2],
        opening,
        effort.equation(1 if short else 2),
        check,
    )


_LEAST_ANGLE = 15
"""Degrees between the hands, below which one hides the other."""


@dataclass(frozen=True)
class Clock:
    hour: int
    minute: int
    theme: canvas.Theme

    @property
    def angle(self) -> float:
        """Degrees between the hands."""
        apart = abs(30 * (self.hour % 12) + self.minute / 2 - 6 * self.minute) % 360
        return min(apart, 360 - apart)

    def paint(self) -> Pixels:
        image = canvas.blank(360, 360, self.theme.paper)
        draw = ImageDraw.Draw(image)
        draw.ellipse((20, 20, 340, 340), outline=self.theme.ink, width=4)
        for n in range(1, 13):
            x, y = _around(30 * n, 132)
            canvas.text(draw, (x, y), str(n), "sans bold", 26, self.theme.ink, "mm")
        for n in range(60):
            inner = 148 if n % 5 else 143
            draw.line([*_around(6 * n, inner), *_around(6 * n, 156)], fill=self.theme.ink, width=2 if n % 5 else 3)
        draw.line([180, 180, *_around(30 * (self.hour % 12) + self.minute / 2, 76)], fill=self.theme.accent, width=9)
        draw.line([180, 180, *_around(6 * self.minute, 118)], fill=self.theme.ink, width=5)
        draw.ellipse((172, 172, 188, 188), fill=self.theme.ink)
        return canvas.pixels_of(image)


def _around(degrees: float, radius: float) -> tuple[float, float]:
    angle = math.radians(degrees - 90)
    return round(180 + radius * math.cos(angle), 3), round(180 + radius * math.sin(angle), 3)


def _clock(draw: Draw) -> Scene:
    clock = Clock(1 + draw.below(12), 5 * draw.below(12), canvas.theme(draw))
    if clock.angle < _LEAST_ANGLE:
        return _clock(draw)
    hour, minute, mark = clock.hour, clock.minute, clock.minute // 5 or 12
    next_ = hour % 12 + 1
    steps: list[Sentence] = [
        (f"The long hand points at {mark}, which is minute {minute}.", f"The minute hand is at {mark}: {minute} minutes past."),
        (f"The short hand is between {hour} and {next_}, so the hour is still {hour}.",
         f"The hour hand has passed {hour} and not yet reached {next_}."),
    ]  # fmt: skip
    if not minute:
        steps = [(f"The long hand points at {mark}, so it is a full hour.", f"The minute hand is at {mark}: a full hour."),
                 (f"The short hand points at {hour}.", f"The hour hand is exactly at {hour}.")]  # fmt: skip
    opening = (
        "The clock has a short hand for the hours and a long one for the minutes.",
        "I look at the long hand first.",
        "",
    )
    time = clock.hour * 60 + clock.minute
    if draw.below(2):
        check: Sentence = (f"There are five minutes to each number: {mark} × 5 = {minute}.", "") if minute else ("",)
        return _scene("clock", _time(time), clock.paint, {}, steps, opening, None, check, "time")
    more = 5 * (3 + draw.below(30))
    later = _time((time + more - 60) % 720 + 60)
    hours, rest = divmod(more, 60)
    parts = [f"{hours} hour{'s' if hours > 1 else ''}"] if hours else []
    length = " and ".join([*parts, *([f"{rest} minutes"] if rest else [])])
    steps.append((f"So it is {_time(time)}.", f"The clock shows {_time(time)}."))
    steps.append((f"After {length} more it will be {later}.", f"{length[0].upper()}{length[1:]} later it is {later}."))
    return _scene("later", later, clock.paint, {"more": str(more)}, steps, opening, None, ("",), "time")


def _time(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02d}"


@dataclass(frozen=True)
class Rectangle:
    wide: int
    tall: int
    unit: str
    theme: canvas.Theme

    def paint(self) -> Pixels:
        image = canvas.blank(440, 340, self.theme.paper)
        draw = ImageDraw.Draw(image)
        width, height = (300, max(80, 300 * self.tall // self.wide)) if self.wide > self.tall else (220, 220)
        height = min(height, 220)
        left, top = (440 - width) // 2 - 20, 60
        draw.rectangle((left, top, left + width, top + height), outline=self.theme.ink, width=3)
        canvas.text(draw, (left + width / 2, top - 18), f"{self.wide} {self.unit}", "sans", 22, self.theme.accent, "mm")
        canvas.text(
            draw, (left + width + 10, top + height / 2), f"{self.tall} {self.unit}", "sans", 22, self.theme.accent, "lm"
        )
        return canvas.pixels_of(image)


def _rectangle(draw: Draw, short: bool) -> Scene:
    tall = 3 + draw.below(6 if short else 14)
    wide = tall + 1 + draw.below(9 - tall) if short else max(10, tall + 1) + draw.below(12)
    figure = Rectangle(wide, tall, draw.choice(("cm", "m", "mm")), canvas.theme(draw))
    unit, is_area = figure.unit, bool(draw.below(2))
    sides: Sentence = (
        f"The rectangle is marked {wide} {unit} at the top and {tall} {unit} at the side.",
        f"At the top it says {wide} {unit}, and at the right {tall} {unit}.",
    )
    work, slots = effort.sides(wide, tall, is_area), {"unit": unit}
    if is_area:
        area: list[Sentence] = [(f"The area is width times height: {wide} × {tall} = {wide * tall}.",
                                 f"Multiplying the two sides, {wide} × {tall} = {wide * tall}.")]  # fmt: skip
        split = wide - wide % 10
        if split and wide % 10:
            part = f"{split} × {tall} = {split * tall} and {wide % 10} × {tall} = {wide % 10 * tall}"
            area.append((f"In parts, that is {part}, which add up to the same.", f"Check by parts: {part}.", ""))
        return _scene("area", str(wide * tall), figure.paint, slots, [sides, *area], ("",), work)
    around: list[Sentence] = [
        sides,
        (f"One long and one short side make {wide} + {tall} = {wide + tall}.", f"Half of it is {wide} + {tall} = {wide + tall}."),
        (f"There are two of each, so the perimeter is 2 × {wide + tall} = {2 * (wide + tall)}.",
         f"All the way around it is twice that, 2 × {wide + tall} = {2 * (wide + tall)}."),
    ]  # fmt: skip
    return _scene("perimeter", str(2 * (wide + tall)), figure.paint, slots, around, ("",), work)


@dataclass(frozen=True)
class Triangle:
    angles: tuple[int, int]
    theme: canvas.Theme

    def paint(self) -> Pixels:
        image = canvas.blank(440, 340, self.theme.paper)
        draw = ImageDraw.Draw(image)
        a, b = (math.radians(angle) for angle in self.angles)
        base = 320.0
        height = base / (1 / math.tan(a) + 1 / math.tan(b))
        scale = min(1.0, 230 / height)
        left, right, y = 60.0, 60.0 + base * scale, 285.0
        top = (left + height * scale / math.tan(a), y - height * scale)
        corners = [(left, y), (right, y), top]
        draw.polygon([(round(px), round(py)) for px, py in corners], outline=self.theme.ink, width=3)
        for (px, py), words in zip(corners, (f"{self.angles[0]}°", f"{self.angles[1]}°", "?"), strict=True):
            down = 24 if py == y else -20
            canvas.text(draw, (px, py + down), words, "sans bold", 22, self.theme.accent, "mm")
        return canvas.pixels_of(image)


def _triangle(draw: Draw, short: bool) -> Scene:
    a, b = (10 * (3 + draw.below(6)), 10 * (3 + draw.below(4))) if short else (25 + draw.below(60), 25 + draw.below(60))
    uneven = sum(angle % 10 > 0 for angle in (a, b))
    if a + b > 150 or bool(uneven) == short:
        return _triangle(draw, short)
    third = 180 - a - b
    figure = Triangle((a, b), canvas.theme(draw))
    steps: list[Sentence] = [
        (f"The two marked angles are {a}° and {b}°.", f"At the base the triangle has {a}° on the left and {b}° on the right."),
        (f"Together they make {a} + {b} = {a + b} degrees.", f"Added up, {a} + {b} = {a + b}."),
        (f"The angles of a triangle add up to 180°, so the third is 180 − {a + b} = {third}.",
         f"What is missing to 180°, the sum of all three, is 180 − {a + b} = {third}."),
    ]  # fmt: skip
    check: Sentence = (f"All three together: {a} + {b} + {third} = 180.", "")
    return _scene("triangle", str(third), figure.paint, {}, steps, ("",), effort.angles(uneven), check)


def _problem(draw: Draw, short: bool = False) -> Scene:
    return draw.choice((_expression, _equation, _rectangle, _triangle))(draw, short)


def _scene(
    kind: str,
    answer: str,
    paint: Callable[[], Pixels],
    slots: dict[str, str],
    steps: list[Sentence],
    opening: Sentence,
    work: Effort | None,
    check: Sentence = ("",),
    type_: AnswerType = "number",
) -> Scene:
    return Scene(
        kind,
        answer,
        type_,
        paint,
        slots,
        tuple(steps),
        w.FINALS[kind],
        w.PLAIN[kind],
        opening=(opening,),
        check=(check,),
        effort=work,
    )


PROBLEM = Maker("math and science", _problem, w.PROBLEM)
MIXED = Maker("math and science", lambda draw: _problem(draw, bool(draw.below(2))), w.PROBLEM)
CLOCK = Maker("math and science", _clock, w.CLOCK)
