"""Base of families composed of real samples: what was done to them is drawn, and asked only where it can be seen.

Facts are mean absolute differences (0 to 255) at low resolution between what has to be told apart, as they are and by the
pictures' own texture, so a check can measure them again; nothing in a reply states them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from dataengine.cot.core.formats import Plain, Reply, Thinking, box
from dataengine.cot.core.measure import thumbnail
from dataengine.cot.core.record import OBSERVATION, SAMPLE, AnswerType, Mode, Style
from dataengine.cot.core.sample import CotInput
from dataengine.cot.core.seeded import Draw
from dataengine.cot.tasks.base import Abstain, Exchange, Facts, Params, Task
from dataengine.cot.tasks.rendered import canvas
from dataengine.cot.tasks.tree import Capability
from dataengine.media.image.pixels import Pixels
from dataengine.models.serving.messages import Block, ImageBlock, TextBlock

LEAST_DIFFERENCE = 9.0
"""Mean absolute difference from which on two small pictures look different."""
_GRID = (24, 24)
_COARSE = 4
"""Blocks a side, over which coarse differences are taken; what varies within them is texture."""
_LEAST_TEXTURE = 3.0
_MOST_DISTINCT = 99.0
_PAPER, _INK = (250, 250, 250), (20, 20, 20)

Edit = Callable[[Pixels], Pixels]


def _swapped(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels[..., [2, 0, 1]])


def grey(pixels: Pixels) -> Pixels:
    """Luma in all channels, by BT.601 in integers."""
    luma = (pixels.astype(np.int32) @ np.array([299, 587, 114], np.int32) + 500) // 1000
    return np.repeat(luma.astype(np.uint8)[..., None], 3, axis=2)


#: Edits that keep the shape of a picture, by what it is afterwards.
EDITS: dict[str, Edit] = {
    "mirrored": lambda p: np.ascontiguousarray(p[:, ::-1]),
    "upside down": lambda p: np.ascontiguousarray(p[::-1, ::-1]),
    "in black and white": grey,
    "a negative": lambda p: 255 - p,
    "recoloured": _swapped,
    "far too dark": lambda p: p // 4,
}


class Composed(Task):
    """A family with one picture of its own, ``obs:0``; ``shows_sample``: the sample's own picture stands before it."""

    family = "made"
    basis = "constructed"
    shows_sample = False
    steps = 2.0
    finals: tuple[str, ...] = ("The answer is {box}.", "So the answer is {box}.")
    plain: tuple[str, ...] = ("{answer}",)

    def tolerance(self, fact: str) -> float:
        return 0.0 if fact == "steps" else 3.0

    def decide(self, params: Params, facts: Facts, strict: bool) -> str | Abstain:
        least = min(value for name, value in facts.items() if name != "steps")
        return self.answer(params) if least >= LEAST_DIFFERENCE * (1.0 if strict else 0.6) else Abstain("looks alike")

    def answer(self, params: Params) -> str:
        """The answer, which the parameters hold."""
        return params["answer"]

    def thought(self, params: Params, answer: str, draw: Draw) -> str:
        """What can be seen, for replies that think."""
        return ""

    def slots(self, params: Params) -> Mapping[str, str]:
        return params

    def write(self, source_id: str, params: Params, facts: Facts, answer: str, style: Style, draw: Draw) -> Exchange:
        slots = {**self.slots(params), "answer": answer, "box": box(answer)}
        question = draw.choice(self.wordings).format(**slots)
        final, plain = draw.choice(self.finals).format(**slots), draw.choice(self.plain).format(**slots)
        reply: Reply = Plain(plain) if style == "non_thinking" else Thinking(self.thought(params, answer, draw), final)
        own = (TextBlock(text="\n"), ImageBlock(image=f"{OBSERVATION}0"))
        shown: tuple[Block, ...] = (ImageBlock(image=SAMPLE + source_id), *own) if self.shows_sample else own[1:]
        return Exchange("\n" + question if self.shows_sample else question, reply, shown)


def place(cls: type[Composed], name: str, mode: Mode, capability: Capability, answer_type: AnswerType) -> Composed:
    """A family of a class, in a mode."""
    task = cls()
    task.name, task.mode, task.capability, task.answer_type = name, mode, capability, answer_type  # type: ignore[misc]
    task.styles = ("thinking",) if mode == "thinking" else ("non_thinking",)  # type: ignore[misc]
    return task


