"""The tracks that this wing adds to samples, in the order of the stages that make them. A new one is one line here."""

from __future__ import annotations

from dataengine.annotate.track import Track
from dataengine.config.recipe import Recipe

#: Stages of this wing whose columns policies and shards read, in their order.
INDEXED: tuple[str, ...] = ()


def tracks(recipe: Recipe) -> list[Track]:
    """Columns by code, leaf and balance of the recipe's index."""
    return []
