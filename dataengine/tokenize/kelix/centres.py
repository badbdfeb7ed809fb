"""Initialises codebooks: k-means over features of the corpus, the centres split at random over the codebooks (Kelix,
arXiv 2602.09843: 65,536 centres of > 10 M images in eight parts).

Few centres are found by scikit-learn from a k-means++ start, on one thread. Many are found by faiss from a random start:
k-means++ would take longer than all the rest.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from dataengine.errors import RunError

_F32 = NDArray[np.float32]
_PLUS_PLUS = 4096


class Clusters(NamedTuple):
    """``centres (K, D)`` in random order, and how many no vector was nearest to and were placed anew."""

    centres: _F32
    reseeded: int


def centres(features: _F32, count: int, *, iterations: int, seed: int, threads: int = 1) -> _F32:
    """``(count, D)`` centres of ``(n, D)`` features in random order. Raises RunError where there are fewer features than
    centres, or one is not a finite number."""
    return clusters(features, count, iterations=iterations, seed=seed, threads=threads).centres


def clusters(features: _F32, count: int, *, iterations: int, seed: int, threads: int = 1) -> Clusters:
    """As ``centres``, with what was placed anew."""
    check(len(features), count)
    if not np.isfinite(features.sum(dtype=np.float64)):
        raise RunError("the tower gives features that are not finite numbers: its weights are damaged, or do not fit")
    if count <= _PLUS_PLUS:
        centroids, dead = _plus_plus(features, count, iterations, seed), 0
    else:
        start = np.sort(_shuffled(len(features), seed + 1)[:count])
        centroids, dead = lloyd(features, features[start], iterations, threads)
    return Clusters(centroids[_shuffled(count, seed)].astype(np.float32), dead)


def check(vectors: int, count: int) -> None:
    """Raises RunError where there are too few vectors for so many centres."""
    if vectors < count:
        raise RunError(
            f"{vectors:,} visual tokens are too few for {count:,} codebook entries: more media, fewer entries "
            "(quantiser.entries), or larger tokenize.fit_samples and training.centre_tokens"
        )


def lloyd(features: _F32, start: _F32, iterations: int, threads: int = 1) -> tuple[_F32, int]:
    """Lloyd's algorithm by faiss from ``start``: ``(K, D)`` centres, and how many of them no vector was nearest to at the end.
    Those move to the vectors that lie farthest from their own centres."""
    import faiss

    faiss.omp_set_num_threads(threads)
    with threadpool_limits(threads):
        settings = {"max_points_per_centroid": len(features), "min_points_per_centroid": 1, "seed": 0}
        model = faiss.Kmeans(features.shape[1], len(start), niter=iterations, **settings)
        model.train(np.ascontiguousarray(features), init_centroids=np.ascontiguousarray(start))
        distances, labels = model.index.search(features, 1)
    centroids: Any = model.centroids
    return _reseeded(centroids, features, distances[:, 0], labels[:, 0])


def _reseeded(centroids: _F32, features: _F32, distances: _F32, labels: NDArray[Any]) -> tuple[_F32, int]:
    dead = np.flatnonzero(np.bincount(labels, minlength=len(centroids)) == 0)
    if len(dead):
        farthest = np.lexsort((np.arange(len(distances)), -distances))[: len(dead)]
        centroids = centroids.copy()
        centroids[dead] = features[farthest]
    return centroids, len(dead)


def _plus_plus(features: _F32, count: int, iterations: int, seed: int) -> _F32:
    from sklearn.cluster import KMeans

    with threadpool_limits(1):  # so that sums have one order
        options: dict[str, Any] = {"init": "k-means++", "n_init": 1, "max_iter": iterations, "tol": 0}
        model = KMeans(count, random_state=seed, algorithm="lloyd", **options).fit(features)
    centroids: _F32 = model.cluster_centers_
    return centroids


def _shuffled(count: int, seed: int) -> NDArray[np.int64]:
    return np.argsort(np.random.PCG64(seed).random_raw(count), kind="stable")