def difference(a: Pixels, b: Pixels) -> float:
    """Mean absolute difference of two pictures at low resolution, 0 to 255."""
    small = (thumbnail(np.ascontiguousarray(one), *_GRID) for one in (a, b))
    return round(float(np.abs(np.subtract(*small)).mean()), 1)


def distinct(a: Pixels, b: Pixels) -> float:
    """How far two pictures differ in their coarse parts, by how rough their own texture is: LEAST_DIFFERENCE where both are the
    same, and below it for two parts of gravel or grass, which look alike however much their pixels differ."""
    (coarse_a, texture_a), (coarse_b, texture_b) = _coarse(a), _coarse(b)
    texture = max((texture_a + texture_b) / 2, _LEAST_TEXTURE)
    ratio = float(np.abs(coarse_a - coarse_b).mean()) / texture
    return min(_MOST_DISTINCT, round(LEAST_DIFFERENCE * ratio, 1))


def least_distinct(pictures: Sequence[Pixels]) -> float:
    """The least of any two."""
    return min(distinct(a, b) for a, b in combinations(pictures, 2))


def _coarse(pixels: Pixels) -> tuple[npt.NDArray[np.float64], float]:
    """Means of coarse blocks, and the mean absolute difference of the pixels of a thumbnail from these."""
    side = _GRID[0] // _COARSE
    fine = thumbnail(np.ascontiguousarray(pixels), *_GRID).reshape(_COARSE, side, _COARSE, side, 3)
    means: npt.NDArray[np.float64] = fine.mean(axis=(1, 3))
    return means, float(np.abs(fine - means[:, None, :, None]).mean())


def least_difference(pictures: Sequence[Pixels]) -> float:
    """The least difference between any two."""
    small = [thumbnail(np.ascontiguousarray(one), *_GRID) for one in pictures]
    return round(min(float(np.abs(a - b).mean()) for a, b in combinations(small, 2)), 1)


def cells(pixels: Pixels, rows: int, columns: int) -> list[Pixels]:
    """Equal cells of ``(H, W, 3)``, row by row; what is left over at the edges is cut off."""
    height, width = pixels.shape[0] // rows, pixels.shape[1] // columns
    return [
        pixels[y * height : (y + 1) * height, x * width : (x + 1) * width] for y in range(rows) for x in range(columns)
    ]


def fitted(pixels: Pixels, width: int, height: int) -> Image.Image:
    """The picture as large as fits, in the middle of a white frame."""
    factor = min(width / pixels.shape[1], height / pixels.shape[0])
    size = (max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor)))
    resampling = Image.Resampling.BOX if factor <= 1 else Image.Resampling.BICUBIC
    small = Image.fromarray(np.ascontiguousarray(pixels)).resize(size, resampling)
    frame = Image.new("RGB", (width, height), _PAPER)
    frame.paste(small, ((width - size[0]) // 2, (height - size[1]) // 2))
    return frame


def sheet(pictures: Iterable[Pixels], labels: Sequence[str], columns: int, side: int) -> Pixels:
    """Pictures in rows, each with its label above."""
    frames = [fitted(one, side, side * 3 // 4) for one in pictures]
    rows = -(-len(frames) // columns)
    width, height = side + 12, side * 3 // 4 + 34
    image = Image.new("RGB", (columns * width + 12, rows * height + 12), _PAPER)
    draw = ImageDraw.Draw(image)
    for n, (frame, label) in enumerate(zip(frames, labels, strict=True)):
        left, top = 12 + (n % columns) * width, 12 + (n // columns) * height
        canvas.text(draw, (left + 2, top + 9), label, "sans bold", 17, _INK, "lm")
        image.paste(frame, (left, top + 20))
    return np.asarray(image)


def numbers(count: int) -> list[str]:
    return [str(n) for n in range(1, count + 1)]


def sides_ok(source: CotInput) -> bool:
    """Whether a picture is neither tiny nor a strip."""
    height, width = source.picture().shape[:2]
    return bool(min(height, width) >= 120 and max(height, width) <= 2.5 * min(height, width))
