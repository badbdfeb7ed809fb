"""What the stages of item alignment share: the recipe's block, and what the projection depends on."""

from __future__ import annotations

from typing import Any

from dataengine.config.index_codes import AlignConfig, PairSource
from dataengine.config.recipe import Recipe
from dataengine.index import item_table


def aligning(recipe: Recipe) -> bool:
    """Whether the recipe aligns the vectors of its index."""
    return recipe.index is not None and recipe.index.align is not None


def align_config(recipe: Recipe) -> AlignConfig:
    """The recipe's ``index.align``. Raises ValueError where it has none, which is a mistake in the code."""
    if recipe.index is None or recipe.index.align is None:
        raise ValueError("the recipe has no index.align")
    return recipe.index.align


def fit_settings(recipe: Recipe) -> Any:
    """Of the recipe, what the projection depends on, as JSON: no path, but what lies there."""
    config, index = align_config(recipe), recipe.index
    settings = config.model_dump(exclude={"pairs", "device"})
    vectors = [index.of, index.caption_weight] if index else []
    return [settings, [_identity(source) for source in config.pairs], vectors, recipe.seed]


def derived(recipe: Recipe) -> list[PairSource]:
    """The pairs that tables say."""
    return [source for source in align_config(recipe).pairs if source.derive in ("video", "column")]


def _identity(source: PairSource) -> Any:
    known = source.model_dump(exclude={"path"})
    return [known, item_table.tag(source.path)] if source.path else known
