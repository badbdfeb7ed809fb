"""Lengths, equal rows and exact cosines of vectors, in pieces of bounded memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Floats = NDArray[Any]

_ROWS = 4096


def lengths(vectors: Floats) -> Float64:
    """``(n,)`` float64; NaN or infinite where a component is."""
    out = np.empty(len(vectors))
    for start in range(0, len(vectors), _ROWS):
        some = vectors[start : start + _ROWS].astype(np.float64)
        out[start : start + _ROWS] = np.sqrt(np.einsum("ij,ij->i", some, some))
    return out


def cosines(vectors: Floats, length: Float64, a: Int64, b: Int64) -> Float64:
    """Cosine of each pair of rows, in float64."""
    out = np.empty(len(a))
    for start in range(0, len(a), _ROWS):
        i, j = a[start : start + _ROWS], b[start : start + _ROWS]
        products = np.einsum("ij,ij->i", vectors[i].astype(np.float64), vectors[j].astype(np.float64))
        out[start : start + _ROWS] = products / (length[i] * length[j])
    return out


def collapse(vectors: Floats, rows: Int64) -> tuple[Int64, Int64, Int64]:
    """Of these rows, ascending: ``(first of each distinct vector, copies, the first of each copy)``. Bit patterns are
    compared. (Rows that share a 64-bit hash and differ count as distinct.)"""
    keys = _hashes(vectors, rows)
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.r_[True, keys[order][1:] != keys[order][:-1]][: len(rows)])
    sizes = np.diff(np.r_[starts, len(rows)])
    other, original = rows[order], np.repeat(rows[order][starts], sizes)
    copy = np.zeros(len(rows), np.bool_)
    candidates = np.flatnonzero(other != original)
    for start in range(0, len(candidates), _ROWS):
        some = candidates[start : start + _ROWS]
        copy[some] = (vectors[other[some]] == vectors[original[some]]).all(1)
    return np.sort(other[~copy]), other[copy], original[copy]


def _hashes(vectors: Floats, rows: Int64) -> NDArray[np.uint64]:
    """A 64-bit hash of each row: its bit patterns weighed by fixed odd numbers."""
    unsigned = np.dtype(f"u{vectors.dtype.itemsize}")
    weights = np.random.default_rng(0).integers(0, 2**64, vectors.shape[1], np.uint64) | np.uint64(1)
    out = np.empty(len(rows), np.uint64)
    for start in range(0, len(rows), _ROWS):
        bits = np.ascontiguousarray(vectors[rows[start : start + _ROWS]]).view(unsigned)
        mixed = (bits.astype(np.uint64) + np.uint64(1)) * weights
        out[start : start + _ROWS] = (mixed ^ (mixed >> np.uint64(29))).sum(1, dtype=np.uint64)
    return out
