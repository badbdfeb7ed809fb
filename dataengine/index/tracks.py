"""The tracks that this wing adds to samples, in the order of the stages that make them. A new one is one line here."""

from __future__ import annotations

from dataengine.annotate.track import Track
from dataengine.config.recipe import Recipe
from dataengine.index.balance import stage as balance
from dataengine.index.balance.settings import balancing
from dataengine.index.codes import stage as codes
from dataengine.index.codes.settings import coding

#: Stages of this wing whose columns policies and shards read, in their order.
INDEXED = ("index.codes", "index.balance")


def tracks(recipe: Recipe) -> list[Track]:
    """Columns by code, leaf and balance of the recipe's index."""
    of_codes = [codes.track(recipe)] if coding(recipe) else []
    return [*of_codes, *([balance.track(recipe)] if balancing(recipe) else [])]
