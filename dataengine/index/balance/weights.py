"""Numbers that balance clusters: the chance to be kept, and how often to sample. They depend on the sizes of clusters alone.

Keeping with probability min(1, target / size) is the balancing of MetaCLIP (Xu et al. 2024, arXiv 2309.16671), there over the
entries of a list of texts. A temperature below 1 raises rare clusters, as in the sampling of languages (Conneau and Lample 2019).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Sizes = Mapping[int, int]
"""Number of clusters by their size."""

DECIMALS = 6


def samples(sizes: Sizes) -> int:
    return sum(size * clusters for size, clusters in sizes.items())


def median_size(sizes: Sizes) -> int:
    """Size of the cluster that half of the samples are in smaller ones than; 1 without clusters."""
    half, passed = samples(sizes) / 2, 0
    for size, clusters in sorted(sizes.items()):
        passed += size * clusters
        if passed >= half:
            return size
    return 1


def keep_probability(size: NDArray[np.int64], target: int) -> NDArray[np.float64]:
    """At most ``target`` samples of each cluster are kept on average; of smaller ones all."""
    share = np.minimum(1.0, target / np.maximum(size, 1).astype(np.float64))
    return np.asarray(np.round(share, DECIMALS), np.float64)


def sampling_weight(size: NDArray[np.int64], sizes: Sizes, temperature: float) -> NDArray[np.float64]:
    """How often a sample of a cluster of this size is to be drawn, 1 on average: a cluster of size n is drawn in proportion to
    n ** ``temperature``."""
    total = sum(clusters * float(n) ** temperature for n, clusters in sorted(sizes.items()))
    if not total:
        return np.ones(len(size))
    weight = np.maximum(size, 1).astype(np.float64) ** (temperature - 1) * (samples(sizes) / total)
    return np.asarray(np.round(weight, DECIMALS))


def evenness(sizes: Sizes) -> dict[str, float]:
    """``effective``: exp of the entropy of the clusters, so many equal ones would be as diverse; ``gini``: 0 where all are equal,
    towards 1 where one has all; ``largest``: share of the samples in the largest."""
    size, clusters = (np.array(x, np.float64) for x in (sorted(sizes), [sizes[n] for n in sorted(sizes)]))
    total, count = samples(sizes), clusters.sum()
    if not total:
        return {"clusters": 0, "effective": 0.0, "gini": 0.0, "largest": 0.0}
    share = size / total
    ranks = clusters * (2 * (np.cumsum(clusters) - clusters) + clusters + 1) / 2
    return {
        "clusters": int(count),
        "effective": round(float(np.exp(-(clusters * share * np.log(share)).sum())), 2),
        "gini": round(float(2 * (ranks * share).sum() / count - (count + 1) / count), 4),
        "largest": round(float(share[-1]), 4),
    }
