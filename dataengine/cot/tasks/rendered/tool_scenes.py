"""Thinking with images on rendered pictures: faint, turned, mirrored and tiny writing, made readable by one program."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dataengine.cot.core import tools
from dataengine.cot.core.formats import IMAGE_MARK, Agentic, Step, box
from dataengine.cot.core.record import OBSERVATION, Style
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.core.tools import Call
from dataengine.cot.tasks.base import Abstain, Exchange, Facts, Params, Task
from dataengine.cot.tasks.rendered import canvas
from dataengine.cot.tasks.rendered import wording_tool_scenes as w
from dataengine.cot.tasks.rendered.fonts import TEXT_FACES
from dataengine.cot.tasks.rendered.words import NAMES, NOUNS, some
from dataengine.media.image.pixels import Pixels
from dataengine.models.serving.messages import ImageBlock

_SHOWN, _SEEN = f"{OBSERVATION}0", f"{OBSERVATION}1"
_SIDE = 448


@dataclass(frozen=True)
class Reading:
    """A picture with ``lines`` of a name and what belongs to it, the ``place`` of the line to read, and the ``calls`` that make
    it readable."""

    pixels: Pixels
    lines: tuple[tuple[str, str], ...]
    place: int
    calls: tuple[Call, ...]


def _lines(draw: Draw) -> tuple[tuple[str, str], ...]:
    names, words = some(draw, NAMES, 4), some(draw, NOUNS, 4)
    return tuple((name, f"{word} {10 + draw.below(90)}") for name, word in zip(names, words, strict=True))


def _written(lines: tuple[tuple[str, str], ...]) -> list[str]:
    return [f"{name}: {words}" for name, words in lines]


def _faint(draw: Draw) -> Reading:
    lines = _lines(draw)
    ground = 120 + draw.below(17)
    ink = ground + (6 if draw.below(2) else -6)
    grey = canvas.Theme((ground,) * 3, (ink,) * 3, (ink,) * 3, (ink,) * 3)
    pixels = canvas.pixels_of(canvas.page(_written(lines), draw.choice(TEXT_FACES), 28, grey))
    return Reading(pixels, lines, draw.below(len(lines)), (Call("contrast", (4,)), Call("contrast", (4,))))


def _page(draw: Draw) -> tuple[Pixels, tuple[tuple[str, str], ...]]:
    lines = _lines(draw)
    return canvas.pixels_of(canvas.page(_written(lines), draw.choice(TEXT_FACES), 26, canvas.theme(draw))), lines


def _turned(draw: Draw) -> Reading:
    pixels, lines = _page(draw)
    degrees = draw.choice((90, 180, 270))
    turned = tools.rotate(pixels, degrees)
    return Reading(turned, lines, draw.below(len(lines)), (Call("rotate", (360 - degrees,)),))


def _mirrored(draw: Draw) -> Reading:
    pixels, lines = _page(draw)
    way = draw.choice(("horizontal", "vertical"))
    return Reading(tools.flip(pixels, way), lines, draw.below(len(lines)), (Call("flip", (way,)),))


def _tiny(draw: Draw) -> Reading:
    """A small note in one corner of an empty sheet."""
    lines, theme = _lines(draw), canvas.theme(draw)
    note = canvas.page(_written(lines), "sans", 9, theme, margin=4, least_width=60)
    sheet = canvas.blank(_SIDE, _SIDE, theme.paper)
    right, low = bool(draw.below(2)), bool(draw.below(2))
    left = (_SIDE // 2 if right else 0) + 20 + draw.below(max(1, _SIDE // 2 - note.width - 40))
    top = (_SIDE // 2 if low else 0) + 20 + draw.below(max(1, _SIDE // 2 - note.height - 40))
    sheet.paste(note, (left, top))
    return Reading(canvas.pixels_of(sheet), lines, draw.below(len(lines)), _around(left, top, note.width, note.height))


def _around(left: int, top: int, width: int, height: int) -> tuple[Call, ...]:
    """Crop to a box of pixels and enlarge it."""
    edges = (left - 4, top - 4, left + width + 4, top + height + 4)
    scaled = (min(1000, max(0, round(1000 * edge / _SIDE / 10) * 10)) for edge in edges)
    return Call("crop", tuple(scaled)), Call("zoom", (3,))


_MAKERS: dict[str, Callable[[Draw], Reading]] = {
    "faint_text": _faint,
    "turned_text": _turned,
    "mirrored_text": _mirrored,
    "tiny_text": _tiny,
}


class ReadWithTools(Task):
    """What stands behind a name, in a picture that has to be changed before it can be read."""

    mode = "think_with_image"
    styles = ("agentic",)
    family = "canvas"
    basis = "constructed"
    answer_type = "word"
    capability = "text"

    def __init__(self, name: str) -> None:
        self.name = name
        self.wordings = w.QUESTIONS[name]
        self._reading = lru_cache(maxsize=4)(lambda seed: _MAKERS[name](Draw("scene", name, seed)))

    def reading(self, params: Params) -> Reading:
        """Raises LookupError or ValueError where the parameters are not this task's."""
        return self._reading(int(params["scene"]))

    def tolerance(self, fact: str) -> float:
        return 0.0

    def options(self, source: CotInput, draw: Draw) -> Iterable[Params]:
        return [{"scene": str(draw.below(1 << 52))}]

    def measure(self, params: Params, source: CotInput) -> Facts:
        return {"steps": 1.0 + len(self.reading(params).calls)}

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        reading = self.reading(params)
        return reading.lines[reading.place][1]

    def canvas(self, params: Params, source: CotInput) -> Pixels:
        return self.reading(params).pixels

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        reading = self.reading(params)
        slots = {"name": reading.lines[reading.place][0], "answer": answer, "box": box(answer)}
        code = "\n".join(call.render() for call in reading.calls)
        step = Step(draw.choice(w.THOUGHTS[self.name]), code, IMAGE_MARK)
        listed = "; ".join(_written(reading.lines))
        closing = draw.choice(w.CLOSINGS).format(listed=listed, **slots)
        reply = Agentic((step,), closing, draw.choice(w.FINALS).format(**slots))
        question = draw.choice(self.wordings).format(**slots)
        return Exchange(question, reply, (ImageBlock(image=_SHOWN),), (_SEEN,))

    def observe(self, params: Params, source: CotInput) -> list[Pixels]:
        reading = self.reading(params)
        seen = tools.run("\n".join(call.render() for call in reading.calls), reading.pixels)
        return [reading.pixels, np.asarray(seen)]


TOOL_SCENES = tuple(ReadWithTools(name) for name in _MAKERS)
