"""The section of a release's manifest on the index over its embeddings."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from dataengine.shards.json_types import Closed, Count, Counts


class IndexSection(Closed):
    """The index that the release was made beside: ``manifest``, its key in the workspace; ``of``, the embeddings, by ``model``;
    ``tree``, digest of the planes; ``joined``: samples that have come since these were fitted, and how many times farther they
    lie from their leaves."""

    manifest: str
    kind: str
    of: str
    model: str
    tree: str
    samples: Count
    left_out: Counts
    leaves: Count
    leaf_size: Count
    fullest: Count
    joined: Count
    drift: float
    released: Annotated[Count, Meta(description="vectors of the index in the release")] | UnsetType = UNSET
