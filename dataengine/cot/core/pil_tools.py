"""What programs on a picture may call: a part of PIL, a part of ``math``, and some of Python's own functions; all by allow list.

Names, arguments and constants are PIL's, so a program reads as one of its users would write it; what is not here does not exist
for a program. Sizes are bounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageChops, ImageEnhance, ImageFilter, ImageOps

from dataengine.errors import InputError

MAX_SIDE, MAX_ITEMS = 1024, 1000
"""Pixels of a side of a picture, and items of a list or a range."""
_LARGEST = 10**18


class ToolError(InputError):
    """A program that is not in the language or cannot run."""

    @classmethod
    def because(cls, message: str) -> ToolError:
        return cls("tool_call", message)


@dataclass(frozen=True)
class Picture:
    """A picture that a program works on."""

    image: Image.Image


@dataclass(frozen=True)
class Module:
    """A name with members, such as ``Image``."""

    name: str
    members: Mapping[str, Any]


@dataclass(frozen=True)
class Enhancer:
    """``ImageEnhance.Contrast(picture)`` and its like."""

    kind: type[Any]
    picture: Picture


def number(value: Any, low: float = -_LARGEST, high: float = _LARGEST) -> float | int:
    """A number within bounds. Raises ToolError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ToolError.because(f"{str(value)[:40]} is not a number between {low:g} and {high:g}")
    return value


def numbers(value: Any, count: int) -> list[float | int]:
    if not isinstance(value, tuple | list) or len(value) != count:
        raise ToolError.because(f"{count} numbers in a tuple are due")
    return [number(one) for one in value]


def bounded(image: Image.Image) -> Picture:
    """A picture as the next call gets it. Raises ToolError where it is empty or too large."""
    if not (0 < image.width <= MAX_SIDE and 0 < image.height <= MAX_SIDE):
        raise ToolError.because(f"a picture of {image.width} x {image.height} pixels: sides are 1 to {MAX_SIDE}")
    return Picture(image)


def _crop(picture: Picture, box: Any) -> Picture:
    left, top, right, bottom = (round(edge) for edge in numbers(box, 4))
    width, height = picture.image.size
    box = (max(left, 0), max(top, 0), min(right, width), min(bottom, height))
    if box[0] >= box[2] or box[1] >= box[3]:
        raise ToolError.because(f"crop({(left, top, right, bottom)}) is empty in a picture of {width} x {height}")
    return bounded(picture.image.crop(box))


def _resize(picture: Picture, size: Any, resample: Any = Image.Resampling.BICUBIC) -> Picture:
    width, height = (max(1, round(side)) for side in numbers(size, 2))
    if max(width, height) > MAX_SIDE:
        raise ToolError.because(f"resize to {width} x {height}: sides are 1 to {MAX_SIDE}")
    return bounded(picture.image.resize((width, height), _resampling(resample)))


def _rotate(picture: Picture, angle: Any, resample: Any = Image.Resampling.NEAREST, expand: Any = False) -> Picture:
    image = picture.image.rotate(float(number(angle, -3600, 3600)), _resampling(resample), expand=bool(expand))
    return bounded(image)


def _transpose(picture: Picture, method: Any) -> Picture:
    if not isinstance(method, Image.Transpose):
        raise ToolError.because("transpose takes a constant of Image.Transpose")
    return bounded(picture.image.transpose(method))


def _convert(picture: Picture, mode: Any) -> Picture:
    if mode not in ("L", "RGB"):
        raise ToolError.because('convert takes "L" or "RGB"')
    return Picture(picture.image.convert(mode))


def _enhance(enhancer: Enhancer, factor: Any) -> Picture:
    return Picture(enhancer.kind(enhancer.picture.image).enhance(float(number(factor, 0, 16))))


def _resampling(value: Any) -> Image.Resampling:
    if not isinstance(value, Image.Resampling):
        raise ToolError.because("a filter is a constant of Image.Resampling")
    return value


def _filter(picture: Picture, kind: Any) -> Picture:
    if kind not in _FILTERS.values():
        raise ToolError.because("filter takes ImageFilter.SHARPEN, DETAIL or EDGE_ENHANCE")
    return Picture(picture.image.filter(kind))


def _getpixel(picture: Picture, place: Any) -> Any:
    x, y = (round(at) for at in numbers(place, 2))
    if not (0 <= x < picture.image.width and 0 <= y < picture.image.height):
        raise ToolError.because(
            f"getpixel({(x, y)}) is outside of a picture of {picture.image.width} x {picture.image.height}"
        )
    return picture.image.getpixel((x, y))


def _getcolors(picture: Picture, maxcolors: Any = 256) -> Any:
    """``(count, colour)`` of each colour; None, as PIL has it, where there are more."""
    return picture.image.getcolors(int(number(maxcolors, 1, MAX_ITEMS)))


def _difference(first: Any, second: Any) -> Picture:
    if not isinstance(first, Picture) or not isinstance(second, Picture):
        raise ToolError.because("two pictures are due")
    return bounded(ImageChops.difference(first.image, second.image))


