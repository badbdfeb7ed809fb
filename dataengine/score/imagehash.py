"""Perceptual hashes as the package imagehash prints them, to join with corpora that were hashed by it.

Measured at full size, upright and over white: the pixels that Pillow decodes, so an upright opaque file has the hashes
that ``imagehash.phash(Image.open(path))`` and its like give. Of a video the middle frame is hashed. For near-duplicates the
engine has a hash of its own (``dedup.radius``), which is faster and is searched.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from typing import Any

import pyarrow as pa
from PIL import Image

from dataengine.config.yaml_loader import did_you_mean
from dataengine.errors import UsageError
from dataengine.media.image.pixels import Pixels
from dataengine.score.base import Columns

#: Columns, and the functions of the package that fill them.
_FUNCTIONS = {
    "phash": "phash",
    "dhash": "dhash",
    "ahash": "average_hash",
    "whash": "whash",
    "colorhash": "colorhash",
}


class ImageHash:
    """``hashes``: which columns, in order; all five where none are named."""

    name = "imagehash"
    frames = 1
    min_side: int | None = None

    def __init__(self, *, hashes: Sequence[str] = tuple(_FUNCTIONS)) -> None:
        unknown = [h for h in hashes if h not in _FUNCTIONS]
        if unknown or not hashes or len(set(hashes)) < len(hashes):
            hint = did_you_mean(str(unknown[0]), _FUNCTIONS) if unknown else f"they are {', '.join(_FUNCTIONS)}"
            raise UsageError(f"score: imagehash: hashes names each wanted hash once, not {list(hashes)!r}; {hint}")
        self.hashes = tuple(hashes)
        self.fields: list[pa.Field[Any]] = [pa.field(name, pa.string()) for name in self.hashes]

    @property
    def version(self) -> str:
        return f"{metadata.version('ImageHash')}-{'-'.join(self.hashes)}-1"

    def validate(self) -> None: ...

    def prepare(self, frames: Sequence[Pixels]) -> dict[str, str]:
        """Hex of each hash."""
        import imagehash

        picture = Image.fromarray(frames[0])
        return {name: str(getattr(imagehash, _FUNCTIONS[name])(picture)) for name in self.hashes}

    def setup(self, device: str, threads: int) -> None: ...

    def score(self, prepared: Sequence[Any], captions: Sequence[Sequence[str]]) -> Columns:
        return {name: [hashed[name] for hashed in prepared] for name in self.hashes}
