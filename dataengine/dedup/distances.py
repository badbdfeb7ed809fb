"""Distances between two samples by each kind of similarity, on which groups are bounded and reported.

A measure is prepared once for a table of samples and then called with pairs of its rows; NaN where the kind says nothing
about a pair (a picture without hash, a sample without caption). The bound is the distance up to which an edge is drawn.

Kinds in TIED compare data too large to carry along, so their distances are those of the edges: samples that equal ones tie
together are as one, and what no edge ties is no near-duplicate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataengine.dedup.captions import longest_captions
from dataengine.dedup.hash_sets import hash_sets
from dataengine.dedup.kinds import ALIGNED, PERCEPTUAL, PIXELS, SEMANTIC, TEXT, VIDEO
from dataengine.dedup.video import matches

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Distance = Callable[[Int64, Int64], Float64]

#: Columns of UNIQUE that a kind is measured by.
COLUMNS = {
    PERCEPTUAL: ("kind", "phash"),
    VIDEO: ("kind", "frame_hashes"),
    TEXT: ("captions",),
}

#: Kinds that are measured by their edges: by the column ``ties`` of the other sample, kind and distance.
TIED = (PIXELS, ALIGNED, SEMANTIC)
TIE = pa.struct([("other", pa.string()), ("kind", pa.string()), ("distance", pa.float64())])


@dataclass(frozen=True)
class Bounds:
    """Thresholds of near-duplicates: bits, share of frames, Jaccard similarity, cosine."""

    radius: int
    video_overlap: float
    text: float = 1.0
    semantic: float = 1.0
    aligned: int = 0

    def of(self, kind: str) -> float:
        """The largest distance of an edge."""
        return {
            PIXELS: 0.0,
            PERCEPTUAL: float(self.radius),
            ALIGNED: float(self.aligned),
            VIDEO: 1 - self.video_overlap,
            SEMANTIC: 1 - self.semantic,
            TEXT: 1 - self.text,
        }[kind]


class Measure(NamedTuple):
    kind: str
    bound: float
    distance: Distance


def measures(samples: pa.Table, kinds: Sequence[str], bounds: Bounds) -> list[Measure]:
    """The measures of ``kinds`` over rows of ``samples``, which has the COLUMNS of each."""
    return [Measure(kind, bounds.of(kind), _PREPARE[kind](samples, bounds)) for kind in kinds]


def _bits(samples: pa.Table, bounds: Bounds) -> Distance:
    column: Any = samples["phash"]
    there = _is(samples, "image") & column.is_valid().to_numpy()
    hashes = column.fill_null(0).to_numpy().view(np.uint64)

    def distance(m: Int64, r: Int64) -> Float64:
        bits = np.bitwise_count(hashes[m] ^ hashes[r]).astype(np.float64)
        return np.where(there[m] & there[r], bits, np.nan)

    return distance


def _overlap(samples: pa.Table, bounds: Bounds) -> Distance:
    sets = hash_sets(samples["frame_hashes"])
    there = _is(samples, "video") & (sets.sizes > 0)

    def distance(m: Int64, r: Int64) -> Float64:
        distances = np.full(len(m), np.nan)
        both = np.flatnonzero(there[m] & there[r])
        matched, smaller = matches(sets, m[both], r[both], bounds.radius)
        distances[both] = 1 - matched / smaller
        return distances

    return distance


def _words(samples: pa.Table, bounds: Bounds) -> Distance:
    from dataengine.dedup.minhash import jaccard
    from dataengine.dedup.shingles import Shingles, shingle_sets

    sets = shingle_sets(pa.chunked_array([longest_captions(samples)]), Shingles())

    def distance(m: Int64, r: Int64) -> Float64:
        distances = np.full(len(m), np.nan)
        both = np.flatnonzero((sets.sizes[m] > 0) & (sets.sizes[r] > 0))
        distances[both] = 1 - jaccard(sets, sets, m[both], r[both])
        return distances

    return distance


def _tied(kind: str, samples: pa.Table, bounds: Bounds) -> Distance:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    row, other, apart = _ties(kind, samples)
    n, equal = len(samples), apart == 0
    graph = coo_array((np.ones(int(equal.sum()), np.int8), (row[equal], other[equal])), (n, n))
    one = connected_components(graph, directed=False)[1].astype(np.int64)
    keys = one[row] * n + one[other]
    order = np.lexsort((apart, keys))
    keys, apart = keys[order], apart[order]

    def distance(m: Int64, r: Int64) -> Float64:
        pair_keys = one[m] * n + one[r]
        at = np.searchsorted(keys, pair_keys)
        there = np.flatnonzero(at < len(keys))
        there = there[keys[at[there]] == pair_keys[there]]
        distances = np.where(one[m] == one[r], 0.0, np.nan)
        distances[there] = np.fmin(distances[there], apart[at[there]])
        return distances

    return distance


def _ties(kind: str, samples: pa.Table) -> tuple[Int64, Int64, Float64]:
    """``(row, other row, distance)`` of the edges of one kind, each from both ends."""
    lists = samples["ties"].combine_chunks()
    ties, owner = pc.list_flatten(lists), pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    of_kind = pc.equal(pc.struct_field(ties, "kind"), pa.scalar(kind)).to_numpy(zero_copy_only=False)
    other = pc.index_in(pc.struct_field(ties, "other"), value_set=samples["id"].combine_chunks())
    known = of_kind & other.is_valid().to_numpy(zero_copy_only=False)
    apart = pc.struct_field(ties, "distance").to_numpy(zero_copy_only=False)
    rows = other.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    return owner.astype(np.int64)[known], rows[known], apart[known]


def _is(samples: pa.Table, kind: str) -> NDArray[np.bool_]:
    return pc.equal(samples["kind"], pa.scalar(kind)).to_numpy(zero_copy_only=False)


_PREPARE: dict[str, Callable[[pa.Table, Bounds], Distance]] = {
    PERCEPTUAL: _bits,
    VIDEO: _overlap,
    TEXT: _words,
    **{kind: partial(_tied, kind) for kind in TIED},
}
