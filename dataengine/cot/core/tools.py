"""Programs on a picture: a small part of Python with PIL (``python_subset``), or tool calls, one a line, as models with tools of
their API make them.

Tool calls start from the picture, each works on what the one before made, and they end as a picture or, if the last lines are
``measure``, as one number a line::

    crop(500, 0, 1000, 500)
    zoom(2)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from dataengine.cot.core.measure import QUALITIES, cut, extreme, mean
from dataengine.cot.core.pil_tools import ToolError
from dataengine.cot.core.python_subset import run_python
from dataengine.media.image.pixels import Pixels

MAX_LINES = 16
MAX_SIDE = 448
"""``zoom`` stops where the longer side of its result would pass this."""

REFUSED = "error: "
"""Before the reason why a program was not run."""

Value = int | float | str

_CALL = re.compile(r"([a-z]+)\((.*)\)")
_ARGUMENT = re.compile(r'\s*(?:"([a-z ]*)"|(\d{1,4}\.\d{1,3})|(\d{1,4}))\s*')


@dataclass(frozen=True)
class Call:
    """One line; rendering and parsing are inverse."""

    name: str
    arguments: tuple[Value, ...]

    def render(self) -> str:
        arguments = (f'"{a}"' if isinstance(a, str) else str(a) for a in self.arguments)
        return f"{self.name}({', '.join(arguments)})"


def parse(code: str) -> list[Call]:
    """The calls of a program. Raises ToolError."""
    lines = code.split("\n")
    if len(lines) > MAX_LINES:
        raise ToolError.because(f"{len(lines)} lines, at most {MAX_LINES}")
    return [_call(line) for line in lines]


def is_calls(code: str) -> bool:
    """Whether a program is tool calls, rather than Python."""
    matches = [_CALL.fullmatch(line) for line in code.split("\n")]
    return all(match is not None and match[1] in _SIGNATURES for match in matches)


def run(code: str, picture: Pixels) -> Pixels | str:
    """Run a program on ``(H, W, 3) uint8``: a picture, or the text of its measurements or of what it prints. Raises
    ToolError."""
    if not is_calls(code):
        return run_python(code, picture)
    view, numbers = picture, []
    for call in parse(code):
        if call.name == "measure":
            numbers.append(str(_measure(view, *call.arguments)))
        elif numbers:
            raise ToolError.because("measure calls come last")
        else:
            view = TRANSFORMS[call.name](view, *call.arguments)
    return "\n".join(numbers) if numbers else view


def run_or_refuse(code: str, picture: Pixels) -> Pixels | str:
    """As ``run``, but a refused program gives its error as text, as a model is shown it."""
    try:
        return run(code, picture)
    except ToolError as error:
        return f"{REFUSED}{error.message}"


def crop(view: Pixels, left: Value, top: Value, right: Value, bottom: Value) -> Pixels:
    """The part between edges in thousandths of the sides."""
    return cut(view, _box(left, top, right, bottom))


def zoom(view: Pixels, factor: Value) -> Pixels:
    """Enlarged by a factor of 1 to 4, as far as MAX_SIDE allows."""
    height, width = view.shape[:2]
    wanted = min(_number(factor, 1, 4), max(1.0, MAX_SIDE / max(height, width)))
    size = (max(1, round(width * wanted)), max(1, round(height * wanted)))
    return np.asarray(Image.fromarray(view).resize(size, Image.Resampling.BICUBIC))


def rotate(view: Pixels, degrees: Value) -> Pixels:
    """Clockwise by 90, 180 or 270 degrees."""
    if degrees not in (90, 180, 270):
        raise ToolError.because(f"rotate takes 90, 180 or 270, not {degrees}")
    return np.ascontiguousarray(np.rot90(view, -int(degrees) // 90))


def flip(view: Pixels, way: Value) -> Pixels:
    """Mirrored: ``horizontal`` swaps left and right, ``vertical`` top and bottom."""
    if way not in ("horizontal", "vertical"):
        raise ToolError.because(f'flip takes "horizontal" or "vertical", not {way!r}')
    return np.ascontiguousarray(view[:, ::-1] if way == "horizontal" else view[::-1])


def contrast(view: Pixels, factor: Value) -> Pixels:
    """Distances from middle grey (128) times a factor of 0.25 to 4."""
    per_mille = round(1000 * _number(factor, 0.25, 4))
    spread = 128_000 + (view.astype(np.int32) - 128) * per_mille
    return ((spread + 500) // 1000).clip(0, 255).astype(np.uint8)


TRANSFORMS: dict[str, Callable[..., Pixels]] = {
    "crop": crop,
    "zoom": zoom,
    "rotate": rotate,
    "flip": flip,
    "contrast": contrast,
}
_SIGNATURES: dict[str, str] = {
    "crop": "nnnn",
    "zoom": "n",
    "rotate": "n",
    "flip": "s",
    "contrast": "n",
    "measure": "snnnn",
}


def _measure(view: Pixels, what: Value, *edges: Value) -> int:
    """``"brightness"`` and the like: the mean in a box; ``"lowest brightness"``: of the lowest of its 4 x 4 cells."""
    rank, _, quality = str(what).rpartition(" ")
    if quality not in QUALITIES or rank not in ("", "lowest", "highest"):
        raise ToolError.because(f"measure knows no {what!r}")
    part = cut(view, _box(*edges))
    return extreme(quality, part, rank == "highest") if rank else mean(quality, part)


def _call(line: str) -> Call:
    match = _CALL.fullmatch(line)
    if not match or match[1] not in _SIGNATURES:
        raise ToolError.because(f"{line[:80]!r} is not a call of {', '.join(_SIGNATURES)}")
    matches = [_ARGUMENT.fullmatch(text) for text in match[2].split(",")]
    arguments = tuple(_value(m) for m in matches if m)
    kinds = "".join("s" if isinstance(v, str) else "n" for v in arguments)
    if len(arguments) < len(matches) or kinds != _SIGNATURES[match[1]]:
        raise ToolError.because(f"{line[:80]!r}: wrong arguments for {match[1]}")
    return Call(match[1], arguments)


def _value(match: re.Match[str]) -> Value:
    if match[1] is not None:
        return match[1]
    return float(match[2]) if match[2] is not None else int(match[3])


def _box(left: Value, top: Value, right: Value, bottom: Value) -> tuple[int, int, int, int]:
    edges = (left, top, right, bottom)
    whole = [e for e in edges if isinstance(e, int) and 0 <= e <= 1000]
    if len(whole) < 4 or whole[0] >= whole[2] or whole[1] >= whole[3]:
        raise ToolError.because(f"{edges} is not left, top, right, bottom in whole thousandths")
    return whole[0], whole[1], whole[2], whole[3]


def _number(value: Value, least: float, most: float) -> float:
    if isinstance(value, str) or not least <= value <= most:
        raise ToolError.because(f"{value!r} is not between {least:g} and {most:g}")
    return float(value)
