"""Cosines of embeddings above a threshold: the product in the 64 main axes, and of the lengths of what is left (Cauchy and
Schwarz), is a bound that few pairs reach, so that few whole products are computed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataengine.dedup.semantic import DECIMALS
from dataengine.dedup.vectors import lengths

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]

_PRODUCTS = 1 << 22
_AXES = 64  # of the bound on the cosine
_SLACK = 1e-3  # more than float32 rounds


class Embedded:
    """Rows with both embeddings, as unit vectors in float32."""

    def __init__(self, table: pa.Table) -> None:
        image, text = (_matrix(table, name) for name in ("image", "text"))
        long, wide = lengths(image), lengths(text)
        self.rows = np.flatnonzero(np.isfinite(long) & (long > 0) & np.isfinite(wide) & (wide > 0))
        self.image: Float32 = (image[self.rows] / long[self.rows, None]).astype(np.float32)
        self.text: Float32 = (text[self.rows] / wide[self.rows, None]).astype(np.float32)


class Pictures:
    """Rows with an embedding of a picture, as unit vectors in float32."""

    def __init__(self, table: pa.Table) -> None:
        image = _matrix(table, "image")
        long = lengths(image)
        self.rows = np.flatnonzero(np.isfinite(long) & (long > 0))
        self.image: Float32 = (image[self.rows] / long[self.rows, None]).astype(np.float32)


def main_axes(image: Float32) -> Float32:
    """``(d, k)``: the directions in which the pictures ``(n, d)`` are long, orthonormal."""
    dim = image.shape[1]
    if dim <= _AXES:
        return np.eye(dim, dtype=np.float32)
    some = image[:: max(1, len(image) // 20_000)]
    vectors: Float32 = np.linalg.eigh((some.T @ some).astype(np.float64))[1][:, -_AXES:].astype(np.float32)
    return vectors


def shortened(rows: Float32, axes: Float32) -> Float32:
    """``(n, k + 1)``: along the axes, and the length of the rest. Products are no less than those of the rows."""
    along = rows @ axes
    rest = np.sqrt(np.maximum(0, 1 - np.einsum("ij,ij->i", along, along)))
    return np.concatenate([along, rest[:, None]], 1).astype(np.float32)


def likely(ours: Float32, theirs: Float32, above: float) -> Iterator[tuple[Int64, Int64]]:
    """Pairs ``(i, j)`` whose bound reaches the threshold, a block at a time."""
    step = max(1, _PRODUCTS // max(1, len(theirs)))
    for start in range(0, len(ours), step):
        i, j = np.nonzero(ours[start : start + step] @ theirs.T >= above - _SLACK)
        if len(i):
            yield i + start, j


def cosines(a: Float32, b: Float32, i: Int64, j: Int64) -> Float64:
    out = np.empty(len(i))
    for start in range(0, len(i), 4096):
        x, y = a[i[start : start + 4096]].astype(np.float64), b[j[start : start + 4096]].astype(np.float64)
        out[start : start + 4096] = np.einsum("ij,ij->i", x, y)
    return np.round(out, DECIMALS)


def _matrix(table: pa.Table, name: str) -> NDArray[Any]:
    """``(n, d)`` of a column of fixed-size lists; NaN where null."""
    column: Any = table[name].combine_chunks()
    filled = column.fill_null([float("nan")] * column.type.list_size) if column.null_count else column
    return np.asarray(pc.list_flatten(filled).to_numpy(zero_copy_only=False)).reshape(
        len(column), column.type.list_size
    )
