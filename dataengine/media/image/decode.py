"""Image decoding to arrays, complete and strict, so that a damaged file fails here and not in a training run.

A closed list of formats; those that are programs or need a helper (EPS, PDF, SVG, WMF) are not in it. Pillow's own
decompression-bomb check is off in this process: ``Limits.pixels`` takes its place, before any pixel is decoded.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, UnidentifiedImageError

from dataengine.errors import InputError
from dataengine.media.image import jpeg, pixels
from dataengine.media.image.pixels import Pixels
from dataengine.media.limits import Limits
from dataengine.media.sniff import Media, video_format
from dataengine.media.truncation import shortfall
from dataengine.text.quotations import without_quotations

Image.MAX_IMAGE_PIXELS = None

#: Formats that may hold several frames or pages.
ANIMATED = ("GIF", "WEBP", "PNG", "AVIF", "TIFF")
_SURE = ("PNG", "GIF", "JPEG", "WEBP", "BMP", "TIFF", "AVIF", "JPEG2000", "PSD", "ICO")
_ACCEPTED = (
    *("AVIF", "BMP", "DIB", "CUR", "PCX", "DCX", "DDS", "FLI", "GIF", "PNG", "JPEG2000", "ICNS", "ICO", "IM", "JPEG"),
    *("TIFF", "MSP", "PPM", "PSD", "QOI", "SGI", "SUN", "TGA", "WEBP", "XBM", "XPM"),
)
"""In the order in which they are tried; TGA, which has no mark of its own, after what has one."""
_ORIENTATION = 0x0112
_TIFF_DATA = ((273, 279), (324, 325))
"""TIFF tags of the offsets and sizes of strips, and of tiles."""
_JPEG = b"\xff\xd8\xff"
_EXT = {"jpeg": "jpg", "tiff": "tif", "jpeg2000": "jp2"}
_FORMAT = {"mpo": "jpeg", "dib": "bmp"}

#: Exceptions of Pillow's decoders on damaged files.
ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, AttributeError, ArithmeticError,
    RuntimeError, struct.error, zlib.error,
)  # fmt: skip


def sniff(data: bytes) -> Media:
    """Media type of ``data``. Raises InputError ``not_media``, or the failure of a picture's header."""
    if video := video_format(data):
        return video
    with opened(data) as image:
        return describe(image)


def describe(image: Image.Image) -> Media:
    """Format and extension of an opened image."""
    name = (image.format or "").lower()
    name = _FORMAT.get(name, name)
    return Media("image", name, _EXT.get(name, name))


def decode_rgb(data: bytes, limits: Limits, min_side: int | None = None) -> Pixels:
    """Decode to ``(H, W, 3) uint8``, upright (EXIF), transparency over white; of an animation the first frame. With ``min_side``
    a JPEG may be decoded at 1/2, 1/4 or 1/8, its shorter side still at least ``min_side``. Raises InputError."""
    with opened(data, limits) as image:
        return rgb(image, data, limits, min_side)


def rgb(image: Image.Image, data: bytes, limits: Limits, min_side: int | None = None) -> Pixels:
    """``decode_rgb`` of an image that is already open; call it within ``opened``."""
    decoded = jpeg.decode(data, "RGB", min_side) if is_jpeg(image) else None
    if decoded is None:
        load(image, data, limits)
        decoded = np.asarray(pixels.to_rgb(image))
    return pixels.upright(decoded, orientation(image))


def decode_gray(data: bytes, limits: Limits, min_side: int) -> Pixels:
    """Decode to ``(H, W) uint8`` for hashing: upright, transparency over white, halved while the shorter side stays at least
    ``min_side``, by the DCT in JPEGs and by averaging elsewhere. Raises InputError."""
    with opened(data, limits) as image:
        return gray(image, data, min_side, limits)