def _of_image(function: Callable[[Image.Image], Image.Image]) -> Callable[[Any], Picture]:
    def call(picture: Any) -> Picture:
        if not isinstance(picture, Picture):
            raise ToolError.because("a picture is due")
        return bounded(function(picture.image))

    return call


def _enhancer(kind: type[Any]) -> Callable[[Any], Enhancer]:
    def call(picture: Any) -> Enhancer:
        if not isinstance(picture, Picture):
            raise ToolError.because("a picture is due")
        return Enhancer(kind, picture)

    return call


def _round(value: Any, digits: Any = None) -> float | int:
    return round(number(value)) if digits is None else round(number(value), int(number(digits, -9, 9)))


def _range(*ends: Any) -> list[int]:
    if not 1 <= len(ends) <= 3 or not all(type(end) is int for end in ends) or (len(ends) == 3 and not ends[2]):
        raise ToolError.because("range takes one to three whole numbers")
    span = range(*ends)
    if len(span) > MAX_ITEMS:
        raise ToolError.because(f"a range of more than {MAX_ITEMS}")
    return list(span)


def _of_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*values: Any) -> Any:
        items = values[0] if len(values) == 1 and isinstance(values[0], tuple | list) else values
        return function([number(item) for item in items])

    return call


def _of_number(function: Callable[..., Any], count: int = 1) -> Callable[..., Any]:
    def call(*values: Any) -> Any:
        return function(*numbers(values, count))

    return call


_FILTERS = {"SHARPEN": ImageFilter.SHARPEN, "DETAIL": ImageFilter.DETAIL, "EDGE_ENHANCE": ImageFilter.EDGE_ENHANCE}
_RESAMPLING = {one.name: one for one in Image.Resampling}
_TRANSPOSE = {one.name: one for one in Image.Transpose}
_MATH = {
    **{
        name: _of_number(getattr(math, name))
        for name in ("sqrt", "ceil", "floor", "sin", "cos", "tan", "log", "exp", "fabs")
    },
    **{name: _of_number(getattr(math, name), 2) for name in ("hypot", "atan2")},
    "pi": math.pi,
    "e": math.e,
}
#: By the name under which a program may import it; ``Image.open`` is the interpreter's.
MODULES: Mapping[str, Module] = {
    "Image": Module(
        "Image",
        {
            "Resampling": Module("Resampling", _RESAMPLING),
            "Transpose": Module("Transpose", _TRANSPOSE),
            **_RESAMPLING,
            **_TRANSPOSE,
        },
    ),
    "ImageEnhance": Module(
        "ImageEnhance",
        {
            "Contrast": _enhancer(ImageEnhance.Contrast),
            "Brightness": _enhancer(ImageEnhance.Brightness),
            "Sharpness": _enhancer(ImageEnhance.Sharpness),
            "Color": _enhancer(ImageEnhance.Color),
        },
    ),
    "ImageOps": Module(
        "ImageOps",
        {
            "autocontrast": _of_image(ImageOps.autocontrast),
            "equalize": _of_image(ImageOps.equalize),
            "invert": _of_image(ImageOps.invert),
            "mirror": _of_image(ImageOps.mirror),
            "flip": _of_image(ImageOps.flip),
            "grayscale": _of_image(ImageOps.grayscale),
        },
    ),
    "ImageChops": Module("ImageChops", {"difference": _difference}),
    "ImageFilter": Module("ImageFilter", _FILTERS),
    "math": Module("math", _MATH),
}
METHODS: Mapping[str, Callable[..., Any]] = {
    "crop": _crop,
    "resize": _resize,
    "rotate": _rotate,
    "transpose": _transpose,
    "convert": _convert,
    "filter": _filter,
    "getpixel": _getpixel,
    "getcolors": _getcolors,
    "getbbox": lambda picture: picture.image.getbbox(),
    "copy": lambda picture: picture,
}
ENHANCE = _enhance
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": _of_number(abs),
    "int": _of_number(int),
    "float": _of_number(float),
    "pow": _of_number(lambda base, power: base ** number(power, -64, 64), 2),
    "round": _round,
    "range": _range,
    "min": _of_numbers(min),
    "max": _of_numbers(max),
    "sum": _of_numbers(sum),
    "sorted": _of_numbers(sorted),
    "len": lambda items: len(items) if isinstance(items, str | tuple | list) else _refuse("len of no list"),
    "str": lambda value: shown(value),
}


def _refuse(message: str) -> Any:
    raise ToolError.because(message)


def shown(value: Any) -> str:
    """A value as ``print`` writes it."""
    if isinstance(value, Picture):
        return f"<picture of {value.image.width} x {value.image.height}>"
    if isinstance(value, tuple | list):
        inside = ", ".join(repr(v) if isinstance(v, str) else shown(v) for v in value)
        return f"[{inside}]" if isinstance(value, list) else f"({inside}{',' * (len(value) == 1)})"
    if value is None or isinstance(value, bool | int | float | str):
        return str(value)
    raise ToolError.because("only numbers, texts, lists and pictures can be shown")
