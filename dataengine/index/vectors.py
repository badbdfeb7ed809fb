"""Vectors of an index: joined from stored embeddings, checked, of unit length.

A row of VECTORS has what a search shows, too (caption and place of the media), so that an index can be used without its run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataengine.embed.vectors import F2, rows_of
from dataengine.index.planes import hashed
from dataengine.storage.workspace import File, Workspace

Float32 = NDArray[np.float32]

#: One row an indexed sample or item, ordered by id. ``vector``: float16, little-endian, of unit length. The rest is null for
#: items of a table, but ``caption``, which is an item's title.
_FIELDS: list[pa.Field[Any]] = [
    pa.field("id", pa.string(), nullable=False),
    pa.field("vector", pa.binary(), nullable=False),
    pa.field("caption", pa.string()),
    pa.field("kind", pa.string()),
    pa.field("ext", pa.string()),
    pa.field("bytes", pa.int64()),
    pa.field("media", pa.string()),
    pa.field("offset", pa.int64()),
]
VECTORS = pa.schema(_FIELDS)
SAMPLE = pa.schema([VECTORS.field(name) for name in ("id", "vector")])
#: Hash of an id below which its vector is in the sample that the upper layers are fitted on: one of 64.
SAMPLED = 1 << 26
SHOWN = tuple(name for name in VECTORS.names if name != "vector")
#: Rows of a row group of ``rows``, of which a search reads those of its hits.
GROUP = 512
#: One row an indexed sample, in the order of the index's rows: its leaf, and 1 - cosine to the leaf's centre.
PLACES = pa.schema(
    [
        *(VECTORS.field(name) for name in SHOWN),
        pa.field("leaf", pa.int32(), nullable=False),
        pa.field("leaf_distance", pa.float64(), nullable=False),
    ]
)
#: Samples and items without a vector, and why.
LEFT_OUT = pa.schema([(name, pa.string()) for name in ("id", "failure", "message")])


@dataclass(frozen=True)
class Space:
    """Where vectors come from. ``model``: version of the encoder, or of the user's table; ``dims``: of the picture's and the
    caption's part of a vector (0 where it has none); ``joint``: one encoder for both, whose vectors can be compared."""

    of: str
    model: str
    dims: tuple[int, int]
    joint: bool
    caption_weight: float = 0.5

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return max(self.dims) if self.joint else sum(self.dims)

    def joined(self, image: Float32 | None, caption: Float32 | None) -> Float32:
        """``(n, dim)`` of unit length from ``(n, dims)`` vectors, zero rows where a sample has none. Of a joint encoder the
        weighted mean; else the two beside each other, so that the product of two vectors is the weighted mean of both cosines."""
        share = self.caption_weight if self.of == "both" else float(self.of == "caption")
        if self.joint:
            blocks = [w * v for w, v in ((1 - share, image), (share, caption)) if v is not None and w]
            return unit(sum(blocks[1:], blocks[0]))
        weighted = ((np.sqrt(1 - share), image, self.dims[0]), (np.sqrt(share), caption, self.dims[1]))
        rows = len(image if image is not None else caption if caption is not None else ())
        parts = [np.zeros((rows, dim), np.float32) if v is None else w * v for w, v, dim in weighted if dim]
        return unit(np.concatenate(parts, axis=1))


def unit(vectors: NDArray[Any]) -> Float32:
    """Rows at length 1, by float64 sums; zero rows stay zero, and what is not finite stays so."""
    exact = vectors.astype(np.float64)
    length = np.sqrt(np.einsum("ij,ij->i", exact, exact))
    with np.errstate(invalid="ignore"):
        return (exact / np.where(length > 0, length, 1)[:, None]).astype(np.float32)


def fault(vectors: NDArray[Any]) -> list[tuple[str, str] | None]:
    """Of each row the class and message of why it cannot be indexed, None where it can."""
    exact = vectors.astype(np.float64)
    finite = np.asarray(np.isfinite(exact).all(axis=1))
    zero = np.asarray(~np.where(finite[:, None], exact, 0).any(axis=1))
    bad: list[tuple[str, str] | None] = [None] * len(vectors)
    for row in np.flatnonzero(~finite | zero):
        infinite = ("not_finite", "its vector has a component that is NaN or infinite")
        bad[row] = ("zero", "its vector is zero and has no direction") if finite[row] else infinite
    return bad


def table_of(shown: pa.Table, vectors: Float32) -> tuple[pa.Table, pa.Table]:
    """``(VECTORS, LEFT_OUT)`` by id, of rows with the columns of SHOWN and ``(n, dim)`` vectors."""
    faults = fault(vectors)
    good = np.flatnonzero([why is None for why in faults])
    halves = vectors[good].astype(F2)
    packed = pa.array([row.tobytes() for row in halves], pa.binary())
    table = shown.take(good).append_column("vector", packed).select(VECTORS.names).cast(VECTORS)
    ids = shown["id"].to_pylist()
    left_out = [(ids[n], *why) for n, why in enumerate(faults) if why is not None]
    return table.sort_by("id"), left_out_table(left_out)


def left_out_table(rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    return pa.Table.from_pylist(
        [dict(zip(LEFT_OUT.names, row, strict=True)) for row in sorted(rows, key=str)], LEFT_OUT
    )


def publish(workspace: Workspace, base: str, table: pa.Table, left_out: pa.Table) -> dict[str, File]:
    """Files of a part, by role: VECTORS, a sample of them, and LEFT_OUT where there is something."""
    sampled = np.array([hashed(str(id_)) < SAMPLED for id_ in table["id"].to_pylist()], np.bool_)
    files = {
        "vectors": workspace.write_table(f"{base}.parquet", table),
        "sample": workspace.write_table(f"{base}-sample.parquet", table.filter(pa.array(sampled)).select(SAMPLE.names)),
    }
    if len(left_out):
        files["left_out"] = workspace.write_table(f"{base}-left-out.parquet", left_out)
    return files


def read(workspace: Workspace, files: Sequence[File]) -> tuple[pa.ChunkedArray[Any], NDArray[np.float16]]:
    """``(ids, (n, dim) float16)`` of files of VECTORS, in their order; ``(0, 0)`` without rows."""
    table = workspace.read_table(files, VECTORS, ("id", "vector"))
    return table["id"], rows_of(table["vector"])


def placed(ids: pa.ChunkedArray[Any], wanted: pa.Array[Any], vectors: NDArray[Any], dim: int) -> Float32:
    """``(len(wanted), dim)``: the vector of each id, zero where there is none."""
    out = np.zeros((len(wanted), dim), np.float32)
    if len(ids):
        place = pc.index_in(wanted, value_set=ids.combine_chunks()).to_numpy(zero_copy_only=False)
        known = np.flatnonzero(~np.isnan(place.astype(np.float64)))
        out[known] = vectors[place[known].astype(np.int64)]
    return out
