"""The folder that hostile inputs are written to, and what is expected of them."""

from __future__ import annotations

import io
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from dataengine.testing.corpus import picture

#: Pixels and bytes of one input, in the recipe that ``torture`` writes; the hostile inputs are just beyond.
PIXELS, BYTES = 2_000_000, 4_000_000


@dataclass(frozen=True)
class Expected:
    """What must become of one input: ``failures`` are the classes of which any is right, none where it is kept; ``captions``
    are those of a kept input, None where they do not matter."""

    source: str
    input: str
    what: str
    failures: tuple[str, ...] = ()
    captions: tuple[str, ...] | None = None


@dataclass
class Corpus:
    """A folder that hostile inputs are written to, and what is expected of them. All bytes follow from ``seed``."""

    folder: Path
    seed: int
    expected: list[Expected] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._numbers: Iterator[int] = itertools.count(1000 * self.seed)

    def jpeg(self, width: int = 64, height: int = 48) -> bytes:
        """A good picture, another one each time."""
        return self.image("JPEG", width, height)

    def image(self, kind: str, width: int = 64, height: int = 48, **options: Any) -> bytes:
        """A picture of one of Pillow's formats."""
        out = io.BytesIO()
        Image.fromarray(picture(next(self._numbers), width, height)).save(out, kind, **options)
        return out.getvalue()

    def write(self, name: str, data: bytes | str) -> Path:
        """Write a file below the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def kept(self, source: str, name: str, what: str, captions: Sequence[str] | None = None) -> None:
        self.expected.append(Expected(source, name, what, (), None if captions is None else tuple(captions)))

    def failed(self, source: str, name: str, what: str, *failures: str) -> None:
        self.expected.append(Expected(source, name, what, failures))
