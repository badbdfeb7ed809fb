"""index.ann: an IVF or HNSW index of faiss beside the tree, over the same rows, for ``kind: ivf`` and ``kind: hnsw``.

One worker makes it, with one thread: faiss adds to an HNSW graph in the order of its threads, and its k-means sums in theirs.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataengine.config.recipe import Recipe
from dataengine.index import arrays
from dataengine.index.fit_stages import IndexStage, dim_of
from dataengine.index.vectors_stage import config_of
from dataengine.index.worker import VectorsWorker
from dataengine.stage import Part, Run, Worker
from dataengine.storage.workspace import File, Output

Float32 = NDArray[np.float32]

_NEIGHBOURS = 32  # of a node of the HNSW graph
_EFFORT = 80  # efConstruction
_ITERATIONS = 10
_TRAINED_ON = 64  # vectors a list of the IVF, at most


class IndexAnn(IndexStage):
    """One part, after the leaves."""

    name = "index.ann"
    version = "1"
    needs = ("index.leaves",)

    def active(self, recipe: Recipe) -> bool:
        return recipe.index is not None and recipe.index.kind != "tree"

    def settings(self, recipe: Recipe) -> Any:
        return [config_of(recipe).kind, recipe.seed]

    def plan(self, run: Run) -> list[Part]:
        return [Part("all", self.key(run), run.records["index.leaves"].files("vectors"))]

    def worker(self, run: Run) -> Worker:
        return AnnWorker(run.workspace, config_of(run.recipe).kind, dim_of(run), run.recipe.seed)


@dataclass
class AnnWorker(VectorsWorker):
    kind: str
    dim: int
    seed: int

    def process(self, part: Part) -> Output:
        import faiss

        files: list[File] = part.spec
        index = trained(self.kind, self.dim, sum(file.rows for file in files), self._sample(files), self.seed)
        for file in files:
            index.add(unit(arrays.read(self.workspace.store, file)))
        key = f"index/ann/{part.key[:16]}.faiss"
        with self.workspace.store.new_file() as path:
            faiss.write_index(index, str(path))
            with path.open("rb") as f:
                sha256 = hashlib.file_digest(f, "sha256").hexdigest()
            size = path.stat().st_size
            self.workspace.store.move(path, key, sha256)
        return Output({"ann": File(key, sha256, size, index.ntotal)}, {"samples": index.ntotal}, {"kind": self.kind})

    def _sample(self, files: list[File]) -> Float32:
        """Vectors to train on: every n-th row."""
        total = sum(file.rows for file in files)
        step = max(1, total // (_TRAINED_ON * lists_of(total)))
        return unit(np.concatenate([arrays.read(self.workspace.store, file)[::step] for file in files]))


def lists_of(count: int) -> int:
    """Inverted lists for so many vectors: four times the square root, of at least 39 vectors each."""
    return max(1, min(round(4 * math.sqrt(count)), count // 39))


def trained(kind: str, dim: int, count: int, sample: Float32, seed: int) -> Any:
    """An empty index of faiss for ``count`` vectors of unit length, whose products it compares."""
    import faiss

    faiss.omp_set_num_threads(1)
    if kind == "hnsw":
        make: Any = faiss.IndexHNSWSQ
        graph: Any = make(dim, faiss.ScalarQuantizer.QT_fp16, _NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = _EFFORT
        graph.train(sample)
        return graph
    index: Any = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dim), dim, lists_of(count), faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    index.own_fields = False
    index.cp.seed, index.cp.spherical, index.cp.niter = seed, True, _ITERATIONS
    index.cp.min_points_per_centroid = 1  # of fewer than 39 vectors faiss warns; a list of them is right
    index.train(sample)
    return index


def unit(vectors: NDArray[Any]) -> Float32:
    """Integer vectors at length 1."""
    exact = vectors.astype(np.float32)
    rows: Float32 = exact / np.sqrt(np.einsum("ij,ij->i", exact, exact))[:, None]
    return rows
