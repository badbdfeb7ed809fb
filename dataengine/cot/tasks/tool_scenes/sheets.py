"""Sheets with a large heading and a block of small print: lists of names, timetables, price lists, room directories."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageDraw

from dataengine.cot.core.record import AnswerType
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.rendered import canvas
from dataengine.cot.tasks.rendered.fonts import Face
from dataengine.cot.tasks.rendered.words import NAMES, NOUNS, TOWNS, some

FACES: tuple[Face, ...] = ("sans", "serif", "mono")
SMALL_FACES: tuple[Face, ...] = ("sans", "mono")
"""Of small print: the old-style 3 of the serif face is taken for a 5 at that size."""
PIECES = (
    "notebook", "pencil", "lamp", "mug", "teapot", "basket", "candle", "bowl", "spoon", "towel", "apron", "kettle",
    "ladder", "bucket", "broom", "clock",
)  # fmt: skip
_HEADINGS = {
    "names": ("Lockers", "Helpers", "Guests", "Prizes"),
    "timetable": ("Departures", "Ferries", "Morning trains", "Coaches"),
    "prices": ("Price list", "Market stall", "House and garden", "Our prices"),
    "rooms": ("Directory", "Offices", "Floor plan", "Where to find us"),
}
HEADING_SIZE = 70


@dataclass(frozen=True)
class Content:
    """The lines of a sheet, as cells, and the ``place`` of the one that is asked for. ``key`` is its first cell, ``answer`` its
    second."""

    kind: str
    heading: str
    rows: tuple[tuple[str, str], ...]
    place: int
    answer_type: AnswerType

    @property
    def key(self) -> str:
        return self.rows[self.place][0]

    @property
    def answer(self) -> str:
        return self.rows[self.place][1]

    @property
    def near(self) -> str:
        """Where the line is among the others, in words that follow "The line is"."""
        before = f"“{self.rows[self.place - 1][0]}”" if self.place else ""
        after = f"“{self.rows[self.place + 1][0]}”" if self.place + 1 < len(self.rows) else ""
        if before and after:
            return f"between {before} and {after}"
        return f"at the bottom, below {before}" if before else f"at the top, above {after}"

    @property
    def slots(self) -> dict[str, str]:
        return {"key": self.key, "near": self.near, "heading": self.heading, "line": " … ".join(self.rows[self.place])}


def _numbers(draw: Draw, start: int, stop: int, count: int) -> list[int]:
    """Different numbers, in drawn order."""
    numbers: dict[int, None] = {}
    while len(numbers) < count:
        numbers[start + draw.below(stop - start)] = None
    return list(numbers)


def _names(draw: Draw, count: int) -> tuple[list[str], list[str], AnswerType]:
    words = some(draw, NOUNS, count)
    return some(draw, NAMES, count), [f"{word} {10 + draw.below(90)}" for word in words], "word"


def _timetable(draw: Draw, count: int) -> tuple[list[str], list[str], AnswerType]:
    minutes = sorted(_numbers(draw, 361, 1310, count))
    return some(draw, TOWNS, count), [f"{m // 60}:{m % 60:02d}" for m in minutes], "time"


def _prices(draw: Draw, count: int) -> tuple[list[str], list[str], AnswerType]:
    cents = [10 * tens + 1 + draw.below(9) for tens in _numbers(draw, 12, 299, count)]
    return some(draw, PIECES, count), [f"{c // 100}.{c % 100:02d}" for c in cents], "number"


def _rooms(draw: Draw, count: int) -> tuple[list[str], list[str], AnswerType]:
    return some(draw, NAMES, count), list(map(str, _numbers(draw, 104, 599, count))), "number"


KINDS: dict[str, Callable[[Draw, int], tuple[list[str], list[str], AnswerType]]] = {
    "names": _names,
    "timetable": _timetable,
    "prices": _prices,
    "rooms": _rooms,
}


def content(draw: Draw, kind: str = "", count: int = 0) -> Content:
    """Lines of a kind (drawn where there is none), one of them to be asked for."""
    kind = kind or draw.choice(sorted(KINDS))
    count = count or 5 + draw.below(4)
    keys, values, answer_type = KINDS[kind](draw, count)
    rows = tuple(zip(keys, values, strict=True))
    return Content(kind, draw.choice(_HEADINGS[kind]), rows, draw.below(count), answer_type)


def block(rows: tuple[tuple[str, str], ...], face: Face, size: int, theme: canvas.Theme) -> Image.Image:
    """The lines in two columns, in a frame."""
    margin, step = size, round(1.5 * size)
    second = margin + max(canvas.text_width(key, face, size) for key, _ in rows) + 2 * size
    width = second + max(canvas.text_width(value, face, size) for _, value in rows) + margin
    image = canvas.blank(width, step * len(rows) + 2 * margin, theme.paper)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, image.width - 1, image.height - 1), outline=theme.line, width=max(1, size // 6))
    for number, (key, value) in enumerate(rows):
        middle = margin + number * step + step / 2
        canvas.text(draw, (margin, middle), key, face, size, theme.ink, "lm")
        canvas.text(draw, (second, middle), value, face, size, theme.ink, "lm")
    return image


@dataclass(frozen=True)
class Placed:
    """A sheet and the box of the small print on it, in pixels: left, top, width, height."""

    image: Image.Image
    box: tuple[int, int, int, int]


def placed(note: Image.Image, heading: str, theme: canvas.Theme, draw: Draw, width: int, height: int) -> Placed:
    """A sheet with a large heading over a rule, and the note anywhere below."""
    sheet = canvas.blank(width, height, theme.paper)
    pen = ImageDraw.Draw(sheet)
    canvas.text(pen, (72, 54), heading, "sans bold", HEADING_SIZE, theme.accent, "lt")
    pen.line((72, 166, width - 72, 166), fill=theme.line, width=6)
    left = 45 + draw.below(max(1, width - note.width - 90))
    top = 225 + draw.below(max(1, height - note.height - 270))
    sheet.paste(note, (left, top))
    return Placed(sheet, (left, top, note.width, note.height))
