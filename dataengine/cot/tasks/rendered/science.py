"""Rendered problems of mathematics and science, maps and flow charts, each drawn with its one answer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from PIL import ImageDraw

from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered import canvas
from dataengine.cot.tasks.rendered import wording_science as w
from dataengine.cot.tasks.rendered.base import Maker, Scene, Sentence
from dataengine.cot.tasks.rendered.words import TOWNS, joined, some
from dataengine.media.image.pixels import Pixels


def _scene(
    kind: str,
    answer: str,
    paint: Callable[[], Pixels],
    slots: dict[str, str],
    steps: list[Sentence],
    type_: str = "number",
) -> Scene:
    return Scene(kind, answer, type_, paint, slots, tuple(steps), w.FINALS[kind], w.PLAIN[kind])  # type: ignore[arg-type]


def _expression(draw: Draw) -> Scene:
    """An expression with brackets, solved inside out."""
    a, b, c, d = (2 + draw.below(11) for _ in range(4))
    if draw.below(2):
        text, value = f"{a} × ({b} + {c}) − {d}", a * (b + c) - d
        steps: list[Sentence] = [
            (f"The bracket first: {b} + {c} = {b + c}.",),
            (f"Then {a} × {b + c} = {a * (b + c)}.",),
            (f"Finally {a * (b + c)} − {d} = {value}.",),
        ]
    else:
        text, value = f"{a} + {b} × {c} − {d}", a + b * c - d
        steps = [
            (f"Multiplication comes first: {b} × {c} = {b * c}.",),
            (f"Then {a} + {b * c} = {a + b * c}.",),
            (f"Finally {a + b * c} − {d} = {value}.",),
        ]
    paint = canvas.later([text], draw.choice(("serif", "hand", "sans")), 38, canvas.theme(draw))
    return _scene("expression", str(value), paint, {}, steps)


def _equation(draw: Draw) -> Scene:
    factor, x, plus = 2 + draw.below(8), 2 + draw.below(18), 1 + draw.below(30)
    name, right = draw.choice("xyznk"), factor * x + plus
    paint = canvas.later(
        [f"{factor}{name} + {plus} = {right}"], draw.choice(("serif italic", "hand")), 40, canvas.theme(draw)
    )
    steps: list[Sentence] = [
        (f"I subtract {plus} on both sides: {factor}{name} = {right - plus}.",),
        (f"Divided by {factor}, this gives {name} = {right - plus} ÷ {factor} = {x}.",),
    ]
    return _scene("equation", str(x), paint, {"name": name}, steps)


@dataclass(frozen=True)
class Clock:
    hour: int
    minute: int
    theme: canvas.Theme

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
    mark = clock.minute // 5 or 12
    steps: list[Sentence] = [
        (f"The long hand points at {mark}, which is minute {clock.minute}.",),
        (f"The short hand is {'at' if not clock.minute else 'past'} {clock.hour}.",),
    ]
    time = clock.hour * 60 + clock.minute
    if draw.below(2):
        return _scene("clock", _time(time), clock.paint, {}, steps, "time")
    more = 5 * (3 + draw.below(30))
    later = _time((time + more - 60) % 720 + 60)
    steps.append((f"It is {_time(time)}; {more} minutes later it is {later}.",))
    return _scene("later", later, clock.paint, {"more": str(more)}, steps, "time")


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


def _rectangle(draw: Draw) -> Scene:
    tall, more = 3 + draw.below(14), 1 + draw.below(15)
    figure = Rectangle(tall + more, tall, draw.choice(("cm", "m", "mm")), canvas.theme(draw))
    wide = figure.wide
    sides = (f"The sides are marked {wide} {figure.unit} and {tall} {figure.unit}.",)
    slots = {"unit": figure.unit}
    if draw.below(2):
        area = (f"The area is their product: {wide} × {tall} = {wide * tall}.",)
        return _scene("area", str(wide * tall), figure.paint, slots, [sides, area])
    around: list[Sentence] = [sides, (f"One long and one short side: {wide} + {tall} = {wide + tall}.",)]
    around.append((f"The way around is twice that: {2 * (wide + tall)}.",))
    return _scene("perimeter", str(2 * (wide + tall)), figure.paint, slots, around)


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


def _triangle(draw: Draw) -> Scene:
    a = 25 + draw.below(60)
    b = 25 + draw.below(min(60, 150 - a))
    figure = Triangle((a, b), canvas.theme(draw))
    steps: list[Sentence] = [
        (f"The two marked angles are {a}° and {b}°, together {a + b}°.",),
        (f"The angles of a triangle add up to 180°, so the third is 180 − {a + b} = {180 - a - b}.",),
    ]
    return _scene("triangle", str(180 - a - b), figure.paint, {}, steps)


def _flow(draw: Draw) -> Scene:
    """A chain of boxes, each doing something to a number."""
    value = start = 2 + draw.below(12)
    boxes, steps = [f"start: {start}"], list[Sentence]()
    for _ in range(3 + draw.below(3)):
        kind, n = draw.choice(("add", "double", "subtract", "triple")), 1 + draw.below(9)
        new = {"add": value + n, "double": 2 * value, "subtract": value - n, "triple": 3 * value}[kind]
        if not 0 < new < 400:
            kind, new = "add", value + n
        boxes.append({"add": f"add {n}", "subtract": f"subtract {n}"}.get(kind, f"{kind} it"))
        sign = {"add": f"+ {n}", "subtract": f"− {n}", "double": "× 2", "triple": "× 3"}[kind]
        steps.append((f"{value} {sign} = {new}.",))
        value = new
    boxes.append("end: ?")
    theme = canvas.theme(draw)

    def paint() -> Pixels:
        image = canvas.blank(300, 66 * len(boxes) + 20, theme.paper)
        pen = ImageDraw.Draw(image)
        for n, words in enumerate(boxes):
            top = 20 + 66 * n
            pen.rectangle((60, top, 240, top + 40), outline=theme.accent, width=2)
            canvas.text(pen, (150, top + 20), words, "sans", 20, theme.ink, "mm")
            if n + 1 < len(boxes):
                pen.line((150, top + 40, 150, top + 64), fill=theme.ink, width=2)
                pen.polygon([(144, top + 56), (156, top + 56), (150, top + 65)], fill=theme.ink)
        return canvas.pixels_of(image)

    return _scene("flow", str(value), paint, {"start": str(start)}, steps)


_COMPASS = {"north": (0, -1), "east": (1, 0), "south": (0, 1), "west": (-1, 0)}


@dataclass(frozen=True)
class Map:
    """Towns on a grid of squares, by column and row; north is up."""

    towns: dict[str, tuple[int, int]]
    theme: canvas.Theme

    def paint(self) -> Pixels:
        image = canvas.blank(520, 460, self.theme.paper)
        draw = ImageDraw.Draw(image)
        for n in range(7):
            draw.line((30 + 70 * n, 20, 30 + 70 * n, 440), fill=self.theme.line)
            draw.line((30, 20 + 70 * n, 450, 20 + 70 * n), fill=self.theme.line)
        for name, (x, y) in self.towns.items():
            middle = (65 + 70 * x, 48 + 70 * y)
            draw.ellipse((middle[0] - 6, middle[1] - 6, middle[0] + 6, middle[1] + 6), fill=self.theme.accent)
            canvas.text(draw, (middle[0], middle[1] + 22), name, "serif", 17, self.theme.ink, "mm")
        draw.line((485, 90, 485, 30), fill=self.theme.ink, width=3)
        draw.polygon([(478, 42), (492, 42), (485, 24)], fill=self.theme.ink)
        canvas.text(draw, (485, 106), "N", "sans bold", 20, self.theme.ink, "mm")
        return canvas.pixels_of(image)


def _map(draw: Draw) -> Scene:
    """Which town lies in a direction, or where one ends up after some squares."""
    names = some(draw, TOWNS, 7)
    squares = draw.shuffled([(x, y) for x in range(6) for y in range(6)])[:7]
    shown = Map(dict(zip(names, squares, strict=True)), canvas.theme(draw))
    walks = []
    for first in names:
        for second in names:
            (x, y), (u, v) = shown.towns[first], shown.towns[second]
            if abs(u - x) > 0 and abs(v - y) > 0:
                walks.append((first, second))
    first, second = draw.choice(walks)
    (x, y), (u, v) = shown.towns[first], shown.towns[second]
    side, up = "east" if u > x else "west", "south" if v > y else "north"
    if draw.below(2):
        slots = {"town": first, "a": _squares(abs(u - x)), "side": side, "b": _squares(abs(v - y)), "up": up}
        steps: list[Sentence] = [
            (f"From {first} I go {_squares(abs(u - x))} {side}, to the {'right' if side == 'east' else 'left'}.",),
            (f"Then {_squares(abs(v - y))} {up}, that is {'down' if up == 'south' else 'up'}: there lies {second}.",),
        ]
        return _scene("walk", second, shown.paint, slots, steps, "word")
    order = sorted(names, key=lambda name: (abs(shown.towns[name][0] - x) + abs(shown.towns[name][1] - y), name))[1:]
    far = {name: abs(shown.towns[name][0] - x) + abs(shown.towns[name][1] - y) for name in order}
    if far[order[0]] == far[order[1]]:
        return _map(draw)
    listed = joined([f"{name} {far[name]}" for name in order[:3]])
    steps = [
        (f"Counted in squares from {first}, the nearest towns are {listed} away.",),
        (f"The least is {far[order[0]]}, for {order[0]}.",),
    ]
    return _scene("nearest", order[0], shown.paint, {"town": first}, steps, "word")


def _squares(count: int) -> str:
    return f"{count} square{'s' if count > 1 else ''}"


def _problem(draw: Draw) -> Scene:
    return draw.choice((_expression, _equation, _rectangle, _triangle))(draw)


PROBLEM = Maker("math and science", _problem, w.PROBLEM)
CLOCK = Maker("math and science", _clock, w.CLOCK)
FLOW = Maker("causality", _flow, w.FLOW)
MAP = Maker("geography", _map, w.MAP)
