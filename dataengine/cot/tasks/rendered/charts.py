"""Rendered charts, bars and lines: values on the grid, comparisons, crossings, and the data behind the chart."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from PIL import Image, ImageDraw

from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered import canvas
from dataengine.cot.tasks.rendered import wording_charts as w
from dataengine.cot.tasks.rendered.base import Maker, Scene, Sentence
from dataengine.cot.tasks.rendered.words import DAYS, GOODS, MONTHS, TOWNS, joined, some
from dataengine.media.image.pixels import Pixels

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 560, 400, 64, 56, 60
_STEP, _STEPS = 10, 10
"""Values are whole multiples of the grid's step, so that they can be read exactly."""
_TITLES = (
    "Visitors",
    "Orders",
    "Boats in port",
    "Books lent",
    "Letters sent",
    "Rooms let",
    "Trees planted",
    "Loaves sold",
)
_INKS = ((31, 105, 180), (205, 75, 40), (35, 140, 80), (140, 70, 165))


@dataclass(frozen=True)
class Chart:
    """``series`` by name, a value for each of ``labels``; one series is unnamed. ``numbered``: values stand above the bars."""

    title: str
    labels: tuple[str, ...]
    series: dict[str, tuple[int, ...]]
    numbered: bool
    theme: canvas.Theme
    ink: int

    @property
    def only(self) -> dict[str, int]:
        """The values of the first series by label."""
        return dict(zip(self.labels, next(iter(self.series.values())), strict=True))

    def data(self) -> list[list[str]]:
        names = list(self.series) if len(self.series) > 1 else ["Value"]
        rows = zip(self.labels, *self.series.values(), strict=True)
        return [["Label", *names], *([str(cell) for cell in row] for row in rows)]

    def paint(self) -> Pixels:
        image = canvas.blank(_WIDTH, _HEIGHT, self.theme.paper)
        draw = ImageDraw.Draw(image)
        canvas.text(draw, (_WIDTH / 2, 26), self.title, "sans bold", 21, self.theme.ink, "mm")
        for n in range(_STEPS + 1):
            y = self.height(n * _STEP)
            draw.line((_LEFT, y, _WIDTH - 20, y), fill=self.theme.line)
            canvas.text(draw, (_LEFT - 8, y), str(n * _STEP), "sans", 14, self.theme.ink, "rm")
        for n, label in enumerate(self.labels):
            canvas.text(draw, (self.across(n), _HEIGHT - _BOTTOM + 16), label, "sans", 14, self.theme.ink, "mm")
        if len(self.series) > 1:
            self._lines(image, draw)
        else:
            self._bars(draw)
        return canvas.pixels_of(image)

    def across(self, place: int) -> float:
        return _LEFT + (place + 0.5) * (_WIDTH - 20 - _LEFT) / len(self.labels)

    def height(self, value: float) -> int:
        return round(_HEIGHT - _BOTTOM - value * (_HEIGHT - _BOTTOM - _TOP) / (_STEP * _STEPS))

    def _bars(self, draw: ImageDraw.ImageDraw) -> None:
        half = 0.32 * (_WIDTH - 20 - _LEFT) / len(self.labels)
        for n, value in enumerate(self.only.values()):
            middle, top = self.across(n), self.height(value)
            edges = (round(middle - half), top, round(middle + half), self.height(0))
            draw.rectangle(edges, fill=_INKS[self.ink])
            if self.numbered:
                canvas.text(draw, (middle, top - 10), str(value), "sans bold", 14, self.theme.ink, "mm")

    def _lines(self, image: Image.Image, draw: ImageDraw.ImageDraw) -> None:
        for number, (name, values) in enumerate(self.series.items()):
            ink = _INKS[(self.ink + number) % len(_INKS)]
            points = [(round(self.across(n)), self.height(value)) for n, value in enumerate(values)]
            draw.line(points, fill=ink, width=3)
            for x, y in points:
                draw.ellipse((x - 5, y - 5, x + 5, y + 5), fill=ink)
            left = 120 + 220 * number
            draw.rectangle((left, _HEIGHT - 26, left + 16, _HEIGHT - 12), fill=ink)
            canvas.text(draw, (left + 24, _HEIGHT - 19), name, "sans", 15, self.theme.ink, "lm")


