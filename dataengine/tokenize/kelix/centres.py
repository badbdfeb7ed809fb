"""Initialises codebooks: k-means over features of the corpus, the centres split at random over the codebooks (Kelix,
arXiv 2602.09843: 65,536 centres of > 10 M images in eight parts).

Few centres are found by scikit-learn from a k-means++ start, on one thread. Many, or those of many vectors, are found from a
random start with faiss's search (``models/lloyd.py``): k-means++ would take longer than all the rest, and need all vectors in
memory.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from dataengine.errors import RunError
from dataengine.models.lloyd import lloyd

_F32 = NDArray[np.float32]
#: Centres, and bytes of vectors, up to which scikit-learn finds them.
_PLUS_PLUS, _SMALL = 4096, 4 << 30


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
    if count <= _PLUS_PLUS and features.nbytes <= _SMALL:
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


def _plus_plus(features: _F32, count: int, iterations: int, seed: int) -> _F32:
    from sklearn.cluster import KMeans

    with threadpool_limits(1):  # so that sums have one order
        options: dict[str, Any] = {"init": "k-means++", "n_init": 1, "max_iter": iterations, "tol": 0}
        model = KMeans(count, random_state=seed, algorithm="lloyd", **options).fit(features)
    centroids: _F32 = model.cluster_centers_
    return centroids


def _shuffled(count: int, seed: int) -> NDArray[np.int64]:
    return np.argsort(np.random.PCG64(seed).random_raw(count), kind="stable")
