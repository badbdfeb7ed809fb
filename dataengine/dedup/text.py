"""Near-duplicate texts (captions) by shared shingles: candidates from MinHash bands, verified by exact Jaccard similarity.

Finds the same caption with words changed, added or dropped; not paraphrases (see semantic.py for those). Texts whose
shingle sets are equal are the first and its copies, each copy paired with the first only, as in hamming.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataengine.dedup.minhash import PERMUTATIONS, bands_for, candidates, jaccard, signatures
from dataengine.dedup.shingles import Shingles, shingle_sets
from dataengine.dedup.video import equal_sets

Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class TextPairs:
    """``i < j`` index the texts given, sorted by (i, j); ``similarity`` is the exact Jaccard similarity."""

    i: Int64
    j: Int64
    similarity: NDArray[np.float64]
    left_out: int  # absent, blank, or too short for a shingle
    candidates: int  # pairs verified
    skipped: int  # pairs in crowded buckets that were not looked at (a pair may count in several bands)


def text_pairs(
    texts: pa.ChunkedArray[Any],
    threshold: float,
    how: Shingles | None = None,
    permutations: int = PERMUTATIONS,
    seed: int = 1,
    largest_bucket: int = 1000,
) -> TextPairs:
    """Pairs of texts whose shingle sets have a Jaccard similarity of ``threshold`` (0 < threshold <= 1) or more.

    Raises ValueError for a threshold out of range."""
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold {threshold} is not in (0, 1]")
    sets = shingle_sets(texts, how or Shingles())
    some = np.flatnonzero(sets.sizes)
    code, first = equal_sets(sets.take(some))
    distinct = sets.take(some[first])
    (i, j), skipped = candidates(
        signatures(distinct, permutations, seed), bands_for(threshold, permutations), largest_bucket
    )
    similarity = jaccard(distinct, distinct, i, j)
    near = similarity >= threshold
    copies = np.flatnonzero(first[code] != np.arange(len(some)))
    x = np.concatenate([some[first[i[near]]], some[first[code[copies]]]])
    y = np.concatenate([some[first[j[near]]], some[copies]])
    similarities = np.concatenate([similarity[near], np.ones(len(copies))])
    a, b = np.minimum(x, y), np.maximum(x, y)
    order = np.lexsort((b, a))
    return TextPairs(a[order], b[order], similarities[order], len(sets.sizes) - len(some), len(i), skipped)
