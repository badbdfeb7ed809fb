"""The sections of a release's manifest on quantitative codes, item alignment and the balance of clusters."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from dataengine.shards.json_types import Closed, Count, Counts, Id


class CodeLevel(Closed):
    """``used``: share of the level's codes that some sample has; ``perplexity``: exp of the entropy of its codes."""

    size: Count
    used: float
    perplexity: float


class QuantitativeCodes(Closed):
    """Residual k-means codes. ``error``: mean squared length of what they leave of a vector, as a share of its own;
    ``collision_rate``: share of the samples whose codes another has, too; ``items`` and ``nearest`` of VQ codes, or 0."""

    id: str
    model: str
    dim: Count
    preset: str
    fitted_on: Count
    levels: list[CodeLevel]
    error: float | None
    distinct: Count
    collision_rate: float
    samples: Count
    without: Annotated[Count, Meta(description="representatives that have no vector")]
    items: Count
    nearest: Count
    in_samples: bool


class Alignment(Closed):
    """A projection trained on pairs. ``recall_raw``, ``recall``: share of held-out pairs whose other half is among the ``k``
    nearest of ``candidates``, by the vectors as they are and by aligned ones; ``fates``: pairs by what became of them."""

    id: str
    model: str
    dims: Annotated[list[Count], Meta(min_length=2, max_length=2)]
    pairs: Count
    held_out_pairs: Count
    candidates: Count
    k: Count
    recall_raw: float
    recall: float
    fates: Counts


class Evenness(Closed):
    """Of the samples over clusters: ``effective``, so many clusters of one size would be as diverse; ``gini``, 0 where all are of
    one size; ``largest``, share of the samples in the largest."""

    samples: Count
    clusters: Count
    effective: float
    gini: float
    largest: float


class Cluster(Closed):
    """A cluster, named by words of its captions; ``examples``: kept samples of it."""

    name: str
    words: list[str]
    before: Count
    after: Count
    examples: list[Id]


class Balance(Closed):
    """Clusters before and after the filter. ``target``, ``temperature``: of ``balance_keep`` and ``balance_weight``."""

    by: str
    depth: Count
    target: Count
    temperature: float
    before: Evenness
    after: Evenness
    largest: list[Cluster]
    emptiest: list[Cluster]
