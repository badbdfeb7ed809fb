"""The caption of a sample that text similarity compares: the longest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def longest_captions(samples: pa.Table) -> pa.Array[Any]:
    """Text of the longest caption of each row, the first of equally long ones; null where there is none."""
    lists = samples["captions"].combine_chunks()
    texts = pc.struct_field(pc.list_flatten(lists), "text")
    owner = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    length = pc.fill_null(pc.utf8_length(texts), 0).to_numpy(zero_copy_only=False)
    order = np.lexsort((np.arange(len(owner)), -length, owner))
    owners, first = np.unique(owner[order], return_index=True)
    place = np.full(len(samples), -1, np.int64)
    place[owners] = order[first]
    longest: pa.Array[Any] = texts.take(pa.array(place, pa.int64(), mask=place < 0))
    return longest
