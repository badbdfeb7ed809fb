"""What the stages of quantitative codes share: the recipe's block, and what the codes depend on."""

from __future__ import annotations

from typing import Any

from dataengine.config.index_codes import CodesConfig
from dataengine.config.recipe import Recipe


def coding(recipe: Recipe) -> bool:
    """Whether the recipe describes samples by codes."""
    return recipe.index is not None and recipe.index.codes is not None


def codes_config(recipe: Recipe) -> CodesConfig:
    """The recipe's ``index.codes``. Raises ValueError where it has none, which is a mistake in the code."""
    if recipe.index is None or recipe.index.codes is None:
        raise ValueError("the recipe has no index.codes")
    return recipe.index.codes


def fit_settings(recipe: Recipe) -> Any:
    """Of the recipe, what the codebooks depend on, as JSON."""
    index = recipe.index
    vectors = [index.of, index.caption_weight] if index else []
    return [codes_config(recipe).model_dump(), vectors, recipe.seed]
