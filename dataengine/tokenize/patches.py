"""Patch features in exact integers from frames: the preprocessing of the product tokenizer, run in the decode child.

Each 28×28 patch becomes the low-frequency corner of its orthonormal DCT in YCbCr. The basis is rounded to integers and
all sums stay below 2**53, so float64 products are exact: features do not depend on BLAS, threads or batch. 96 of 2,352
numbers are kept, which costs fine texture that the codebooks would not keep either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataengine.errors import InputError
from dataengine.media.image.resample import resize
from dataengine.media.image.resize import PATCH, smart_resize
from dataengine.media.video.sampling import SlowFast
from dataengine.tokenize.base import Frame, Grid, Timeline

#: DCT coefficients kept a side, of Y, Cb and Cr.
CORNERS = (8, 4, 4)
FEATURES = sum(n * n for n in CORNERS)
#: Features are in quarters of a grey level.
SCALE = 4

_BASIS_BITS = 16


@dataclass(frozen=True, eq=False)
class Patches:
    """Features ``(T, 96) int16`` of one sample, frame by frame, the grid they lie in and, of a video, its timeline."""

    features: NDArray[np.int16]
    grid: Grid
    timeline: Timeline | None = None


@dataclass(frozen=True)
class Native:
    """Native-resolution sizing: pictures keep their aspect ratio and take ``min_tokens`` to ``max_tokens``. Picklable."""

    min_tokens: int
    max_tokens: int
    video: SlowFast

    def grid(self, height: int, width: int) -> Grid:
        """Grid of a picture of this size. Raises InputError."""
        h, w = smart_resize(height, width, min_tokens=self.min_tokens, max_tokens=self.max_tokens)
        return 1, h // PATCH, w // PATCH


class Patcher(Native):
    """Resizes a picture to whole patches and takes their features."""

    def __call__(self, frames: Sequence[Frame], timeline: Timeline | None = None) -> Patches:
        """One picture ``(H, W, 3)``, or the frames of a video at their sizes → Patches. Raises InputError."""
        resized = sized(self, frames, timeline)
        return Patches(np.concatenate([features(_ycbcr(f)) for f in resized]), grid_of(resized, timeline), timeline)


def sized(preparer: Native, frames: Sequence[Frame], timeline: Timeline | None) -> list[Frame]:
    """Frames in whole patches: a picture is resized by the preparer's bounds, frames of a video have their sizes.
    Raises InputError."""
    if not len(frames) or (timeline is None and len(frames) != 1):
        raise InputError("frames", f"expected a picture or the frames of a timeline, got {len(frames)} frames")
    if timeline is not None:
        return list(frames)
    [frame] = frames
    _, h, w = preparer.grid(*frame.shape[:2])
    return [_resized(frame, (w * PATCH, h * PATCH))]


def grid_of(frames: Sequence[Frame], timeline: Timeline | None) -> Grid:
    """(t, h, w) of frames in whole patches; h and w of the slow ones, the first of which is slow."""
    height, width = frames[0].shape[:2]
    return len(frames), height // PATCH, width // PATCH


def features(ycbcr: NDArray[np.uint8]) -> NDArray[np.int16]:
    """``(28h, 28w, 3)`` YCbCr → ``(h * w, 96)`` DCT coefficients in quarters of a grey level, raster order."""
    h, w = ycbcr.shape[0] // PATCH, ycbcr.shape[1] // PATCH
    coefficients = np.empty((h * w, FEATURES), np.int16)
    start = 0
    for plane, corner in enumerate(CORNERS):
        basis = _basis(corner)
        rows = (ycbcr[:, :, plane].astype(np.float64) - 128).reshape(-1, PATCH) @ basis.T
        columns = np.ascontiguousarray(rows.reshape(h, PATCH, w, corner).transpose(0, 2, 3, 1)).reshape(-1, PATCH)
        exact = (columns @ basis.T).reshape(h * w, corner * corner) * (SCALE / 4**_BASIS_BITS)
        coefficients[:, start : start + corner * corner] = np.rint(exact)
        start += corner * corner
    return coefficients


def pixels(features: NDArray[np.int16], h: int, w: int) -> NDArray[np.uint8]:
    """Inverse of ``features``: ``(h * w, 96)`` → ``(28h, 28w, 3)`` RGB, without the coefficients that were dropped."""
    planes, start = [], 0
    for corner in CORNERS:
        basis = _basis(corner) / 2**_BASIS_BITS
        flat = features[:, start : start + corner * corner].astype(np.float64) / SCALE
        square = basis.T @ flat.reshape(-1, corner, corner).transpose(0, 2, 1) @ basis
        planes.append(square.reshape(h, w, PATCH, PATCH).transpose(0, 2, 1, 3).reshape(h * PATCH, w * PATCH))
        start += corner * corner
    ycbcr = np.clip(np.rint(np.stack(planes, axis=-1) + 128), 0, 255).astype(np.uint8)
    return np.asarray(Image.frombytes("YCbCr", (w * PATCH, h * PATCH), ycbcr.tobytes()).convert("RGB"))


def _resized(frame: Frame, size: tuple[int, int]) -> Frame:
    return frame if frame.shape[1::-1] == size else resize(frame, size[::-1], "bicubic")


def _ycbcr(frame: Frame) -> Frame:
    return np.asarray(Image.fromarray(np.ascontiguousarray(frame)).convert("YCbCr"))


def _basis(corner: int) -> NDArray[np.float64]:
    """The first rows of the orthonormal DCT-II of 28 points in units of 2**-16: ``(corner, 28)``, whole numbers."""
    k, x = np.arange(corner)[:, None], np.arange(PATCH)[None, :]
    scale = np.sqrt(np.where(k == 0, 1, 2) / PATCH) * 2**_BASIS_BITS
    basis: NDArray[np.float64] = np.rint(np.cos(np.pi * (2 * x + 1) * k / (2 * PATCH)) * scale)
    return basis