def _labels(draw: Draw, ordered: bool) -> tuple[str, ...]:
    if ordered:
        names = draw.choice((MONTHS, tuple(day[:3] for day in DAYS)))
        first, count = draw.below(len(names) - 5), 5 + draw.below(2)
        return names[first : first + count]
    return tuple(some(draw, draw.choice((TOWNS, tuple(g.capitalize() for g in GOODS))), 5 + draw.below(2)))


def bars(draw: Draw) -> Chart:
    """One series; with numbers on the bars any value, else one on the grid. No two values are equal."""
    labels, numbered = _labels(draw, bool(draw.below(2))), bool(draw.below(2))
    choices = range(8, 97) if numbered else range(_STEP, _STEP * _STEPS, _STEP)
    values = tuple(draw.shuffled(choices)[: len(labels)])
    return Chart(draw.choice(_TITLES), labels, {"": values}, numbered, canvas.theme(draw), draw.below(len(_INKS)))


def lines(draw: Draw) -> Chart:
    """Two series that cross once: the second is below the first up to a label, and above it from there on."""
    labels, names = _labels(draw, True), some(draw, TOWNS, 2)
    at = 1 + draw.below(len(labels) - 1)
    first, second = [], []
    for n in range(len(labels)):
        low, high = sorted(draw.shuffled(range(1, _STEPS))[:2])
        first.append(_STEP * (high if n < at else low))
        second.append(_STEP * (low if n < at else high))
    series = {names[0]: tuple(first), names[1]: tuple(second)}
    return Chart(draw.choice(_TITLES), labels, series, False, canvas.theme(draw), draw.below(len(_INKS)))


def _scene(chart: Chart, kind: str, answer: str, slots: dict[str, str], steps: list[Sentence], type_: str) -> Scene:
    return Scene(
        kind, answer, type_, chart.paint, {"title": chart.title, **slots}, tuple(steps),  # type: ignore[arg-type]
        w.FINALS[kind], w.PLAIN[kind], json.dumps(chart.data()),
    )  # fmt: skip


def _bar(chart: Chart, label: str) -> Sentence:
    value = chart.only[label]
    if chart.numbered:
        return (f"Above the bar of {label} stands {value}.", f"The bar of {label} is marked {value}.")
    return (f"The bar of {label} ends at the line {value}.", f"{label} reaches up to {value} on the scale.")


def _value(draw: Draw) -> Scene:
    chart = bars(draw)
    label = draw.choice(chart.labels)
    return _scene(chart, "value", str(chart.only[label]), {"label": label}, [_bar(chart, label)], "number")


def _compared(draw: Draw) -> Scene:
    chart = bars(draw)
    more, less = sorted(some(draw, chart.labels, 2), key=lambda label: -chart.only[label])
    a, b = chart.only[more], chart.only[less]
    steps = [_bar(chart, more), _bar(chart, less), (f"{a} - {b} = {a - b}.", f"Between {a} and {b} lie {a - b}.")]
    return _scene(chart, "difference", str(a - b), {"more": more, "less": less}, steps, "number")


def _ranked(draw: Draw) -> Scene:
    chart, place = bars(draw), draw.below(3)
    order = sorted(chart.labels, key=lambda label: -chart.only[label])
    listed = ", ".join(f"{label} {chart.only[label]}" for label in chart.labels)
    steps: list[Sentence] = [
        (f"From left to right the bars say: {listed}.", f"I read the bars one by one: {listed}."),
        (f"In falling order: {joined(order[: place + 1])}.", f"From the tallest down: {joined(order[: place + 1])}.")
        if place
        else (f"The tallest of them is {order[0]}.",),
    ]  # fmt: skip
    nth = ("tallest", "second tallest", "third tallest")[place]
    return _scene(chart, "rank", order[place], {"nth": nth}, steps, "word")


