"""Members of a record in a shard: ``<id>.json`` and one reproducible PNG an observation.

PNGs are compressed by run lengths and Huffman codes only: on photographs as small as any level (240 against 237 KB), three
times as fast, and without the string search in which zlib's builds for different CPUs differ.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from dataengine.cot.core.record import Observation, Record
from dataengine.media.image.decode import decode_rgb
from dataengine.media.image.pixels import Pixels
from dataengine.media.limits import Limits
from dataengine.tokenize.base import Codes, Grid
from dataengine.tokenize.codec import from_npy

_LIMITS = Limits(bytes=16 << 20, pixels=4_000_000)


def encode_png(pixels: Pixels) -> bytes:
    """``(H, W, 3) uint8`` as PNG; equal pixels give equal bytes."""
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "PNG", compress_level=6, compress_type=zlib.Z_RLE)
    return out.getvalue()


def decode_png(data: bytes) -> Pixels:
    """The inverse of ``encode_png``. Raises InputError."""
    return decode_rgb(data, _LIMITS)


def observations(images: Sequence[bytes], grids: Sequence[Grid] = ()) -> tuple[Observation, ...]:
    """Names of a record's pictures (``obs0.png`` and so on) with their digests, and the grids of their codes where they have
    any."""
    digests = [hashlib.sha256(data).hexdigest() for data in images]
    return tuple(
        Observation(name=f"obs{i}.png", sha256=sha256, grid=grids[i] if grids else None)
        for i, sha256 in enumerate(digests)
    )


def record_members(record: Record, images: Sequence[bytes], codes: Sequence[bytes] = ()) -> list[tuple[str, bytes]]:
    """``(name, bytes)`` of the members, in the order in which they lie in a shard. ``images`` are PNGs, ``codes`` their codes
    (.npy) where the release has any, in the order of the record's observations."""
    members = [(f"{record.id}.json", record.to_bytes())]
    members += [(f"{record.id}.{o.name}", data) for o, data in zip(record.observations, images, strict=True)]
    coded = [o for o in record.observations if o.grid is not None]
    return members + [(f"{record.id}.{o.codes_name}", data) for o, data in zip(coded, codes, strict=True)]


def pictures_of(members: Mapping[str, bytes]) -> dict[str, bytes]:
    """The pictures among a record's members, by extension."""
    return {name: data for name, data in members.items() if name.endswith(".png")}


def codes_of(record: Record, members: Mapping[str, bytes], name: str) -> Codes | None:
    """Codes of a picture of the record, by its extension; None where it has none. Raises RunError for damaged ones."""
    one = next((o for o in record.observations if o.name == name), None)
    if one is None or one.grid is None or one.codes_name not in members:
        return None
    return from_npy(members[one.codes_name], one.grid)
