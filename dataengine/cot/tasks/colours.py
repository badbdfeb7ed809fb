"""Basic colour terms, and the share of a picture that each covers.

Eleven basic colour terms (Berlin and Kay 1969) less purple's neighbours; borders are by hand, so a picture counts as of one
colour only where that colour leads by far.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from dataengine.cot.core.measure import thumbnail
from dataengine.cot.tasks.base import Facts
from dataengine.media.image.pixels import Pixels

COLOURS = ("black", "grey", "white", "red", "orange", "brown", "yellow", "green", "blue", "purple", "pink")
_SIDE = 64
_DARK, _LIGHT, _GREY = 48, 205, 28
_HUES = ((15, "red"), (42, "orange"), (68, "yellow"), (165, "green"), (255, "blue"), (300, "purple"), (345, "pink"))

_NAMED, _LEAST, _MOST, _GAP = (2, 3, 1), 8.0, 50.0, 4.0
"""How many colours are named, preferred first; per cent that each covers, and all together; by how much the next covers less."""
_OTHER = 15.0
"""Per cent of the area by which a colour that only one of two pictures is named for differs between them."""


def measured(pictures: Mapping[str, Sequence[Pixels]]) -> Facts:
    """Mean per cent of the area of some pictures by their name and that of the colour: ``"A black"``; all of COLOURS."""
    facts: Facts = {}
    for name, some in pictures.items():
        each = [shares(reduced(one)) for one in some]
        facts |= {f"{name} {colour}": round(sum(one[colour] for one in each) / len(each), 1) for colour in COLOURS}
    return facts


def leading(facts: Facts, names: Sequence[str]) -> tuple[str, ...]:
    """The colours that cover most of each of these, the same ones in all; none where they are not clear."""
    mean = {colour: sum(facts[f"{name} {colour}"] for name in names) for colour in COLOURS}
    ranked = sorted(COLOURS, key=lambda colour: (-mean[colour], colour))
    clear = (tuple(ranked[:count]) for count in _NAMED if all(_lead(facts, name, ranked[:count]) for name in names))
    return next(clear, ())


def _lead(facts: Facts, name: str, colours: Sequence[str]) -> bool:
    own = [facts[f"{name} {colour}"] for colour in colours]
    next_ = max(facts[f"{name} {colour}"] for colour in COLOURS if colour not in colours)
    return min(own) >= _LEAST and sum(own) >= _MOST and min(own) >= next_ + _GAP


def told_apart(facts: Facts, names: Sequence[str], other: str) -> bool:
    """Whether the leading colours of ``names`` are other ones than those of ``other``, and cover clearly more or less there."""
    own, theirs = leading(facts, names), leading(facts, [other])
    known = [(colour, [facts[f"{name} {colour}"] for name in names]) for colour in sorted({*own} ^ {*theirs})]
    clear = [min(abs(share - facts[f"{other} {colour}"]) for share in shares_) >= _OTHER for colour, shares_ in known]
    return bool(own and theirs) and any(clear)


def reduced(pixels: Pixels) -> npt.NDArray[np.int32]:
    """``(H, W, 3)`` as ``(64, 64, 3)`` means: grain and texture count as the colour that they make together."""
    return thumbnail(pixels, _SIDE, _SIDE)


def shares(small: npt.NDArray[np.int32]) -> dict[str, int]:
    """Per cent of ``(H, W, 3)`` by colour name, each rounded for itself; all of COLOURS."""
    indices = classify(small.reshape(-1, 3))
    counts = np.bincount(indices, minlength=len(COLOURS))
    return {name: round(100 * int(n) / len(indices)) for name, n in zip(COLOURS, counts, strict=True)}


def classify(rgb: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Index into COLOURS for each row of ``(N, 3)``."""
    high, low = rgb.max(axis=1), rgb.min(axis=1)
    gap = high - low
    hue = _hue(rgb, high, gap)
    names = np.full(len(rgb), COLOURS.index("red"))
    start = _HUES[0][0]
    for stop, name in _HUES[1:]:
        names[(hue >= start) & (hue < stop)] = COLOURS.index(name)
        start = stop
    warm = np.isin(names, [COLOURS.index("red"), COLOURS.index("orange")])
    names[warm & (hue >= 10) & (hue < 60) & (high < 150)] = COLOURS.index("brown")
    names[np.isin(names, [COLOURS.index("red")]) & (low > 110)] = COLOURS.index("pink")
    names[gap < _GREY] = COLOURS.index("grey")
    names[(gap < _GREY) & (low > _LIGHT)] = COLOURS.index("white")
    names[high < _DARK] = COLOURS.index("black")
    return names


def _hue(
    rgb: npt.NDArray[np.int32], high: npt.NDArray[np.int32], gap: npt.NDArray[np.int32]
) -> npt.NDArray[np.float64]:
    """Degrees, 0 where there is no colour."""
    red, green, blue = rgb.T
    part = np.select(
        [high == red, high == green],
        [(green - blue) % (6 * np.maximum(gap, 1)), blue - red + 2 * gap],
        red - green + 4 * gap,
    )
    hue: npt.NDArray[np.float64] = 60.0 * part / np.maximum(gap, 1)
    return hue