def _above(draw: Draw) -> Scene:
    """How many bars end above a line of the grid."""
    chart = bars(draw)
    level = _STEP * (3 + draw.below(5)) + (0 if chart.numbered else _STEP // 2)
    over = [label for label in chart.labels if chart.only[label] > level]
    if not over or level in chart.only.values():
        return _above(draw)
    listed = joined([f"{label} ({chart.only[label]})" for label in over])
    steps: list[Sentence] = [
        (f"Above {level} are {listed}.", f"The bars that pass {level}: {listed}."),
        (f"That makes {len(over)}.",),
    ]
    return _scene(chart, "above", str(len(over)), {"level": str(level)}, steps, "number")


def _crossing(draw: Draw) -> Scene:
    """From which label on one line runs above the other."""
    chart = lines(draw)
    (first, before), (second, after) = chart.series.items()
    at = next(n for n, (a, b) in enumerate(zip(before, after, strict=True)) if b > a)
    (a, b), (c, d) = (before[at - 1], after[at - 1]), (before[at], after[at])
    steps: list[Sentence] = [
        (f"At {chart.labels[at - 1]}, {first} is still higher: {a} against {b}.",
         f"Up to {chart.labels[at - 1]} the line of {second} lies below ({b} against {a})."),
        (f"At {chart.labels[at]} it is {d} for {second} and {c} for {first}.",
         f"Then, at {chart.labels[at]}, {second} has {d} and {first} only {c}."),
    ]  # fmt: skip
    return _scene(chart, "crossing", chart.labels[at], {"first": first, "second": second}, steps, "word")


def _rise(draw: Draw) -> Scene:
    """Between which two neighbouring labels a line rises most."""
    chart = lines(draw)
    name = draw.choice(list(chart.series))
    values = chart.series[name]
    rises = sorted(((b - a, n) for n, (a, b) in enumerate(pairwise(values))), reverse=True)
    if rises[0][0] <= 0 or rises[0][0] == rises[1][0]:
        return _rise(draw)
    listed = ", ".join(f"{label} {value}" for label, value in zip(chart.labels, values, strict=True))
    at = rises[0][1]
    steps: list[Sentence] = [
        (f"The line of {name} reads: {listed}.", f"Values of {name}: {listed}."),
        (
            f"The steepest rise is from {values[at]} to {values[at + 1]}, between {chart.labels[at]} and {chart.labels[at + 1]}.",
        ),
    ]
    answer = f"from {chart.labels[at]} to {chart.labels[at + 1]}"
    return _scene(chart, "rise", answer, {"name": name}, steps, "word")


def _computed(draw: Draw) -> Scene:
    makers: tuple[Callable[[Draw], Scene], ...] = (_compared, _ranked, _above, _crossing, _rise)
    return draw.choice(makers)(draw)


def _claim(draw: Draw) -> Scene:
    """A bar that is not there, or a wrong claim about one that is; one in three is there."""
    chart, kind = bars(draw), draw.choice(("present", "no_bar", "claim"))
    label = draw.choice(chart.labels)
    if kind == "no_bar":
        names = next(
            n for n in (TOWNS, MONTHS, tuple(d[:3] for d in DAYS), tuple(g.capitalize() for g in GOODS)) if label in n
        )
        label = draw.choice([name for name in names if name not in chart.labels])
        steps: list[Sentence] = [
            (f"The chart has bars for {joined(chart.labels)}.",),
            (f"{label} is not one of them.",),
        ]
        return _scene(chart, kind, f"no {label}", {"label": label}, steps, "word")
    value = chart.only[label]
    wrong = value + draw.choice([d for d in (-30, -20, -10, 10, 20, 30) if 0 < value + d < 100])
    steps = [_bar(chart, label)]
    steps += [(f"So {wrong}, as the question has it, is not right.",)] if kind == "claim" else []
    return _scene(chart, kind, str(value), {"label": label, "wrong": str(wrong)}, steps, "number")


def _source(draw: Draw) -> Scene:
    chart = draw.choice((bars, lines))(draw)
    data, kind = chart.data(), draw.choice(("csv", "markdown"))
    if kind == "csv":
        answer = "\n".join(",".join(row) for row in data)
    else:
        answer = "\n".join(f"| {' | '.join(row)} |" for row in [data[0], ["---"] * len(data[0]), *data[1:]])
    return _scene(chart, kind, answer, {"head": ", ".join(data[0])}, [("All of its values.",)] * 2, "ocr")


VALUE = Maker("charts and tables", _value, w.VALUE)
COMPUTED = Maker("charts and tables", _computed, w.COMPUTED)
SOURCE = Maker("charts and tables", _source, w.SOURCE)
TRAP = Maker("charts and tables", _claim, w.TRAP)
MIXED = Maker("charts and tables", lambda draw: draw.choice((_value, _computed))(draw), {**w.VALUE, **w.COMPUTED})
