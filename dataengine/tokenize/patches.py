"""Frames → patch features in exact integers: the part of the product tokenizer that runs in the decode child.

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
from dataengine.tokenize.base import Frame, Grid
from dataengine.tokenize.resize import PATCH, smart_resize

#: DCT coefficients kept a side, of Y, Cb and Cr.
CORNERS = (8, 4, 4)
FEATURES = sum(n * n for n in CORNERS)
#: Features are in quarters of a grey level.
SCALE = 4

_BASIS_BITS = 16


@dataclass(frozen=True, eq=False)
class Patches:
    """Features ``(T, 96) int16`` of one sample and the grid they lie in."""

    features: NDArray[np.int16]
    grid: Grid


@dataclass(frozen=True)
class Patcher:
    """Picklable preparer: resizes every frame alike to whole patches and takes their features."""

    frames: int
    min_tokens: int
    max_tokens: int
    max_frame_tokens: int

    def grid(self, height: int, width: int, frames: int) -> Grid:
        """Grid of ``frames`` frames of this size; of a single one up to ``max_tokens``. Raises InputError."""
        most = self.max_tokens if frames == 1 else self.max_frame_tokens
        h, w = smart_resize(height, width, min_tokens=min(self.min_tokens, most), max_tokens=most)
        return frames, h // PATCH, w // PATCH

    def __call__(self, frames: Sequence[Frame]) -> Patches:
        """``(H, W, 3)`` RGB frames of one size → Patches. Raises InputError for no frame or frames of several sizes."""
        if not frames or len({f.shape for f in frames}) != 1:
            raise InputError("frames", f"expected frames of one size, got {sorted({f.shape for f in frames})}")
        height, width = frames[0].shape[:2]
        grid = self.grid(height, width, len(frames))
        size = (grid[2] * PATCH, grid[1] * PATCH)
        return Patches(np.concatenate([features(_resized(f, size)) for f in frames]), grid)


def features(ycbcr: NDArray[np.uint8]) -> NDArray[np.int16]:
    """``(28h, 28w, 3)`` YCbCr → ``(h * w, 96)`` DCT coefficients in quarters of a grey level, raster order."""
    h, w = ycbcr.shape[0] // PATCH, ycbcr.shape[1] // PATCH
    found = np.empty((h * w, FEATURES), np.int16)
    start = 0
    for plane, corner in enumerate(CORNERS):
        basis = _basis(corner)
        rows = (ycbcr[:, :, plane].astype(np.float64) - 128).reshape(-1, PATCH) @ basis.T
        columns = np.ascontiguousarray(rows.reshape(h, PATCH, w, corner).transpose(0, 2, 3, 1)).reshape(-1, PATCH)
        exact = (columns @ basis.T).reshape(h * w, corner * corner) * (SCALE / 4**_BASIS_BITS)
        found[:, start : start + corner * corner] = np.rint(exact)
        start += corner * corner
    return found


def pixels(features: NDArray[np.int16], grid: Grid) -> NDArray[np.uint8]:
    """The way back: ``(T, 96)`` → ``(t, 28h, 28w, 3)`` RGB, without what ``features`` left out."""
    t, h, w = grid
    planes, start = [], 0
    for corner in CORNERS:
        basis = _basis(corner) / 2**_BASIS_BITS
        flat = features[:, start : start + corner * corner].astype(np.float64) / SCALE
        square = basis.T @ flat.reshape(-1, corner, corner).transpose(0, 2, 1) @ basis
        planes.append(square.reshape(t, h, w, PATCH, PATCH).transpose(0, 1, 3, 2, 4).reshape(t, h * PATCH, w * PATCH))
        start += corner * corner
    ycbcr = np.clip(np.rint(np.stack(planes, axis=-1) + 128), 0, 255).astype(np.uint8)
    size = (w * PATCH, h * PATCH)
    return np.stack([np.asarray(Image.frombytes("YCbCr", size, f.tobytes()).convert("RGB")) for f in ycbcr])


def _resized(frame: Frame, size: tuple[int, int]) -> NDArray[np.uint8]:
    """YCbCr of a frame at ``(width, height)``; Pillow does both in fixed point, the same on any machine."""
    picture = Image.fromarray(np.ascontiguousarray(frame))
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    return np.asarray(picture.convert("YCbCr"))


def _basis(corner: int) -> NDArray[np.float64]:
    """The first rows of the orthonormal DCT-II of 28 points in units of 2**-16: ``(corner, 28)``, whole numbers."""
    k, x = np.arange(corner)[:, None], np.arange(PATCH)[None, :]
    scale = np.sqrt(np.where(k == 0, 1, 2) / PATCH) * 2**_BASIS_BITS
    basis: NDArray[np.float64] = np.rint(np.cos(np.pi * (2 * x + 1) * k / (2 * PATCH)) * scale)
    return basis
