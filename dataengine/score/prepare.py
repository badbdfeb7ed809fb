"""Decodes a sample and prepares it for each scorer, in the decode child.

Scorers that are content with the same size share one decode; the size is never taken from the others that happen to run, or
a score would depend on them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from dataengine.media.image.decode import decode_rgb
from dataengine.media.image.pixels import Pixels
from dataengine.media.limits import Limits
from dataengine.media.video.reader import frames_even
from dataengine.score.base import FileScorer

_JPEG = b"\xff\xd8\xff"
#: Media bytes, kind, and the names of the scorers to prepare them for.
Item = tuple[bytes, str, tuple[str, ...]]


class Preparer(Protocol):
    """The part of a scorer or an encoder that runs in the decode child."""

    name: str
    frames: int
    min_side: int | None

    def prepare(self, frames: Sequence[Pixels]) -> Any: ...


def prepare(context: tuple[Limits, Sequence[Preparer | FileScorer]], item: Item) -> dict[str, Any]:
    """What each scorer made of its frames, by name. Raises InputError."""
    limits, every = context
    data, kind, names = item
    wanted = [s for s in every if s.name in names]
    files = {s.name: s.prepare_file(data, limits) for s in wanted if isinstance(s, FileScorer)}
    return files | _from_frames(data, kind, [s for s in wanted if not isinstance(s, FileScorer)], limits)


def _from_frames(data: bytes, kind: str, scorers: Sequence[Preparer], limits: Limits) -> dict[str, Any]:
    if not scorers:
        return {}
    if kind == "image":
        sizes = {s.name: None if s.min_side is None else 1 << (s.min_side - 1).bit_length() for s in scorers}
        pictures = _decoded(data, limits, set(sizes.values()))
        return {s.name: s.prepare([pictures[sizes[s.name]]]) for s in scorers}
    decoded = {count: frames_even(data, count, limits)[0] for count in sorted({s.frames for s in scorers})}
    return {s.name: s.prepare(list(decoded[s.frames])) for s in scorers}


def _decoded(data: bytes, limits: Limits, sides: Iterable[int | None]) -> dict[int | None, Pixels]:
    """What ``decode_rgb`` gives for each size, without decoding again where it would give the same: only JPEGs are
    shrunk, and only by halves."""
    by_side: dict[int | None, Pixels] = {}
    last: Pixels | None = None
    for side in sorted(sides, key=lambda s: -math.inf if s is None else -s):
        if last is None or (side is not None and data.startswith(_JPEG) and min(last.shape[:2]) // 2 >= side):
            last = decode_rgb(data, limits, min_side=side)
        by_side[side] = last
    return by_side
