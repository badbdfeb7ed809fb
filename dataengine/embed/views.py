"""Decodes a sample at full size and prepares its views for an encoder, in the decode child.

A picture has one or two views: itself and, where it has margins, what is inside them. A second view costs a second pass
through the model, and only pictures with margins have one. With the stand-in encoder centre crops of 80 and 90 % and a
blurred view add no copy of the usual edits (docs/dedup-measurements.md) at cosine 0.75 or 0.8; from 0.85 on they do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataengine.embed.prepared import Prepared
from dataengine.media.image.borders import trimmed
from dataengine.media.image.decode import decode_rgb
from dataengine.media.limits import Limits
from dataengine.media.video.reader import frames_even

if TYPE_CHECKING:
    from dataengine.models.encoders import Encoder


def prepare(context: tuple[Limits, Encoder, bool], item: tuple[bytes, str]) -> Prepared:
    """``item`` is (media bytes, kind): one prepared array a view, ``(frames, ...)``, the whole first; the inner one of a
    picture only where the context asks for it. Not DCT-shrunk, so that a copy in another container has the same pixels, and
    what is inside margins all of its own. Raises InputError."""
    limits, encoder, inner = context
    data, kind = item
    if kind != "image":
        return [encoder.prepare(list(frames_even(data, encoder.frames, limits)[0]))]
    rgb = decode_rgb(data, limits)
    inside = trimmed(rgb) if inner else rgb
    return [encoder.prepare([view]) for view in ((rgb,) if inside is rgb else (rgb, inside))]
