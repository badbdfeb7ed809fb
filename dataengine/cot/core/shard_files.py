"""Members of a record in a shard: ``<id>.json`` and one reproducible PNG an observation.

PNGs are compressed by run lengths and Huffman codes only: on photographs as small as any level (240 against 237 KB), three
times as fast, and without the string search in which zlib's builds for different CPUs differ.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

from dataengine.cot.core.record import Observation, Record
from dataengine.media.image.decode import decode_rgb
from dataengine.media.image.pixels import Pixels
from dataengine.media.limits import Limits

_LIMITS = Limits(bytes=16 << 20, pixels=4_000_000)


def encode_png(pixels: Pixels) -> bytes:
    """``(H, W, 3) uint8`` as PNG; equal pixels give equal bytes."""
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "PNG", compress_level=6, compress_type=zlib.Z_RLE)
    return out.getvalue()


def decode_png(data: bytes) -> Pixels:
    """The inverse of ``encode_png``. Raises InputError."""
    return decode_rgb(data, _LIMITS)


def observations(images: Iterable[bytes]) -> tuple[Observation, ...]:
    """Names of a record's pictures (``obs0.png`` and so on) with their digests."""
    return tuple(
        Observation(name=f"obs{i}.png", sha256=hashlib.sha256(data).hexdigest()) for i, data in enumerate(images)
    )


def record_members(record: Record, images: Sequence[bytes]) -> list[tuple[str, bytes]]:
    """``(name, bytes)`` of the members, in the order in which they lie in a shard. ``images`` are PNGs in the order of the
    record's observations."""
    named = zip(record.observations, images, strict=True)
    return [(f"{record.id}.json", record.to_bytes()), *((f"{record.id}.{o.name}", data) for o, data in named)]
