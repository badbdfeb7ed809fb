"""Codes of vectors by fitted codebooks as columns: for the stage, and for tables of the user's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataengine.index.codes.codebooks import Codebooks
from dataengine.index.codes.nearest_items import NearestItems
from dataengine.index.codes.residual import ResidualEncoder

#: Decimals of stored errors.
DECIMALS = 4


class VectorEncoder:
    """RQ codes and, where the codebooks have items, VQ codes."""

    def __init__(self, codebooks: Codebooks) -> None:
        self.codebooks = codebooks
        self._residual = ResidualEncoder(codebooks.levels)
        self._items = None if codebooks.items is None else NearestItems(codebooks.items, codebooks.nearest)

    def table(self, vectors: NDArray[Any], model: str = "") -> pa.Table:
        """Columns ``rq``, ``rq_error`` and, with items, ``vq`` of ``(n, d)`` vectors. ``rq_error``: squared length of what the
        codes leave, as a share of the vector's own; null, as its codes, where a vector is zero or not finite. Raises RunError
        where the vectors are of another width or model."""
        self.codebooks.check(vectors.shape[1], model)
        exact = vectors.astype(np.float64)
        lengths = np.einsum("ij,ij->i", exact, exact)
        usable = np.isfinite(lengths) & (lengths > 0)
        some = np.where(usable[:, None], vectors, 0).astype(np.float32)
        codes, errors = self._residual.encode(some)
        shares = np.round(errors / np.where(usable, lengths, 1), DECIMALS)
        columns = {"rq": _lists(codes, usable), "rq_error": pa.array(shares, mask=~usable)}
        if self._items is not None:
            columns["vq"] = _lists(self._items.encode(some), usable)
        return pa.table(columns)


def _lists(codes: NDArray[np.int32], valid: NDArray[np.bool_]) -> Any:
    width = codes.shape[1]
    offsets = np.arange(len(codes) + 1, dtype=np.int32) * width
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(codes.ravel()), mask=pa.array(~valid))
