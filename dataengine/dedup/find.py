"""Who is alike: edges between distinct samples, pictures with pictures and videos with videos.

Global and exact: no blocking, no sampling, so the same pairs whatever the order or the machine. Each kind of likeness
is one function from samples ordered by id to index pairs; a new kind is one more entry here and a measure in groups.py.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataengine.contracts import EDGES
from dataengine.dedup.hamming import near_pairs
from dataengine.dedup.video import hash_sets, video_pairs

PERCEPTUAL = "perceptual"
VIDEO = "video"


def find_edges(unique: pa.Table, radius: int, video_overlap: float) -> pa.Table:
    """contracts.EDGES among ``unique`` (its columns id, kind, phash and frame_hashes), ordered by a, b and kind.

    ``radius`` in bits (0..8), for pictures and for frames; ``video_overlap`` in (0, 1]. Samples that are equal in
    hash are a star around the smallest id. A picture without hash (flat) is like no other."""
    ordered = unique.select(["id", "kind", "phash", "frame_hashes"]).sort_by("id")
    pictures = ordered.filter(pc.and_(pc.equal(ordered["kind"], pa.scalar("image")), pc.is_valid(ordered["phash"])))
    near = near_pairs(pictures["phash"].to_numpy(), radius)
    videos = ordered.filter(pc.equal(ordered["kind"], pa.scalar("video")))
    alike = video_pairs(hash_sets(videos["frame_hashes"]), radius, video_overlap)
    found = [
        _edges(pictures, PERCEPTUAL, near.i, near.j, near.distance.astype(np.float64)),
        _edges(videos, VIDEO, *alike),
    ]
    return pa.concat_tables(found).sort_by([(name, "ascending") for name in ("a", "b", "kind")])


def _edges(
    samples: pa.Table, kind: str, i: NDArray[np.int64], j: NDArray[np.int64], distance: NDArray[np.float64]
) -> pa.Table:
    a, b = (samples["id"].take(pa.array(rows, pa.int64())) for rows in (i, j))
    return pa.table([a, b, pa.repeat(kind, len(i)), pa.array(distance)], schema=EDGES)
