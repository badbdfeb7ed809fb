"""Rendered charts of bars and lines, and the data behind them; what is asked about values is in ``chart_questions``."""

from __future__ import annotations

import json
from dataclasses import dataclass

from PIL import Image, ImageDraw

from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered import canvas
from dataengine.cot.tasks.rendered import wording_charts as w
from dataengine.cot.tasks.rendered.base import Maker, Scene
from dataengine.cot.tasks.rendered.words import DAYS, GOODS, MONTHS, TOWNS, some
from dataengine.media.image.pixels import Pixels

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 560, 400, 64, 56, 60
STEP, STEPS = 10, 10
"""Values are whole multiples of the grid's step, so that they can be read exactly."""
_TITLES = ("Visitors", "Orders", "Books lent", "Letters sent", "Rooms let", "Trees planted", "Loaves sold")
_OF_GOODS = ("Orders", "Crates sold", "Boxes in stock", "Deliveries", "Customers")
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
        for n in range(STEPS + 1):
            y = self.height(n * STEP)
            draw.line((_LEFT, y, _WIDTH - 20, y), fill=self.theme.line)
            canvas.text(draw, (_LEFT - 8, y), str(n * STEP), "sans", 14, self.theme.ink, "rm")
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
        return round(_HEIGHT - _BOTTOM - value * (_HEIGHT - _BOTTOM - _TOP) / (STEP * STEPS))

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


LABELS: tuple[tuple[str, ...], ...] = (
    TOWNS,
    tuple(good.capitalize() for good in GOODS),
    MONTHS,
    tuple(day[:3] for day in DAYS),
    tuple(map(str, range(1990, 2030))),
)
_IN_ORDER = (*LABELS[2:], LABELS[4])


def _labels(draw: Draw, ordered: bool, count: int) -> tuple[str, ...]:
    if ordered:
        names = draw.choice(_IN_ORDER)
        first = draw.below(len(names) - count + 1)
        return names[first : first + count]
    return tuple(some(draw, draw.choice(LABELS[:2]), count))


def bars(draw: Draw, counts: tuple[int, ...] = (5, 6)) -> Chart:
    """One series; with numbers on the bars any value, else one on the grid. No two values are equal."""
    labels, numbered = _labels(draw, bool(draw.below(2)), draw.choice(counts)), bool(draw.below(2))
    choices = range(8, 97) if numbered else range(STEP, STEP * STEPS, STEP)
    values = tuple(draw.shuffled(choices)[: len(labels)])
    title = draw.choice(_OF_GOODS if labels[0] in LABELS[1] else _TITLES)
    return Chart(title, labels, {"": values}, numbered, canvas.theme(draw), draw.below(len(_INKS)))


def lines(draw: Draw, counts: tuple[int, ...] = (5, 6)) -> Chart:
    """Two series that cross once: the second is below the first up to a label, and above it from there on."""
    labels, names = _labels(draw, True, draw.choice(counts)), some(draw, TOWNS, 2)
    at = 1 + draw.below(len(labels) - 1)
    first, second = [], []
    for n in range(len(labels)):
        low, high = sorted(draw.shuffled(range(1, STEPS))[:2])
        first.append(STEP * (high if n < at else low))
        second.append(STEP * (low if n < at else high))
    series = {names[0]: tuple(first), names[1]: tuple(second)}
    return Chart(draw.choice(_TITLES), labels, series, False, canvas.theme(draw), draw.below(len(_INKS)))


def _source(draw: Draw) -> Scene:
    chart = draw.choice((bars, lines))(draw)
    data, kind = chart.data(), draw.choice(("csv", "markdown"))
    if kind == "csv":
        answer = "\n".join(",".join(row) for row in data)
    else:
        answer = "\n".join(f"| {' | '.join(row)} |" for row in [data[0], ["---"] * len(data[0]), *data[1:]])
    slots = {"title": chart.title, "head": ", ".join(data[0])}
    return Scene(
        kind, answer, "ocr", chart.paint, slots, (("All of its values.",),) * 2, shown=json.dumps(data)
    )  # fmt: skip


SOURCE = Maker("charts and tables", _source, w.SOURCE)
