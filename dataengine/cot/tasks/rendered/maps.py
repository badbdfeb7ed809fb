"""Rendered flow charts and maps on squares, each drawn with its one answer."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import ImageDraw

from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered import canvas
from dataengine.cot.tasks.rendered import wording_science as w
from dataengine.cot.tasks.rendered.base import Maker, Scene
from dataengine.cot.tasks.rendered.effort import Sentence
from dataengine.cot.tasks.rendered.words import TOWNS, joined, ordinal, some
from dataengine.media.image.pixels import Pixels


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
        steps.append(_box(boxes[-1], f"{value} {sign} = {new}"))
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

    middle = joined([f'"{words}"' for words in boxes[1:-1]])
    opening: Sentence = (
        f"The chart starts with {start}; the boxes after it say {middle}.",
        f"From top to bottom, the boxes between start and end say {middle}.",
        f"At the top is {start}, and the arrows lead through {len(boxes) - 2} boxes to the end.",
        "",
    )
    return Scene(
        "flow", str(value), "number", paint, {"start": str(start)}, tuple(steps), w.FINALS["flow"], opening=(opening,)
    )  # fmt: skip


def _box(words: str, calculation: str) -> Sentence:
    return (
        f'"{words}": {calculation}.',
        f'The box "{words}" gives {calculation}.',
        f'Next comes "{words}", so {calculation}.',
    )


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
    return draw.choice((_walk, _nearest))(shown, draw) or _map(draw)


def _square(shown: Map, town: str) -> str:
    x, y = shown.towns[town]
    return f"{ordinal(x + 1)} column, {ordinal(y + 1)} row"


def _walk(shown: Map, draw: Draw) -> Scene | None:
    walks = [
        (first, second)
        for first, (x, y) in shown.towns.items()
        for second, (u, v) in shown.towns.items()
        if u != x and v != y
    ]
    if not walks:
        return None
    first, second = draw.choice(walks)
    (x, y), (u, v) = shown.towns[first], shown.towns[second]
    side, up = "east" if u > x else "west", "south" if v > y else "north"
    across, down = _squares(abs(u - x)), _squares(abs(v - y))
    slots = {"town": first, "a": across, "side": side, "b": down, "up": up}
    corner = f"{ordinal(u + 1)} column, {ordinal(y + 1)} row"
    steps: list[Sentence] = [
        (f"I find {first} on the map: {_square(shown, first)}, counted from the upper left corner.",
         f"Counted from the upper left corner, {first} is here: {_square(shown, first)}."),
        (f"North is up, so {across} {side} means {'right' if side == 'east' else 'left'}, to the square at: {corner}.",
         f"Going {across} {side}, to the {'right' if side == 'east' else 'left'}, I come to: {corner}."),
        (f"Then {down} {up}, that is {'down' if up == 'south' else 'up'}, leads to {second}.",
         f"From there it is {down} {'down' if up == 'south' else 'up'} ({up}), and that is where {second} is."),
    ]  # fmt: skip
    return Scene("walk", second, "word", shown.paint, slots, tuple(steps), w.FINALS["walk"])


def _nearest(shown: Map, draw: Draw) -> Scene | None:
    """None where two towns are equally near."""
    first = draw.choice(list(shown.towns))
    x, y = shown.towns[first]
    far = {name: abs(u - x) + abs(v - y) for name, (u, v) in shown.towns.items() if name != first}
    order = sorted(far, key=lambda name: (far[name], name))
    if far[order[0]] == far[order[1]]:
        return None
    near, (u, v) = order[0], shown.towns[order[0]]
    ways = joined([_squares(n) for n in (abs(u - x), abs(v - y)) if n])
    both = u != x and v != y
    way = (
        f"{_squares(abs(u - x))} across and {_squares(abs(v - y))} up or down" if both else f"{ways} in a straight line"
    )
    listed = joined([f"{name} {far[name]}" for name in order])
    steps: list[Sentence] = [
        (f"I find {first} on the map ({_square(shown, first)}) and count the squares to the other towns: {listed}.",
         f"Counting the squares from {first}, I get {listed}."),
        (f"The least is {far[near]}, for {near}: {way}.", f"{near} is the nearest, with {far[near]}: {way}."),
    ]  # fmt: skip
    check: Sentence = (f"The next, {order[1]}, is already {_squares(far[order[1]])} away.", "")
    return Scene(
        "nearest", near, "word", shown.paint, {"town": first}, tuple(steps), w.FINALS["nearest"], check=(check,)
    )


def _squares(count: int) -> str:
    return f"{count} square{'s' if count > 1 else ''}"


FLOW = Maker("causality", _flow, w.FLOW)
MAP = Maker("geography", _map, w.MAP)
