"""Irreversible face anonymisation of pictures and videos: each face is replaced by some 8 x 8 averages of its pixels.

Averaging cannot be undone as a Gaussian blur can. The replaced ellipse contains the whole detected box. The rest stays as close
to the original as re-encoding permits: JPEGs keep their quantisation tables, WebP and PNG keep their format, other formats
become PNG, videos H.264 (``media/video/encode.py``) with their sound. Metadata of a picture with faces are removed, thumbnails
included, except the colour profile. Deterministic: equal input bytes give equal output bytes.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from PIL import Image, JpegImagePlugin

from dataengine.errors import InputError
from dataengine.media.image import decode, pixels
from dataengine.media.image.pixels import Pixels
from dataengine.media.limits import Limits
from dataengine.media.video import cut, reader

#: Face detector: ``(H, W, 3) uint8`` to ``(N, 4)`` left, top, right and bottom, as shares of width and height.
Finder = Callable[[Pixels], npt.NDArray[np.float64]]
Box = tuple[float, float, float, float]

#: Increased when the bytes of anonymised files could change.
VERSION = "1"
_CELLS = 8
_REACH, _SOFT = math.sqrt(2), 1.15
"""Half axes of the ellipse, in half sides of the box (root 2 contains the box), and where its soft edge ends."""
_LONGEST = 1280
"""Longer side, in pixels, of video frames for detection."""
_QUALITY = 95
_SUBSAMPLING = (0, 1, 2)
_LATER = 2e-3
_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")


def blurred_picture(data: bytes, limits: Limits, finder: Finder) -> tuple[int, bytes | None]:
    """Anonymise a picture: the number of faces, and the new file, None without faces. Raises InputError;
    ``faces_not_blurred`` for animations with a face."""
    with decode.opened(data, limits) as picture:
        frames = getattr(picture, "n_frames", 1) if picture.format in decode.ANIMATED else 1
        limits.check_frames(frames)
        if frames > 1:
            _refuse_faces(picture, data, frames, finder, limits)
            return 0, None
        shown = _plain(picture, data, limits)
        boxes = _listed(finder(np.ascontiguousarray(_color(shown))))
        if not boxes:
            return 0, None
        planes = shown[:, :, None] if shown.ndim == 2 else shown
        covered = np.array(planes)
        for channel in range(min(3, covered.shape[2])):
            blur(covered[:, :, channel], boxes)
        return len(boxes), _written(picture, data, covered.reshape(shown.shape))


def blurred_video(data: bytes, limits: Limits, finder: Finder, interval: float) -> tuple[int, bytes | None]:
    """Anonymise a video: the largest number of faces in a frame, and the new file, None without faces.

    Faces are detected every ``interval`` seconds; a box holds from two detections before to two after. Raises InputError;
    ``faces_not_blurred`` if the video cannot be re-encoded."""
    clip = reader.probe(data, limits)
    looks = np.unique(np.append(clip.at(np.arange(0.0, clip.duration, interval)), clip.frames - 1))
    longer = max(clip.width, clip.height)
    short = round(min(clip.width, clip.height) * _LONGEST / longer) if longer > _LONGEST else None
    seen = [_listed(finder(frame)) for frame in reader.stream(data, clip, looks, short)]
    if not any(seen):
        return 0, None
    starts, held = clip.times[looks], _held(seen)

    def change(frame: VideoFrame, seconds: float) -> VideoFrame:
        boxes = held[max(0, int(np.searchsorted(starts, seconds + _LATER, side="right")) - 1)]
        return _covered(frame, boxes) if boxes else frame

    try:
        with cut.cutter(data, clip) as cutting:
            return max(map(len, seen)), cutting.extract(0, clip.frames, change)
    except InputError as error:
        raise InputError(
            "faces_not_blurred", f"the video shows faces and cannot be re-encoded without them: {error}"
        ) from error


def blur(plane: npt.NDArray[Any], boxes: Iterable[Box]) -> None:
    """Replace the boxes' ellipses in an ``(H, W)`` plane of unsigned integers, in place."""
    height, width = plane.shape
    most = np.iinfo(plane.dtype).max
    for left, top, right, bottom in boxes:
        middle = np.array([top + bottom, left + right]) / 2 * (height, width)
        axes = np.maximum(np.array([bottom - top, right - left]) / 2 * (height, width) * _REACH, 1.0)
        low = np.clip(np.floor(middle - axes * _SOFT), 0, (height, width)).astype(int)
        high = np.clip(np.ceil(middle + axes * _SOFT), 0, (height, width)).astype(int)
        sides = high - low
        if (sides < 1).any():
            continue
        region = plane[low[0] : high[0], low[1] : high[1]]
        y, x = ((np.arange(a, b) + 0.5 - m) / axis for a, b, m, axis in zip(low, high, middle, axes, strict=True))
        share = np.clip((_SOFT - np.hypot(y[:, None], x[None, :])) / (_SOFT - 1), 0, 1)
        mixed = region * (1 - share) + _averaged(region) * share
        region[...] = np.clip(np.rint(mixed), 0, most).astype(plane.dtype)


