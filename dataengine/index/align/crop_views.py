"""Two views of a sample as a pair that belongs together, in the decode child: crops of a picture, halves of a video's frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataengine.embed.prepared import Prepared
from dataengine.media.image.decode import decode_rgb
from dataengine.media.limits import Limits
from dataengine.media.video.reader import frames_even
from dataengine.samples.draws import draw

if TYPE_CHECKING:
    from dataengine.models.encoders import Encoder

#: Of each side of a picture, the least share of a crop.
_LEAST = 0.5


def prepare(context: tuple[Limits, Encoder, int], item: tuple[bytes, str, str]) -> Prepared:
    """``item`` is (media bytes, kind, id); what is cropped depends on the id and the seed of the context. Raises InputError."""
    limits, encoder, seed = context
    data, kind, id_ = item
    if kind != "image":
        frames = list(frames_even(data, max(2, encoder.frames), limits)[0])
        half = max(1, len(frames) // 2)
        return [encoder.prepare(frames[:half]), encoder.prepare(frames[-half:])]
    rgb = decode_rgb(data, limits)
    return [encoder.prepare([crop(rgb, draw(seed, f"{id_}#{n}", "crop"))]) for n in range(2)]


def crop(rgb: Any, key: int, least: float = _LEAST) -> Any:
    """A part of ``(H, W, 3)`` pixels, of ``least`` to all of each side, where and how large by the bits of ``key``."""
    height, width = rgb.shape[:2]
    shares = [((key >> 16 * n) & 0xFFFF) / 0xFFFF for n in range(4)]
    h, w = (
        max(1, round(side * (least + (1 - least) * share))) for side, share in ((height, shares[0]), (width, shares[1]))
    )
    top, left = round((height - h) * shares[2]), round((width - w) * shares[3])
    return rgb[top : top + h, left : left + w]
