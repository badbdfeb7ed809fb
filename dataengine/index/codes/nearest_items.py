"""VQ codes of QARM (arXiv 2411.11739): a sample of items is the codebook, and the code of an item is the numbers of
those nearest to it, nearest first. Numbers go from 1, as in the paper."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

#: Rows of a search: always so many, the last block filled up.
_ROWS = 1024


class NearestItems:
    """``(N, d)`` vectors of the codebook's items; ``nearest`` of them are a code."""

    def __init__(self, items: Float32, nearest: int) -> None:
        import faiss

        self._index: Any = faiss.IndexFlatL2(items.shape[1])
        self._index.add(np.ascontiguousarray(items, np.float32))
        self._nearest = min(nearest, len(items))

    def encode(self, vectors: NDArray[Any]) -> NDArray[np.int32]:
        """``(n, nearest)`` numbers of items by distance, of equally near ones the smaller first."""
        codes = np.empty((len(vectors), self._nearest), np.int32)
        for start in range(0, len(vectors), _ROWS):
            some = vectors[start : start + _ROWS]
            block = np.zeros((_ROWS, vectors.shape[1]), np.float32)
            block[: len(some)] = some
            distances, numbers = self._index.search(block, self._nearest)
            order = np.lexsort((numbers, distances), axis=1)
            codes[start : start + len(some)] = np.take_along_axis(numbers, order, axis=1)[: len(some)] + 1
        return codes