def gray(image: Image.Image, data: bytes, min_side: int, limits: Limits) -> Pixels:
    """``decode_gray`` of an image that is already open; call it within ``opened``."""
    decoded = jpeg.decode(data, "GRAY", min_side) if is_jpeg(image) else None
    if decoded is None:
        load(image, data, limits)
        picture = pixels.to_gray(image)
    else:
        picture = Image.fromarray(decoded)
    factor = 1
    while min(picture.size) // (2 * factor) >= min_side:
        factor *= 2
    picture = picture.reduce(factor) if factor > 1 else picture
    return pixels.upright(np.asarray(picture), orientation(image))


def load(image: Image.Image, data: bytes, limits: Limits) -> None:
    """Decode the current frame of ``image`` completely, with checks that Pillow lacks: a later frame may be larger than the
    first, and the picture in an icon than its directory says; Pillow ignores the checksums of PNG pixel data, and libtiff fills
    missing data with zeros. Call it within ``opened``, which translates what Pillow raises."""
    limits.check_pixels(*image.size)
    if image.format == "PNG" and image.tell() == 0:
        _check_png(data)
    tags = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    for offsets, sizes in _TIFF_DATA:
        ends = [at + size for at, size in zip(tags.get(offsets, ()), tags.get(sizes, ()), strict=False)]
        if max(ends, default=0) > len(data):
            raise InputError("truncated", f"the file ends early: {len(data):,} bytes of at least {max(ends):,}")
    image.load()
    limits.check_pixels(*image.size)


@contextmanager
def opened(data: bytes, limits: Limits | None = None) -> Iterator[Image.Image]:
    """Context of an image with only its header read and, given ``limits``, checked. What Pillow raises inside becomes InputError
    ``not_media``, ``truncated`` or ``corrupt``."""
    if limits:
        limits.check_bytes(len(data))
    if missing := shortfall(data):
        raise InputError("truncated", missing)
    try:
        with Image.open(io.BytesIO(data), formats=_formats(data)) as image:
            if limits:
                limits.check_pixels(*image.size)
            yield image
    except (InputError, MemoryError, ImportError):
        raise
    except UnidentifiedImageError as error:
        raise _unidentified(data) from error
    except ERRORS as error:
        raise _failure(data, error) from error


def _check_png(data: bytes) -> None:
    """Verify the checksums of all pixel data chunks, whose lengths are already checked."""
    at = 8
    while (kind := data[at + 4 : at + 8]) != b"IEND":
        end = at + 8 + int.from_bytes(data[at : at + 4])
        if kind in (b"IDAT", b"fdAT") and zlib.crc32(data[at + 4 : end]) != int.from_bytes(data[end : end + 4]):
            raise InputError(
                "corrupt", f"damaged PNG data: the {kind.decode()} chunk at byte {at:,} fails its checksum"
            )
        at = end + 4


def is_jpeg(image: Image.Image) -> bool:
    """True for JPEG and its multi-picture form, of which the first picture counts."""
    return image.format in ("JPEG", "MPO")


def orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 1 if it is missing or invalid."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except ERRORS:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _formats(data: bytes) -> list[str]:
    """Formats to try. JPEG, the most common one, is spared the 0.1 s that loading all of Pillow's formats takes once."""
    if data.startswith(_JPEG):
        return ["JPEG"]
    return list(_ACCEPTED)


def _accepts(name: str, data: bytes) -> bool:
    accept = Image.OPEN[name][1]
    return bool(accept and accept(data[:16].ljust(16, b"\0")) is True)


def _unidentified(data: bytes) -> InputError:
    named = next((n for n in _SURE if n in Image.OPEN and _accepts(n, data)), None)
    if named:
        return _failure(data, OSError(f"it begins like {named}, but its header is damaged or of an unknown variant"))
    return InputError("not_media", "not a known image or video format")


def _failure(data: bytes, error: Exception) -> InputError:
    text = without_quotations(error)
    early = isinstance(error, EOFError) or any(s in text.lower() for s in ("truncated", "not enough image data"))
    if early or (data.startswith(_JPEG) and b"\xff\xd9" not in data):
        return InputError("truncated", f"the image data end early, after {len(data):,} bytes ({text})")
    return InputError("corrupt", f"the image cannot be decoded: {text}")
