"""Groups of alike samples, and the one that stands for each: connected components, then a stated keep-best policy.

A component may chain samples that are not alike directly; each member is told its measured distance to its
representative, and the number that is farther than the search's own bound is reported, not hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataengine.contracts import GROUPS
from dataengine.dedup.find import PERCEPTUAL, VIDEO
from dataengine.dedup.video import hash_sets, matches, required
from dataengine.errors import RunError, UsageError
from dataengine.yamlfile import did_you_mean

Int64 = NDArray[np.int64]
#: ``(distance, within the bound of the search)`` of members and their representatives.
Measured = tuple[NDArray[np.float64], NDArray[np.bool_]]


class Bound(NamedTuple):
    """What counted as alike when the edges were found."""

    radius: int
    video_overlap: float


class Edges(NamedTuple):
    """Rows of samples and of KINDS."""

    a: Int64
    b: Int64
    kind: Int64
    distance: NDArray[np.float64]


def resolution(unique: pa.Table) -> Int64:
    """Pixels, ``(n,)``."""
    width, height = (unique[name].to_numpy().astype(np.int64) for name in ("width", "height"))
    return width * height


def caption_length(unique: pa.Table) -> Int64:
    """Characters of the longest caption, ``(n,)``; 0 where there is none."""
    lists = unique["captions"].combine_chunks()
    texts = pc.struct_field(pc.list_flatten(lists), "text")
    longest = np.zeros(len(unique), np.int64)
    owner = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    np.maximum.at(longest, owner, pc.fill_null(pc.utf8_length(texts), 0).to_numpy(zero_copy_only=False))
    return longest


#: What ``keep`` may name; more is better, and the smaller id breaks ties.
KEEP: dict[str, Callable[[pa.Table], Int64]] = {
    "resolution": resolution,
    "bytes": lambda unique: unique["bytes"].to_numpy(),
    "caption_length": caption_length,
}


def group(
    unique: pa.Table, edges: pa.Table, keep: Sequence[str], radius: int, video_overlap: float
) -> tuple[pa.Table, int]:
    """contracts.GROUPS ordered by id, and how many members are like their representative only through a chain.

    ``keep`` names columns of KEEP, the first decides. ``radius`` and ``video_overlap`` are those the edges were found
    with. Raises UsageError for an unknown name, RunError for an edge to an unknown id."""
    unknown = [name for name in keep if name not in KEEP]
    if unknown:
        raise UsageError(f"keep: `{unknown[0]}` cannot be compared; {did_you_mean(unknown[0], KEEP)}")
    unique = unique.sort_by("id")
    a, b = (_positions(edges[end], unique["id"]) for end in ("a", "b"))
    kind = _positions(edges["kind"], pa.chunked_array([pa.array(KINDS)]))
    component = _components(a, b, len(unique))
    representative = _best(unique, component, keep)[component]
    members = np.flatnonzero(representative != np.arange(len(unique)))
    kinds = _kinds(Edges(a, b, kind, edges["distance"].to_numpy()), representative)[members]
    distance, within = _measure(unique, members, representative[members], kinds, Bound(radius, video_overlap))
    return _groups(unique["id"], component, representative, kinds, distance), int((~within).sum())


def _groups(
    ids: pa.ChunkedArray[Any], component: Int64, representative: Int64, kinds: Int64, distance: NDArray[np.float64]
) -> pa.Table:
    alone = representative == np.arange(len(ids))
    place = pa.array(np.cumsum(~alone) - 1, pa.int64(), mask=alone)  # among the members
    columns = [
        ids,
        ids.take(pa.array(representative, pa.int64())),
        pa.array(np.bincount(component, minlength=1)[component], pa.int32()),
        pa.array(KINDS).take(pa.array(kinds, pa.int64())).take(place),
        pa.array(distance).take(place),
    ]
    return pa.table(columns, schema=GROUPS)


def _positions(values: pa.ChunkedArray[Any], known: pa.ChunkedArray[Any]) -> Int64:
    found = pc.index_in(values, value_set=known.combine_chunks())
    if found.null_count:
        raise RunError(f"an edge names {values.filter(pc.is_null(found))[0]}, which is no sample or kind that is known")
    return found.to_numpy().astype(np.int64)


def _components(a: Int64, b: Int64, n: int) -> Int64:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(a), np.int8), (a, b)), (n, n))
    labels = connected_components(graph, directed=False)[1] if n else np.zeros(0)
    return np.asarray(labels, np.int64)


def _best(unique: pa.Table, component: Int64, keep: Sequence[str]) -> Int64:
    """Row of the best sample of each component."""
    worst_last = [-KEEP[name](unique) for name in keep]
    order = np.lexsort((np.arange(len(unique)), *reversed(worst_last), component))
    first = np.unique(component[order], return_index=True)[1]
    return order[first]


def _kinds(edges: Edges, representative: Int64) -> Int64:
    """Kind of each sample's edge to its representative, else of its closest edge; -1 where it has none."""
    sample, other = np.concatenate([edges.a, edges.b]), np.concatenate([edges.b, edges.a])
    kind, distance = np.tile(edges.kind, 2), np.tile(edges.distance, 2)
    chained = representative[sample] != other
    order = np.lexsort((kind, distance, chained, sample))
    linked, first = np.unique(sample[order], return_index=True)
    kinds = np.full(len(representative), -1, np.int64)
    kinds[linked] = kind[order][first]
    return kinds


def _measure(unique: pa.Table, members: Int64, others: Int64, kinds: Int64, bound: Bound) -> Measured:
    distance, within = np.zeros(len(members)), np.ones(len(members), np.bool_)
    for code, name in enumerate(KINDS):
        rows = np.flatnonzero(kinds == code)
        distance[rows], within[rows] = MEASURES[name](unique, members[rows], others[rows], bound)
    return distance, within


def _bits(unique: pa.Table, members: Int64, others: Int64, bound: Bound) -> Measured:
    column: Any = unique["phash"]
    hashes = column.fill_null(0).to_numpy().view(np.uint64)
    distance = np.bitwise_count(hashes[members] ^ hashes[others]).astype(np.float64)
    return distance, distance <= bound.radius


def _overlap(unique: pa.Table, members: Int64, others: Int64, bound: Bound) -> Measured:
    sets = hash_sets(unique["frame_hashes"])
    matched, smaller = matches(sets, members, others, bound.radius)
    return 1 - matched / smaller, matched >= required(smaller, bound.video_overlap)


#: How far a sample is from its representative, by the kind of likeness.
MEASURES: dict[str, Callable[[pa.Table, Int64, Int64, Bound], Measured]] = {PERCEPTUAL: _bits, VIDEO: _overlap}
KINDS = tuple(MEASURES)
