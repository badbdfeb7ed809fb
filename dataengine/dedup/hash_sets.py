"""Sets of 64-bit hashes as two arrays: those of a video's frames, or of a text's shingles."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Int64 = NDArray[np.int64]


class HashSets(NamedTuple):
    """The distinct hashes of set s are ``hashes[starts[s]:starts[s + 1]]``, ascending."""

    starts: Int64
    hashes: Int64

    @property
    def sizes(self) -> Int64:
        return np.diff(self.starts)

    def take(self, sets: Int64) -> HashSets:
        sizes = self.sizes[sets]
        return HashSets(np.r_[0, np.cumsum(sizes)], self.hashes[ranges(self.starts[sets], sizes)])


def hash_sets(lists: pa.ChunkedArray[Any]) -> HashSets:
    """Sets of the ``frame_hashes`` column, in its order; absent hashes are left out."""
    array: Any = lists.combine_chunks()
    values = array.flatten()
    owner = array.value_parent_indices().to_numpy(zero_copy_only=False).astype(np.int64)
    there = values.is_valid().to_numpy(zero_copy_only=False)
    hashes, owner = values.fill_null(0).to_numpy()[there], owner[there]
    order = np.lexsort((hashes, owner))
    hashes, owner = hashes[order], owner[order]
    fresh = np.r_[True, (hashes[1:] != hashes[:-1]) | (owner[1:] != owner[:-1])][: len(hashes)]
    return HashSets(np.searchsorted(owner[fresh], np.arange(len(array) + 1)), hashes[fresh])


def ranges(starts: Int64, sizes: Int64) -> Int64:
    """Concatenated ranges: ``starts[0], starts[0] + 1, …`` (``sizes[0]`` of them), then from ``starts[1]``, …"""
    ends = np.cumsum(sizes)
    count = int(ends[-1]) if len(ends) else 0
    indices: Int64 = np.arange(count) + np.repeat(starts - (ends - sizes), sizes)
    return indices
