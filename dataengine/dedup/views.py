"""The pictures that are embedded for one: itself, and what is inside its margins.

Two pictures are near when any view of one is near the first view of the other. A second view costs a second pass through
the model, and only pictures with margins have one. With the stand-in embedding centre crops of 80 and 90 % and a blurred
view add no copy of the usual edits (docs/dedup.md) at cosine 0.75 or 0.8; from 0.85 on they do.
"""

from __future__ import annotations

from dataengine.media.borders import trimmed
from dataengine.media.pixels import Pixels


def views(rgb: Pixels) -> list[Pixels]:
    """One or two ``(H, W, 3) uint8``: the picture, and, where it has margins, the picture without them."""
    inner = trimmed(rgb)
    return [rgb] if inner is rgb else [rgb, inner]
