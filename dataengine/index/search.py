"""Searches an index: beam search down the tree, layer by layer, then every vector in the leaves that are left.

An opened index maps its files: memory holds the nodes, and those pages of the vectors that searches have come by. Kinds ``ivf``
and ``hnsw`` ask faiss's index over the same rows instead of the tree. Of leaves, vectors and nodes the product with the query is
compared; results bear the cosine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dataengine.errors import UsageError
from dataengine.index import layers
from dataengine.index.manifest import Manifest, Stored, load
from dataengine.index.vectors import GROUP, PLACES
from dataengine.storage.pinned_packages import cache_dir, write_atomically
from dataengine.storage.store import Store

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
Mask = NDArray[np.bool_]

BEAM = 256
WHOLE = slice(None)
_UPPER = 4
#: Candidates from which on cosines are computed for all, without a beam: where a condition leaves few rows.
_FEW = 50_000


@dataclass(frozen=True)
class Hits:
    """``rows`` of the index in the order of their ``scores`` (cosines, rounded to 1e-4)."""

    rows: Int64
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class Node:
    """A node of the tree: its depth and its number in that layer, how many vectors lie below, and its cosine with the query."""

    depth: int
    number: int
    size: int
    score: float


class Index:
    """An index that can be searched, from one process and several threads."""

    def __init__(self, store: Store, manifest: Manifest) -> None:
        self.store, self.manifest = store, manifest
        self.dim = (max if manifest.joint else sum)(manifest.dims)
        self.vectors = [self._array(branch.vectors) for branch in manifest.branches]
        sizes = np.concatenate([self._array(branch.sizes) for branch in manifest.branches])
        self.starts: Int64 = np.r_[0, np.cumsum(sizes)].astype(np.int64)
        self.firsts: Int64 = np.r_[0, np.cumsum([len(v) for v in self.vectors])].astype(np.int64)
        self.nodes = self._nodes()
        self.lengths = {d: np.maximum(np.sqrt(np.einsum("ij,ij->i", n, n)), 1e-9) for d, n in self.nodes.items()}
        self._ann: Any = None
        self._tables: dict[int, pq.ParquetFile] = {}
        self._ids: pa.ChunkedArray[Any] | None = None

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def depth(self) -> int:
        """Layers of planes above the leaves."""
        return (len(self.starts) - 1).bit_length() - 1

    def search(
        self, query: NDArray[Any], k: int = 20, beam: int = BEAM, allowed: Mask | None = None, part: slice = WHOLE
    ) -> Hits:
        """The ``k`` nearest of the rows that are ``allowed`` (all), among those in the last ``beam`` leaves (lists of an IVF,
        candidates of an HNSW graph); of few allowed rows the exact ones. ``part``: what the query has of a vector, where it is
        zero elsewhere; cosines are of that part, and rows without it are no hits. Raises UsageError for a query that has no
        direction or another length."""
        unit = self._checked(query)
        if allowed is not None and int(allowed.sum()) <= _FEW:
            return self._best(unit, np.flatnonzero(allowed), k, part)
        if self.manifest.ann is not None:
            return self._best(unit, self._by_faiss(unit, k, beam, allowed), k, part)
        rows = self.rows_of(self.leaves(unit, beam))
        return self._best(unit, rows if allowed is None else rows[allowed[rows]], k, part)

    def exact(self, query: NDArray[Any], k: int = 20, part: slice = WHOLE) -> Hits:
        """The ``k`` nearest of all rows, by brute force."""
        return self._best(self._checked(query), np.arange(len(self)), k, part)

    def leaves(self, query: Float32, beam: int = BEAM) -> Int64:
        """The leaves that beam search ends in, the nearest first."""
        return self.beam(query, beam)[-1][0]

    def beam(self, query: Float32, beam: int = BEAM) -> list[tuple[Int64, Float32]]:
        """Of every kept layer: the numbers of the nodes in the beam, the nearest first, and their cosines with the query. Above
        the leaves the beam is wider: a product with a node is cheap beside those with all vectors of a leaf."""
        out: list[tuple[Int64, Float32]] = []
        above, nodes = 0, np.zeros(1, np.int64)
        for depth, layer in self.nodes.items():
            fan_out = 1 << (depth - above)
            children = (nodes[:, None] * fan_out + np.arange(fan_out)).ravel()
            children = np.sort(children[self._size(depth, children) > 0])
            cosines = (layer[children] @ query) / self.lengths[depth][children]
            best = _largest(cosines, beam if depth == self.depth else _UPPER * beam)
            nodes, above = children[best], depth
            out.append((nodes, cosines[best]))
        return out

    def nearest_nodes(self, query: NDArray[Any], depth: int, k: int, beam: int = BEAM) -> list[Node]:
        """The ``k`` nearest nodes of a kept layer."""
        unit = self._checked(query)
        numbers, _ = self.beam(unit, max(beam, k))[list(self.nodes).index(depth)]
        return [self.node(unit, depth, int(n)) for n in numbers[:k]]

    def node(self, query: Float32, depth: int, number: int) -> Node:
        """One node, with its cosine with a query of unit length."""
        vector = self.nodes[depth][number].astype(np.float64)
        cosine = float(vector @ query) / max(float(np.linalg.norm(vector)), 1e-12)
        return Node(depth, number, self.size(depth, number), round(cosine, 4))

    def rows_of(self, leaves: Int64) -> Int64:
        """Rows in these leaves, in the order of the leaves."""
        starts, ends = self.starts[leaves], self.starts[leaves + 1]
        sizes = ends - starts
        offsets = np.repeat(starts - np.r_[0, np.cumsum(sizes)[:-1]], sizes)
        rows: Int64 = np.arange(int(sizes.sum())) + offsets
        return rows

    def take(self, rows: Int64) -> NDArray[np.int16]:
        """``(len(rows), dim)`` stored vectors, integers of one length."""
        if len(self.vectors) == 1:
            return np.asarray(self.vectors[0][rows])
        out = np.empty((len(rows), self.dim), np.int16)
        branch = np.searchsorted(self.firsts, rows, side="right") - 1
        for n in np.unique(branch):
            selected = branch == n
            out[selected] = self.vectors[n][rows[selected] - self.firsts[n]]
        return out

    def described(self, rows: Int64, columns: Sequence[str] = PLACES.names) -> pa.Table:
        """Columns of PLACES of some rows, in their order. Reads the row groups that they are in."""
        branch = np.searchsorted(self.firsts, rows, side="right") - 1
        local_rows = rows - self.firsts[branch]
        groups = branch * len(self) + local_rows // GROUP
        parts = []
        for number in np.unique(groups):
            n, group = divmod(int(number), len(self))
            table = self._rows(n).read_row_group(group, list(columns), use_threads=False).select(list(columns))
            parts.append(table.take(local_rows[groups == number] - group * GROUP))
        back = np.argsort(np.argsort(groups, kind="stable"), kind="stable")
        empty = pa.schema([PLACES.field(name) for name in columns]).empty_table()
        return pa.concat_tables([empty, *parts]).take(back)

    def size(self, depth: int, number: int) -> int:
        """Vectors below a node."""
        return int(self._size(depth, np.array([number]))[0])

    def leaf_of(self, row: int) -> int:
        """The leaf that a row lies in."""
        return int(np.searchsorted(self.starts, row, side="right")) - 1

    def ids(self) -> pa.ChunkedArray[Any]:
        """Ids of all rows, in their order."""
        if self._ids is None:
            tables = [self._rows(n).read(["id"], use_threads=False) for n in range(len(self.vectors))]
            self._ids = pa.concat_tables(tables)["id"]
        return self._ids

    def rows_with(self, ids: Sequence[str]) -> Int64:
        """The row of each id, -1 for those that are not in the index."""
        places: Any = pc.index_in(pa.array(ids, pa.string()), value_set=self.ids().combine_chunks())
        rows: Int64 = places.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        return rows

    def _best(self, query: Float32, rows: Int64, k: int, part: slice) -> Hits:
        scores = np.empty(len(rows))
        for start in range(0, len(rows), _FEW):
            vectors = self.take(rows[start : start + _FEW])[:, part].astype(np.float32)
            length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
            scores[start : start + _FEW] = np.where(length > 0, (vectors @ query[part]) / np.maximum(length, 1), -2)
        rows, scores = rows[scores > -2], np.round(scores[scores > -2], 4)
        best = np.lexsort((rows, -scores))[:k] if len(rows) < 4 * k else _ordered(scores, rows, k)
        return Hits(rows[best], scores[best])

    def _by_faiss(self, query: Float32, k: int, beam: int, allowed: Mask | None) -> Int64:
        import faiss as faiss_

        faiss: Any = faiss_
        if self._ann is None and self.manifest.ann is not None:
            self._ann = faiss.read_index(str(self._path(self.manifest.ann)), faiss.IO_FLAG_MMAP)
        # Kept until the search is over: faiss does not hold them.
        selected = None if allowed is None else np.flatnonzero(allowed)
        selector = None if selected is None else faiss.IDSelectorBatch(selected)
        hnsw = self.manifest.kind == "hnsw"
        parameters = faiss.SearchParametersHNSW() if hnsw else faiss.SearchParametersIVF()
        setattr(parameters, "efSearch" if hnsw else "nprobe", beam)
        if selector is not None:
            parameters.sel = selector
        _, rows = self._ann.search(query[None], min(k, len(self)), params=parameters)
        return np.sort(rows[0][rows[0] >= 0]).astype(np.int64)

    def _checked(self, query: NDArray[Any]) -> Float32:
        exact = np.asarray(query, np.float64).ravel()
        length = float(np.sqrt((exact * exact).sum()))
        if len(exact) != self.dim:
            raise UsageError(f"the query has {len(exact)} components, and the vectors of the index have {self.dim}")
        if not np.isfinite(length) or length == 0:
            raise UsageError("the query is zero or has a component that is NaN or infinite: it has no direction")
        return (exact / length).astype(np.float32)

    def _nodes(self) -> dict[int, Any]:
        """Nodes by depth, the kept layers from above."""
        manifest = self.manifest
        above = len(manifest.branches).bit_length() - 1
        upper = self._array(manifest.upper) if manifest.upper is not None else np.zeros((0, self.dim), np.float32)
        nodes = layers.split(upper, 0, [d for d in manifest.layers if d < above])
        below = [layers.split(self._array(b.nodes), above, manifest.layers) for b in manifest.branches]
        nodes |= {depth: np.concatenate([branch[depth] for branch in below]) for depth in below[0]}
        return dict(sorted(nodes.items()))

    def _size(self, depth: int, numbers: Int64) -> Int64:
        width = 1 << (self.depth - depth)
        sizes: Int64 = self.starts[(numbers + 1) * width] - self.starts[numbers * width]
        return sizes

    def _array(self, file: Stored) -> Any:
        try:
            return np.load(self._path(file), mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError):
            raise damaged(self.store, file) from None

    def _rows(self, branch: int) -> pq.ParquetFile:
        if branch not in self._tables:
            file = self.manifest.branches[branch].rows
            try:
                self._tables[branch] = pq.ParquetFile(self._path(file), memory_map=True)
            except (pa.ArrowException, OSError):
                raise damaged(self.store, file) from None
        return self._tables[branch]

    def _path(self, file: Stored) -> Path:
        return local(self.store, file)


def local(store: Store, file: Stored) -> Path:
    """The file on this machine: where it is, or, of a bucket, downloaded once. Raises UsageError where it is missing."""
    path = Path(store.url, file.key) if not store.remote else cache_dir() / "index" / file.sha256
    if store.remote and not path.exists():
        write_atomically(path, store.get(file.key, file.sha256))
    if not path.is_file() or path.stat().st_size != file.bytes:
        raise damaged(store, file)
    return path


def damaged(store: Store, file: Stored) -> UsageError:
    """What is told of a file that is not what the manifest says."""
    return UsageError(
        f"{store.uri(file.key)} is missing or damaged: build the index again with `dataengine index RECIPE`; of a copy of a "
        "release, copy it again"
    )


def open_index(workspace: str, manifest: str) -> Index:
    """The index of a workspace by the key of its manifest. Raises UsageError."""
    store = Store(workspace)
    return Index(store, load(store, manifest))


def _largest(products: Float32, count: int) -> Int64:
    """Places of the largest, in their order; of equals the first."""
    if len(products) > count:
        some = np.sort(np.argpartition(-products, count - 1)[:count])
        return some[np.argsort(-products[some], kind="stable")]
    return np.argsort(-products, kind="stable")


def _ordered(scores: NDArray[np.float64], rows: Int64, k: int) -> Int64:
    """Places of the ``k`` largest scores; of equals the first rows."""
    bound = np.partition(scores, len(scores) - k)[len(scores) - k]
    some = np.flatnonzero(scores >= bound)
    return some[np.lexsort((rows[some], -scores[some]))[:k]]
