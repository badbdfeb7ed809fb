"""Initialises codebooks: k-means over features of the corpus, the centres split at random over the codebooks (Kelix,
arXiv 2602.09843: 65,536 centres of > 10 M images in eight parts)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from dataengine.errors import RunError

_F32 = NDArray[np.float32]
_PLUS_PLUS = 4096  # above, k-means++ takes longer than all the rest


def centres(features: _F32, count: int, *, iterations: int, seed: int) -> _F32:
    """``(count, D)`` centres of ``(n, D)`` features in random order. Single-threaded, so that sums have one order.
    Raises RunError where there are fewer features than centres."""
    from sklearn.cluster import KMeans

    if len(features) < count:
        raise RunError(
            f"{len(features):,} visual tokens are too few for {count:,} codebook entries: more media, fewer entries"
        )
    start = "k-means++" if count <= _PLUS_PLUS else "random"
    with threadpool_limits(1):
        model = KMeans(count, init=start, n_init=1, max_iter=iterations, tol=0, random_state=seed, algorithm="lloyd")
        model.fit(features)
    order = np.argsort(np.random.PCG64(seed).random_raw(count), kind="stable")
    shuffled: _F32 = model.cluster_centers_[order].astype(np.float32)
    return shuffled