def _averaged(region: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Cell averages, ``_CELLS`` along the longer side, interpolated bilinearly."""
    rows, columns = region.shape
    cell = max(rows, columns) / _CELLS
    cells = (max(1, round(columns / cell)), max(1, round(rows / cell)))
    small = Image.fromarray(region.astype(np.float32)).resize(cells, Image.Resampling.BOX)
    return np.asarray(small.resize((columns, rows), Image.Resampling.BILINEAR), np.float32)


def _listed(boxes: npt.NDArray[np.float64]) -> list[Box]:
    return [(float(a), float(b), float(c), float(d)) for a, b, c, d in boxes]


def _refuse_faces(picture: Image.Image, data: bytes, frames: int, finder: Finder, limits: Limits) -> None:
    for index in range(frames):
        picture.seek(index)
        decode.load(picture, data, limits)
        if len(finder(np.asarray(picture.convert("RGB")))):
            raise InputError(
                "faces_not_blurred", f"a face in frame {index + 1:,} of {frames:,}: animations are not re-encoded"
            )


def _plain(picture: Image.Image, data: bytes, limits: Limits) -> Pixels:
    """Decoded and upright: ``(H, W)``, ``(H, W, 3)`` or, with transparency, ``(H, W, 4) uint8``."""
    decode.load(picture, data, limits)
    if picture.mode in _ALPHA or "transparency" in picture.info:
        plain = picture.convert("RGBA")
    else:
        plain = picture if picture.mode == "L" else pixels.to_rgb(picture)
    return pixels.upright(np.asarray(plain), decode.orientation(picture))


def _color(shown: Pixels) -> Pixels:
    """As ``(H, W, 3)``, transparent pixels with their stored colour."""
    return shown[:, :, :3] if shown.ndim == 3 else np.repeat(shown[:, :, None], 3, axis=2)


def _written(picture: Image.Image, data: bytes, shown: Pixels) -> bytes:
    """Encode in the picture's own format if it is JPEG, PNG or WebP, else as PNG."""
    out, made = io.BytesIO(), Image.fromarray(shown)
    profile = picture.info.get("icc_profile") if picture.mode not in ("CMYK", "LAB", "YCCK") else None
    if decode.is_jpeg(picture) and made.mode in ("L", "RGB"):
        made.save(out, "JPEG", icc_profile=profile, **_as_before(picture, made.mode))
    elif picture.format == "WEBP":
        made.save(out, "WEBP", icc_profile=profile, quality=_QUALITY, lossless=b"VP8L" in data[:64], exact=True)
    else:
        made.save(out, "PNG", icc_profile=profile)
    return out.getvalue()


def _as_before(picture: Image.Image, mode: str) -> dict[str, Any]:
    """JPEG settings: the original's quantisation and subsampling, by which unchanged pixels hardly change; else high quality."""
    tables = getattr(picture, "quantization", None)
    if not tables or picture.mode != mode:
        return {"quality": _QUALITY}
    sampling = JpegImagePlugin.get_sampling(picture) if mode == "RGB" else -1
    return {"qtables": tables} | ({"subsampling": sampling} if sampling in _SUBSAMPLING else {})


def _held(seen: Sequence[list[Box]]) -> list[list[Box]]:
    """Boxes to cover between each detection and the next: those of the neighbouring detections, and the hull of moved ones."""
    spans = [[*a, *b, *_between(a, b)] for a, b in pairwise(seen)] or [list(seen[0])]
    last = len(spans) - 1
    return [
        list(dict.fromkeys(box for span in spans[max(0, i - 1) : min(last, i + 1) + 1] for box in span))
        for i in range(len(seen))
    ]


def _between(before: Sequence[Box], after: Sequence[Box]) -> Iterator[Box]:
    """Hulls of pairs of boxes closer than their size: a face that has moved, or two faces."""
    for a in before:
        for b in after:
            apart = (max(a[0], b[0]) - min(a[2], b[2]), max(a[1], b[1]) - min(a[3], b[3]))
            if a != b and apart[0] < max(a[2] - a[0], b[2] - b[0]) and apart[1] < max(a[3] - a[1], b[3] - b[1]):
                yield min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _covered(frame: VideoFrame, boxes: Sequence[Box]) -> VideoFrame:
    """A copy of the frame with the boxes covered, plane by plane without colour conversion; decoders still reference the
    original."""
    made = VideoFrame(frame.width, frame.height, frame.format.name)
    kind = np.dtype(np.uint16 if frame.format.components[0].bits > 8 else np.uint8)
    for source, target in zip(frame.planes, made.planes, strict=True):
        rows = np.frombuffer(memoryview(source), kind).reshape(-1, source.line_size // kind.itemsize)
        room = np.zeros((target.height, target.line_size // kind.itemsize), kind)
        plane = room[:, : target.width]
        plane[...] = rows[: source.height, : source.width]
        blur(plane, boxes)
        target.update(room.tobytes())
    return made
