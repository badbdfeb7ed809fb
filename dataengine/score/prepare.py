"""What runs in the decode child for scorers: one decode of a sample serves all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dataengine.media.image import decode_rgb
from dataengine.media.limits import Limits
from dataengine.media.video import frames_even
from dataengine.score.base import Scorer


def prepare(context: tuple[Limits, Sequence[Scorer]], item: tuple[bytes, str]) -> dict[str, Any]:
    """``item`` is (media bytes, kind); what each scorer made of its frames, by name. Raises InputError."""
    limits, scorers = context
    data, kind = item
    sides = [s.min_side for s in scorers]
    side = None if None in sides else max(s for s in sides if s is not None)
    if kind == "image":
        frame = decode_rgb(data, limits, min_side=side)
        return {s.name: s.prepare([frame]) for s in scorers}
    decoded = {count: frames_even(data, count, limits)[0] for count in sorted({s.frames for s in scorers})}
    return {s.name: s.prepare(list(decoded[s.frames])) for s in scorers}
