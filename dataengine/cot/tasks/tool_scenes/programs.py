"""PIL programs as text, in the small part of Python of ``core.python_subset``; angles and edges are those of PIL."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

CENT = 100


@dataclass(frozen=True)
class Region:
    """A box in whole per cent of width and height."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def across(self) -> str:
        return f"{self.left} % to {self.right} % of the width"

    @property
    def down(self) -> str:
        return f"{self.top} % to {self.bottom} % of the height"

    @property
    def where(self) -> str:
        """In words that follow "The note is"."""
        across = _third(self.left + self.right, ("left", "", "right"))
        down = _third(self.top + self.bottom, ("upper", "", "lower"))
        if across and down:
            return f"in the {down} {across}"
        if down:
            return f"in the {down} part, near the middle"
        return f"on the {across}, at mid-height" if across else "near the middle"

    @property
    def slots(self) -> dict[str, str]:
        return {"where": self.where, "across": self.across, "down": self.down}


def _third(twice: int, names: tuple[str, str, str]) -> str:
    return names[0] if twice < 2 * 42 else names[2] if twice > 2 * 58 else names[1]


def region_of(left: float, top: float, width: float, height: float, size: tuple[int, int]) -> Region:
    """The region around a box of pixels in a picture of ``size``, its edges at multiples of 5 per cent and at least 1 away."""
    low = [max(0, int((CENT * edge / side - 1) // 5 * 5)) for edge, side in zip((left, top), size, strict=True)]
    ends = (left + width, top + height)
    high = [min(CENT, -int(-(CENT * edge / side + 1) // 5 * 5)) for edge, side in zip(ends, size, strict=True)]
    return Region(low[0], low[1], high[0], high[1])


def program(*lines: str, modules: tuple[str, ...] = ()) -> str:
    """A program of its own, from the import on."""
    names = ", ".join(("Image", *modules))
    return "\n".join([f"from PIL import {names}", 'image = Image.open("image.png")', *lines])


def crop(region: Region, name: str = "part") -> tuple[str, ...]:
    """Lines that cut a region out of ``image``."""
    edges = ", ".join(
        (
            _share(region.left, "width"),
            _share(region.top, "height"),
            _share(region.right, "width"),
            _share(region.bottom, "height"),
        )
    )
    return "width, height = image.size", f"{name} = image.crop(({edges}))"


def _share(percent: int, side: str) -> str:
    return {0: "0", CENT: side}.get(percent, f"{percent} * {side} // 100")


def enlarge(factor: int, name: str = "part") -> str:
    return f"{name} = {name}.resize(({name}.width * {factor}, {name}.height * {factor}), Image.Resampling.LANCZOS)"


def save(name: str = "part") -> str:
    return f'{name}.save("{name}.png")'


def factor_for(region: Region, size: tuple[int, int], most: int = 4) -> int:
    """By how much a region can be enlarged without passing 720 pixels; twofold, if 1,000 allow that."""
    longest = max((region.right - region.left) * size[0], (region.bottom - region.top) * size[1]) / CENT
    return max(1, min(most, max(int(720 // longest), min(2, int(1000 // longest)))))


def turned(image: Image.Image, degrees: int) -> Image.Image:
    """Turned counter-clockwise by a multiple of 90 degrees, as PIL turns."""
    return image.rotate(degrees, expand=True)
