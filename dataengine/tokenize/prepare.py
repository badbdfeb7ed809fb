"""What runs in the decode child for a tokenizer: bytes → frames → what ``encode`` takes."""

from __future__ import annotations

from typing import Any

from dataengine.media.image import decode_rgb
from dataengine.media.limits import Limits
from dataengine.media.video import frames_even
from dataengine.tokenize.base import Preparer


def prepare(context: tuple[Limits, Preparer], item: tuple[bytes, str]) -> Any:
    """``item`` is (media bytes, kind). Raises InputError."""
    limits, preparer = context
    data, kind = item
    if kind == "image":
        return preparer([decode_rgb(data, limits)])
    frames, _ = frames_even(data, preparer.frames, limits)
    return preparer(list(frames))
