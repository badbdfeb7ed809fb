"""Residual k-means, the RQ codes of QARM (arXiv 2411.11739): each level's centres are those of what the levels
before leave of the vectors; a code is the number of the nearest centre by squared Euclidean distance, from 0.

As in the open release of the tokenizer there is no trained encoder, and centres are not brought to unit length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataengine.errors import RunError
from dataengine.models.lloyd import assigned_to, lloyd

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]

#: Rows of a matrix product: always so many, the last block filled up, so that a row's codes depend on no other row.
_ROWS = 1024

Saved = Callable[[int], Float32 | None]
"""The centres of a level, None where it is not fitted yet."""


def check(vectors: Float32, size: int) -> None:
    """Raises RunError where ``(n, d)`` vectors cannot give so many codes: too few, not finite, or too many equal ones."""
    if not np.isfinite(vectors.sum(dtype=np.float64)):
        raise RunError("vectors to fit codebooks on have components that are not finite numbers: embed them again")
    if len(vectors) < size:
        raise RunError(
            f"{len(vectors):,} vectors are too few for {size:,} codes a level: set `size` (index.codes.size) to {len(vectors):,} "
            "at most, better to a tenth of it"
        )
    distinct = len(
        np.unique(np.ascontiguousarray(vectors).view(np.dtype((np.void, vectors.dtype.itemsize * vectors.shape[1]))))
    )
    if distinct < size:
        raise RunError(
            f"only {distinct:,} of {len(vectors):,} vectors differ, too few for {size:,} codes a level: set `size` "
            f"(index.codes.size) to {distinct:,} at most" + (", or look at what is embedded" if distinct == 1 else "")
        )


def fit(
    vectors: Float32,
    levels: int,
    size: int,
    *,
    iterations: int,
    seed: int,
    threads: int = 1,
    saved: Saved = lambda level: None,
    save: Callable[[int, Float32], None] = lambda level, centres: None,
) -> list[Float32]:
    """``levels`` codebooks ``(size, d)`` of ``(n, d)`` vectors, which are overwritten. ``saved`` and ``save`` keep each level
    once it is fitted, so that a fit that was killed goes on with the next. Raises RunError as ``check``.

    Where fewer than ``size`` different residuals are left, centres that no residual is nearest to stay unused."""
    check(vectors, size)
    codebooks = []
    for level in range(levels):
        centres = saved(level)
        if centres is None:
            start = vectors[_first_different(vectors, size, seed + level)]
            centres, _ = lloyd(vectors, start, iterations, threads)
            save(level, centres)
        codebooks.append(centres)
        if level + 1 < levels:
            subtract(vectors, centres, assigned_to(vectors, centres).labels)
    return codebooks


def _first_different(vectors: Float32, size: int, seed: int) -> NDArray[np.int64]:
    """Rows of ``size`` vectors in random order, of equal ones the first; filled up with equal ones where there are too few."""
    order = np.argsort(np.random.PCG64(seed).random_raw(len(vectors)), kind="stable")
    seen, different, equal = set[bytes](), list[int](), list[int]()
    for at in order:
        key = vectors[at].tobytes()
        (equal if key in seen else different).append(int(at))
        seen.add(key)
        if len(different) == size:
            break
    return np.array((different + equal)[:size], np.int64)


def subtract(vectors: Float32, centres: Float32, labels: NDArray[Any]) -> None:
    """What one level leaves of the vectors, in their place."""
    for start in range(0, len(vectors), _ROWS):
        vectors[start : start + _ROWS] -= centres[labels[start : start + _ROWS]]


class ResidualEncoder:
    """RQ codes of vectors by fitted codebooks."""

    def __init__(self, codebooks: Sequence[Float32]) -> None:
        self._codebooks = [np.ascontiguousarray(c, np.float32) for c in codebooks]
        self._tables = [np.ascontiguousarray(c.T) for c in self._codebooks]
        self._halves = [(np.einsum("ij,ij->i", c, c, dtype=np.float64) / 2).astype(np.float32) for c in self._codebooks]

    def encode(self, vectors: NDArray[Any]) -> tuple[Int32, NDArray[np.float64]]:
        """``(n, levels)`` codes of ``(n, d)`` finite vectors, and the squared length of what they leave of each, ``(n,)``."""
        codes = np.empty((len(vectors), len(self._codebooks)), np.int32)
        errors = np.empty(len(vectors))
        for piece, residual in _blocks(vectors):
            count = len(codes[piece])
            for level, codebook in enumerate(self._codebooks):
                labels = self._nearest(level, residual)
                codes[piece, level] = labels[:count]
                residual -= codebook[labels]
            left = residual[:count].astype(np.float64)
            errors[piece] = np.einsum("ij,ij->i", left, left)
        return codes, errors

    def decode(self, codes: NDArray[Any]) -> Float32:
        """``(n, d)`` sums of the centres that ``(n, levels)`` codes name."""
        total = np.zeros((len(codes), self._codebooks[0].shape[1]), np.float32)
        for level, codebook in enumerate(self._codebooks):
            total += codebook[codes[:, level]]
        return total

    def _nearest(self, level: int, residual: Float32) -> NDArray[np.int64]:
        """The nearest centre has the largest product less half its squared length."""
        scores = residual @ self._tables[level]
        scores -= self._halves[level]
        return np.asarray(np.argmax(scores, axis=1))


def _blocks(vectors: NDArray[Any]) -> Iterator[tuple[slice, Float32]]:
    """Copies of ``_ROWS`` rows as float32, the last filled up with zeros."""
    for start in range(0, len(vectors), _ROWS):
        some = vectors[start : start + _ROWS]
        block = np.zeros((_ROWS, vectors.shape[1]), np.float32)
        block[: len(some)] = some
        yield slice(start, start + len(some)), block
